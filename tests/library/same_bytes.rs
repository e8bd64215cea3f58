//! The same mappings, options and contents give the same bytes, whatever else differs.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use crate::common::{self, Random, behind, bytes, child, child_argument, run, text};
use oci_layout::{
    Blob, Compression, FileMapping, HardLinks, Layer, LayerOptions, PermissionRule, Pool, TarLayer,
    image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::GZIP, Compression::ZSTD];

/// A folder with every kind of file, created in an order that depends on the seed.
fn make_tree(dir: &Path, seed: u64) {
    let mut steps: Vec<Box<dyn Fn()>> = Vec::new();
    for folder in ["bin", "lib/a/b", "empty", "z"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    for n in 0..60 {
        let path =
            dir.join(["bin", "lib", "lib/a", "lib/a/b", "z"][n % 5]).join(format!("file-{n}"));
        let (size, mode) = (
            [0, 1, 511, 512, 513, 100_000, 1 << 20][n % 7],
            if n % 3 == 0 { 0o755 } else { 0o644 },
        );
        steps.push(Box::new(move || {
            let mut file =
                fs::OpenOptions::new().create_new(true).write(true).mode(mode).open(&path).unwrap();
            file.write_all(&text(size, n as u64)).unwrap();
        }));
    }
    let link = dir.join("lib/link");
    steps.push(Box::new(move || symlink("a/b/file-3", &link).unwrap()));
    Random(seed).shuffle(&mut steps);
    steps.iter().for_each(|step| step());
}

/// The digests of layers, configuration and manifest made from a folder, and of the layout's other
/// files.
fn digests(tree: &Path) -> String {
    let mut digests = String::new();
    for compression in COMPRESSIONS {
        let out = TempDir::new_in(tree.parent().unwrap()).unwrap();
        let files = [
            FileMapping::new(tree, "/opt"),
            FileMapping::directory("/tmp").mode(0o1777),
            FileMapping::text("x", "/etc/x"),
        ];
        let layer =
            layer_tar(files, LayerOptions::default().compression(compression).store(out.path()))
                .unwrap();
        digests += &format!("{} {compression} {}\n", layer.diff_id(), layer.descriptor().digest);
        let config =
            image_config([&layer], json!({ "config": { "Cmd": ["/opt/bin/file-0"] } })).unwrap();
        let image = image_manifest(config, [layer], json!({})).unwrap().tagged("latest");
        digests += &format!("{}\n", image.digest());
        image_layout(out.path(), [image], json!({})).unwrap();
        for file in ["index.json", "oci-layout"] {
            digests += &fs::read_to_string(out.path().join(file)).unwrap();
            digests.push('\n');
        }
    }
    digests
}

/// Properties of a process that must not affect the bytes: each in a child of this test.
#[test]
fn in_another_process() {
    if let Some(tree) = child_argument() {
        let out = tree.parent().unwrap().join("digests");
        return fs::write(out, digests(&tree)).unwrap();
    }
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    make_tree(&tree, 1);
    let expected = digests(&tree);
    let this = |argument: &Path| child(in_another_process, argument);
    let in_shell = |script: &str| {
        behind(&["sh", "-c", &format!("{script}; exec \"$0\" \"$@\"")], &this(&tree))
    };
    let with = |name: &str, value: &str| {
        let mut command = this(&tree);
        command.env(name, value);
        command
    };
    let empty =
        fs::create_dir(dir.path().join("empty")).map(|()| dir.path().join("empty")).unwrap();
    let mut elsewhere = this(&tree);
    elsewhere.current_dir(&empty);
    let mut relative = this(Path::new("../tree"));
    relative.current_dir(&empty);
    let mut nothing = this(&tree);
    nothing
        .env_clear()
        .envs(this(&tree).get_envs().filter_map(|(name, value)| Some((name, value?))));

    let rows: [(&str, Command); 15] = [
        ("as it is", this(&tree)),
        ("umask 000", in_shell("umask 000")),
        ("umask 077", in_shell("umask 077")),
        ("few files open", in_shell("ulimit -n 20")),
        ("another locale", with("LC_ALL", "C.UTF-8")),
        ("a locale that is not there", with("LC_ALL", "tr_TR.UTF-8")),
        ("a time zone in the east", with("TZ", "Pacific/Kiritimati")),
        ("a time zone in the west", with("TZ", "America/St_Johns")),
        ("a clock in the past", behind(&["faketime", "-f", "1999-12-31 23:59:59"], &this(&tree))),
        (
            "a clock in the future",
            behind(&["faketime", "-f", "@2060-02-29 00:00:00"], &this(&tree)),
        ),
        ("SOURCE_DATE_EPOCH", with("SOURCE_DATE_EPOCH", "1234567890")),
        ("a temporary folder that is not there", with("TMPDIR", "/nonexistent")),
        ("another folder", elsewhere),
        ("a relative source", relative),
        ("an empty environment", nothing),
    ];
    for (name, mut command) in rows {
        let out = dir.path().join("digests");
        let _ = fs::remove_file(&out);
        run(&mut command);
        assert_eq!(fs::read_to_string(&out).unwrap(), expected, "{name}");
    }
}

#[test]
fn in_another_order_and_at_another_time() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    make_tree(&tree, 1);
    let expected = digests(&tree);
    // Times of 1973 and ten years from now. Names are read in between, so that access times change
    // too.
    for time in [
        SystemTime::UNIX_EPOCH + Duration::from_secs(99_999_999),
        SystemTime::now() + Duration::from_secs(3 << 27),
    ] {
        for path in common::files_in(&tree) {
            let file = fs::File::open(tree.join(path));
            // The link's own time cannot be set like this, and its target's is.
            file.and_then(|file| file.set_modified(time)).unwrap();
        }
        assert_eq!(digests(&tree), expected);
    }
    let mut listings = Vec::new();
    for seed in 2..6 {
        // A tmpfs lists the newest name first, so the order of creation determines the order of
        // listing.
        let there = TempDir::new_in("/dev/shm").unwrap();
        let tree = there.path().join("tree");
        make_tree(&tree, seed);
        assert_eq!(digests(&tree), expected, "seed {seed}");
        let names = fs::read_dir(tree.join("lib")).unwrap().map(|entry| entry.unwrap().file_name());
        listings.push(names.collect::<Vec<_>>());
    }
    assert!(
        listings[1..].iter().any(|listing| *listing != listings[0]),
        "the order of listing was never another"
    );
}

