//! Replays every file of `fuzz/corpus` as the fuzzers ran it.

use std::{fs, path::Path};

/// A published package lacks the folder `fuzz`.
fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    if !fuzz.exists() {
        return;
    }
    let corpus = fuzz.join("corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 2, "{corpus:?} has inputs");
    for file in files {
        // A failure prints the name of its input.
        println!("{}", file.display());
        run(&fs::read(&file).unwrap());
    }
}

/// A corpus stays in the history of the repository, which everyone clones.
#[test]
fn the_corpus_is_small() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = walkdir::WalkDir::new(corpus)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file());
    let size: u64 = files.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(size < 300_000, "{size} bytes");
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), super::$target);
        })*

        /// Each target of `fuzz/Cargo.toml` is in this list, and calls the function of its name.
        #[test]
        fn all_targets_are_replayed() {
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let Ok(manifest) = fs::read_to_string(fuzz.join("Cargo.toml")) else { return };
            let bins = manifest.split("[[bin]]").skip(1);
            let targets: Vec<_> = bins.map(|bin| bin.split('"').nth(1).unwrap()).collect();
            assert_eq!(targets, [$(stringify!($target)),*]);
            for target in targets {
                let source = fs::read_to_string(fuzz.join("targets").join(target).with_extension("rs")).unwrap();
                assert!(source.contains(&format!("oci_layout::fuzzing::{target}(data)")), "{target}");
            }
        }
    };
}

replays!(
    archive bundle challenge declared document graph http image_name recipe reference serve_config
    source_tar spec tar
);
