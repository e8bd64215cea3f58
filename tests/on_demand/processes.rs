//! Several processes with one state, and processes that are killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    thread,
    time::Instant,
};

use oci_layout::{
    Digest,
    on_demand::{PackageImages, PackageImagesOptions, Storage},
    registry::NamedImages,
};

use crate::{
    common::{Random, child, child_argument, packages::Packages},
    known, make,
    on_demand::stored::stored,
    read_all,
};

/// The names that every process makes.
const NAMES: [&str; 4] = ["hello", "shell", "hello/shell", "as-root/shell"];

/// A registry with a store of its own name, which shares the state.
fn registry(scratch: &Path) -> PackageImages {
    let packages = Packages::usual(scratch.join("store"));
    // Its layer is stored.
    packages.builds("libc");
    packages.images(&scratch.join("registry"))
}

fn digests(images: &PackageImages) -> Vec<Digest> {
    NAMES.iter().map(|name| make(images, name).digest()).collect()
}

#[test]
fn processes_agree() {
    if let Some(scratch) = child_argument() {
        digests(&registry(&scratch)).iter().for_each(|digest| println!("made {digest}"));
        return;
    }
    for _ in 0..3 {
        let scratch = tempfile::tempdir().unwrap();
        // Nix writes a store for one process at a time.
        digests(
            &Packages::usual(scratch.path().join("store")).images(&scratch.path().join("first")),
        );
        let start = || {
            let mut this = child(processes_agree, scratch.path());
            this.stdout(Stdio::piped()).spawn().unwrap()
        };
        let said = [start(), start(), start()].map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            let lines = BufReader::new(&output.stdout[..]).lines().map(Result::unwrap);
            lines.filter(|line| line.starts_with("made ")).collect::<Vec<_>>()
        });
        assert_eq!(said[0].len(), NAMES.len());
        assert_eq!(said[0], said[1]);
        assert_eq!(said[0], said[2]);
        assert_eq!(stored(&scratch.path().join("registry")).len(), 1);
    }
}

#[test]
fn a_killed_process_leaves_nothing_wrong() {
    if let Some(scratch) = child_argument() {
        println!("ready");
        digests(&registry(&scratch));
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let first = Packages::usual(scratch.path().join("store"));
    let expected = digests(&first.images(&scratch.path().join("first")));
    let mut random = Random(5);
    let (mut before, mut after) = (0, 0);
    let begin = Instant::now();
    digests(&registry(scratch.path()));
    let whole = begin.elapsed();
    // More often where other programs make the times differ.
    for round in 0..200 {
        if round >= 25 && before > 5 && after > 5 {
            break;
        }
        let _ = fs::remove_dir_all(scratch.path().join("registry"));
        let mut this = child(a_killed_process_leaves_nothing_wrong, scratch.path());
        let mut child = this.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        thread::sleep(whole * random.below(200) as u32 / 100);
        child.kill().unwrap();
        child.wait().unwrap();

        stored(&scratch.path().join("registry"));
        let images = registry(scratch.path());
        for (name, expected) in NAMES.iter().zip(&expected) {
            match known(&images, name) {
                Some(image) => {
                    assert_eq!(image.digest(), *expected);
                    read_all(&image).unwrap();
                    after += 1;
                }
                None => before += 1,
            }
        }
        assert_eq!(digests(&images), expected);
        images.evict(&Default::default()).unwrap();
    }
    assert!(before > 5 && after > 5, "killed before {before} images and after {after}");
}

#[test]
fn the_first_of_two_registries_decides() {
    let scratch = tempfile::tempdir().unwrap();
    let storage = Storage::folder(scratch.path().join("shared")).unwrap();
    // The builds of one package differ between the machines of the registries.
    let [one, other] = ["one", "other"].map(|name| {
        let packages = Packages::usual(scratch.path().join("store"));
        let options = PackageImagesOptions::new(scratch.path().join(name));
        (packages.clone(), packages.images_with(options.storage(storage.clone())))
    });
    let first = make(&one.1, "hello");
    fs::remove_dir_all(scratch.path().join("store")).unwrap();
    fs::create_dir(scratch.path().join("store")).unwrap();
    other.0.rebuild_otherwise("libc");
    // Both answer the same, from the state.
    assert_eq!(known(&other.1, "hello").unwrap().digest(), first.digest());
    assert_eq!(make(&other.1, "hello").digest(), first.digest());
    assert_eq!(other.0.calls(), [""; 0]);
    // The other cannot make the layer: it says so before the first byte.
    let image = other.1.holding("hello", first.digest()).unwrap();
    let error = read_all(&image).unwrap_err();
    assert!(error.to_string().contains("libc-2.40"), "{error}");
}