#[test]
fn on_another_file_system() {
    let dir = TempDir::new().unwrap();
    let there = TempDir::new_in("/dev/shm").unwrap();
    make_tree(&dir.path().join("tree"), 1);
    let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
    assert_ne!(
        device(dir.path()),
        device(there.path()),
        "the temporary folder is a tmpfs too: set TMPDIR to one on disk"
    );
    run(Command::new("cp").arg("-R").arg(dir.path().join("tree")).arg(there.path().join("tree")));
    assert_eq!(digests(&dir.path().join("tree")), digests(&there.path().join("tree")));
}

#[test]
fn with_mappings_in_another_order() {
    let dir = TempDir::new().unwrap();
    make_tree(dir.path(), 1);
    let mut files = vec![
        FileMapping::new(dir.path(), "/opt"),
        FileMapping::new(dir.path().join("lib"), "/opt/lib/more"),
        FileMapping::new(dir.path().join("bin/file-0"), "/opt/bin/file-0"),
        FileMapping::directory("/opt/bin").mode(0o700),
        FileMapping::directory("/"),
        FileMapping::text("a", "/a"),
        FileMapping::text("a", "/a"),
        FileMapping::text("b", "/a-b/c"),
        FileMapping::symlink("a", "/link"),
        FileMapping::whiteout("/opt/old"),
        FileMapping::opaque_whiteout("/opt/z"),
    ];
    let options = || LayerOptions::from(Compression::None).hard_links(HardLinks::Merge).owner(5, 6);
    let expected = layer_tar(files.clone(), options()).unwrap().diff_id();
    for seed in 0..20 {
        Random(seed).shuffle(&mut files);
        assert_eq!(layer_tar(files.clone(), options()).unwrap().diff_id(), expected, "{files:?}");
    }
}

/// A layer of more blocks than the largest number of threads, with every compression, stored and
/// described.
#[test]
fn with_any_number_of_threads() {
    let dir = TempDir::new().unwrap();
    for n in 0..4 {
        fs::write(dir.path().join(n.to_string()), text(4_300_001, n)).unwrap();
    }
    let out = TempDir::new().unwrap();
    let files = || [FileMapping::new(dir.path(), "/")];
    for compression in COMPRESSIONS {
        let expected =
            layer_tar(files(), LayerOptions::from(compression).pool(&Pool::new(1))).unwrap();
        let expected_bytes = bytes(&expected);
        for threads in [1, 2, 3, 8] {
            let options = LayerOptions::from(compression).pool(&Pool::new(threads));
            let described = layer_tar(files(), options.clone()).unwrap();
            let stored =
                layer_tar(files(), options.store(out.path().join(threads.to_string()))).unwrap();
            for layer in [described, stored] {
                assert_eq!(
                    layer.descriptor(),
                    expected.descriptor(),
                    "{compression}, {threads} threads"
                );
                assert_eq!(layer.diff_id(), expected.diff_id(), "{compression}, {threads} threads");
                assert!(bytes(&layer) == expected_bytes, "{compression}, {threads} threads");
            }
        }
    }
}

/// A folder is listed while files are read, unless another mapping has a path at, above or below
/// it. In that case, everything is listed first. In the second layer, every folder has such a
/// neighbour, which adds nothing.
#[test]
fn listed_first_or_while_reading() {
    let dir = TempDir::new().unwrap();
    for n in 0..1500 {
        // Names that sort differently if the end of a folder is ignored.
        let path = dir
            .path()
            .join(["a", "a/b", "a-b", "a.b", "c/d"][n % 5])
            .join(format!("{}", n * 7919 % 1500));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text(n % 97 * 100, n as u64)).unwrap();
    }
    let meanwhile = vec![
        FileMapping::text("x", "/z"),
        FileMapping::new(dir.path().join("c"), "/y/c"),
        FileMapping::new(dir.path(), "/opt/x"),
        FileMapping::new(dir.path().join("a"), "/opt/x-y").exclude("b/*1*"),
        FileMapping::text("x", "/opt/x-x"),
        FileMapping::new(dir.path().join("a-b"), "/opt/z").include("none"),
        FileMapping::new(dir.path().join("a-b"), "/opt/y/z").include("*2*"),
        FileMapping::whiteout("/opt/x.old"),
    ];
    let folders = ["/y/c", "/opt/x", "/opt/x-y"].map(FileMapping::directory);
    let before = [&meanwhile[..], &folders].concat();
    let rule =
        PermissionRule { glob: "opt/**/*3*".into(), mode: Some(0o600), uid: Some(7), gid: None };
    for compression in COMPRESSIONS {
        for threads in [1, 2, 3, 8] {
            let options = || {
                let options = LayerOptions::from(compression).permission(rule.clone());
                options.recipe(true).pool(&Pool::new(threads))
            };
            let [meanwhile, before] =
                [&meanwhile, &before].map(|files| layer_tar(files.clone(), options()).unwrap());
            assert_eq!(meanwhile.diff_id(), before.diff_id(), "{compression}, {threads} threads");
            assert_eq!(
                meanwhile.descriptor(),
                before.descriptor(),
                "{compression}, {threads} threads"
            );
            assert!(bytes(&meanwhile) == bytes(&before), "{compression}, {threads} threads");
        }
    }
}

#[test]
fn side_by_side_and_one_by_one() {
    let out = TempDir::new().unwrap();
    let layer = |n: u64, pool: &Pool| {
        let options = LayerOptions::from(COMPRESSIONS[n as usize % 3]).pool(pool);
        let options = if n.is_multiple_of(2) { options.store(out.path()) } else { options };
        layer_tar([FileMapping::bytes(text(3_000_000 * (n as usize % 3), n), "/f")], options)
            .unwrap()
    };
    let id = |layer: &TarLayer| (layer.diff_id(), layer.descriptor().clone());
    let one_by_one: Vec<_> = (0..9).map(|n| id(&layer(n, &Pool::new(1)))).collect();
    for threads in [1, 2, 3, 8] {
        let pool = Pool::new(threads);
        let side_by_side: Vec<_> = pool.map(0..9, |n| layer(n, &pool)).iter().map(id).collect();
        assert_eq!(side_by_side, one_by_one, "{threads} threads");
    }
}

/// A described layer is made while it is read, in pieces of any size.
#[test]
fn read_in_pieces_of_any_size() {
    for compression in COMPRESSIONS {
        let layer = layer_tar([FileMapping::bytes(text(3 << 20, 1), "/f")], compression).unwrap();
        let expected = bytes(&layer);
        for size in [1 << 10, 4095, 65_536, 1 << 20, 5 << 20] {
            let (mut reader, mut piece, mut all) =
                (layer.open().unwrap(), vec![0; size], Vec::new());
            loop {
                let n = reader.read(&mut piece).unwrap();
                all.extend_from_slice(&piece[..n]);
                if n == 0 {
                    break;
                }
            }
            assert!(all == expected, "{compression}, {size} bytes at a time");
        }
    }
}

/// The path of the sources is not in the result, not even in the history.
#[test]
fn no_source_path_in_any_document() {
    let dir = TempDir::with_prefix("a-telling-name").unwrap();
    make_tree(&dir.path().join("tree"), 1);
    let layer =
        layer_tar([FileMapping::new(dir.path().join("tree"), "/opt")], Compression::None).unwrap();
    let config = image_config([&layer], json!({})).unwrap();
    for bytes in [bytes(&layer), config.bytes().to_vec()] {
        assert!(
            !bytes
                .windows(14)
                .any(|window| OsStr::new("a-telling-name").as_encoded_bytes() == window)
        );
    }
}
