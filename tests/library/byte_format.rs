//! The byte format, checked by other programs: a second implementation, gzip, zstd, sha256sum.
#![cfg(all(feature = "gzip", feature = "zstd"))]

mod second;

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Command,
};

use crate::common::{
    random::text,
    rich::{rich_tree, tabled_tree},
    run,
};
use oci_layout::{Blob, Compression, FileMapping, Layer, LayerOptions, Warning, layer_tar};
use tempfile::TempDir;

/// Decompressing a blob gives the tar of the diff ID, and the digest is that of the file.
#[test]
fn other_programs_find_the_same_digests() {
    let dir = TempDir::new().unwrap();
    let sha256sum = |script: &str, file: &Path| {
        let output = run(Command::new("sh").args(["-c", script, "sh"]).arg(file));
        format!("sha256:{}", String::from_utf8(output).unwrap().split(' ').next().unwrap())
    };
    for (compression, decode) in [
        (Compression::None, "cat"),
        (Compression::GZIP, "gzip -dc"),
        (Compression::ZSTD, "zstd -dcq"),
        (Compression::Gzip { level: 12 }, "pigz -dc"),
        (Compression::Zstd { level: 19 }, "zstd -dcq"),
        (Compression::ZSTD_CHUNKED, "zstd -dcq"),
    ] {
        let layer =
            layer_tar(rich_tree(), LayerOptions::from(compression).store(dir.path())).unwrap();
        let file = layer.file().unwrap();
        assert_eq!(file.file_name().unwrap().to_str().unwrap(), layer.descriptor().digest.hex());
        assert_eq!(file.metadata().unwrap().len(), layer.descriptor().size);
        assert_eq!(
            sha256sum("sha256sum < \"$1\"", file),
            layer.descriptor().digest.to_string(),
            "{compression}"
        );
        let tar = sha256sum(&format!("{decode} < \"$1\" | sha256sum"), file);
        assert_eq!(tar, layer.diff_id().to_string(), "{compression}");
    }
}

/// Small and large files, with names in several fields, so that blocks end in every way.
fn files() -> impl Iterator<Item = FileMapping> {
    let sizes = [0, 100, 5_000, 70_000, 300_000, 900_000, 1_048_064, 2_600_000, 9_000_000];
    let files = (0..240).map(move |number| {
        let size = if number % 20 == 0 { sizes[number / 20 % sizes.len()] } else { number * 431 };
        let folder = if number % 7 == 0 { "long".repeat(30) } else { "short".to_owned() };
        FileMapping::bytes(text(size, number as u64), format!("/{folder}/file-{number}"))
    });
    rich_tree().into_iter().chain(files)
}

/// Checks a blob against the section "The blob" of the page, and returns the ends of its blocks.
fn ends(compression: Compression, level: u8, tar: &Path, blob: &Path) -> Vec<u64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/byte_format/blocks.py");
    let name = compression.to_string();
    let mut command = Command::new("python3");
    command.arg(script).arg(name.split(':').next().unwrap()).arg(level.to_string());
    let ends = run(command.arg(tar).arg(blob));
    String::from_utf8(ends).unwrap().lines().map(|end| end.parse().unwrap()).collect()
}

#[test]
fn a_second_implementation_finds_the_same_blocks() {
    let dir = TempDir::new().unwrap();
    let store = |compression| {
        let options = LayerOptions::from(compression).store(dir.path());
        layer_tar(files(), options).unwrap().file().unwrap().to_owned()
    };
    let tar = store(Compression::None);
    let mut counts = Vec::new();
    for (compression, level, limit) in [
        (Compression::Gzip { level: 1 }, 1, 1 << 20),
        (Compression::GZIP, 5, 1 << 20),
        (Compression::Gzip { level: 8 }, 8, 1 << 20),
        (Compression::ZSTD, 3, 4 << 20),
    ] {
        let ends = ends(compression, level, &tar, &store(compression));
        assert!(ends.windows(2).all(|pair| pair[1] - pair[0] <= limit));
        counts.push(ends.len());
    }
    assert!(counts[0] > 30 && counts[3] > 5, "{counts:?}");
}

/// The annotations of a blob that is as the section "zstd:chunked" of the page says.
fn annotations(level: u8, tar: &Path, blob: &Path) -> BTreeMap<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/byte_format/chunked.py");
    let mut command = Command::new("python3");
    let found = run(command.arg(script).arg(level.to_string()).arg(tar).arg(blob));
    serde_json::from_slice(&found).unwrap()
}

#[test]
fn a_second_implementation_finds_the_same_table_of_contents() {
    let dir = TempDir::new().unwrap();
    // Large files are in several blocks, and the texts in several frames.
    let large = files().skip(rich_tree().len()).filter(|file| {
        let name = file.destination.file_name().unwrap().to_str().unwrap();
        name.ends_with("0") || name.ends_with("3")
    });
    let many = (0..4000).map(|number| FileMapping::text("m", format!("/many/{number}")));
    let large: Vec<_> = large.chain(many).collect();
    for (files, level) in
        [(tabled_tree(), 1), (large, 3), (vec![FileMapping::directory("/")], 3), (vec![], 3)]
    {
        let store = |compression| {
            let options = LayerOptions::from(compression).store(dir.path());
            layer_tar(files.clone(), options).unwrap()
        };
        let tar = store(Compression::None);
        let layer = store(Compression::ZstdChunked { level });
        let found = annotations(level, tar.file().unwrap(), layer.file().unwrap());
        assert_eq!(layer.descriptor().annotations, found);
        assert_eq!(layer.diff_id(), tar.diff_id());
    }
}

/// What the table cannot express leaves it out.
#[test]
fn some_layers_have_no_table_of_contents() {
    let name = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let text = || FileMapping::text("x", "/file");
    for (file, reason) in [
        (FileMapping::text("x", name(b"/\xff")), "has a path that is not UTF-8"),
        (FileMapping::symlink(name(b"\xff"), "/link"), "has a link target that is not UTF-8"),
        (
            text().xattr(name(b"user.\xff"), "x"),
            "has the name of an extended attribute that is not UTF-8",
        ),
        (text().mtime(253_402_300_800), "has a time outside of the years 0 to 9999"),
        (text().mtime(-62_167_219_201), "has a time outside of the years 0 to 9999"),
    ] {
        let dir = TempDir::new().unwrap();
        let options = LayerOptions::from(Compression::ZSTD_CHUNKED).store(dir.path());
        let layer = layer_tar([file.clone()], options.clone()).unwrap();
        let [Warning::NoTable { reason: found }] = layer.warnings() else { panic!("{reason}") };
        assert!(found.ends_with(reason), "{found}");
        assert_eq!(layer.descriptor().annotations, BTreeMap::new());
        assert!(layer_tar([file], options.strict(true)).is_err());
        let blob = fs::read(layer.file().unwrap()).unwrap();
        assert!(blob.ends_with(b"oci-layout\x02\x03"), "{reason}");
        let tar = run(Command::new("zstd").arg("-dcq").arg(layer.file().unwrap()));
        assert_eq!(oci_layout::Digest::of(tar), layer.diff_id());
    }
    let last = text().mtime(253_402_300_799);
    for file in [last, text().mtime(-62_167_219_200), text().mtime(0)] {
        let layer = layer_tar([file], Compression::ZSTD_CHUNKED).unwrap();
        assert_eq!((layer.warnings(), layer.descriptor().annotations.len()), (&[][..], 3));
    }
}

/// If a file grows or appears, all blocks but a few keep their contents.
#[test]
fn a_change_leaves_distant_blocks_as_they_are() {
    let blocks = |files: Vec<FileMapping>, compression, limit| {
        let dir = TempDir::new().unwrap();
        let store = |compression| {
            let options = LayerOptions::from(compression).store(dir.path());
            layer_tar(files.clone(), options).unwrap().file().unwrap().to_owned()
        };
        let (tar, blob) = (store(Compression::None), store(compression));
        let ends = ends(compression, limit, &tar, &blob);
        let tar = fs::read(tar).unwrap();
        let begins = [0].into_iter().chain(ends.iter().copied());
        let blocks =
            begins.zip(&ends).map(|(begin, &end)| tar[begin as usize..end as usize].to_vec());
        blocks.collect::<HashSet<_>>()
    };
    let before: Vec<FileMapping> = files().collect();
    let small = before.iter().position(|file| file.destination.ends_with("file-81")).unwrap();
    let mut grown = before.clone();
    grown[small] = FileMapping::text("one more line\n".repeat(4000), "/short/file-81");
    let mut more = before.clone();
    more.push(FileMapping::bytes(text(200_000, 9), "/short/file-81-more"));
    for (compression, level) in [(Compression::GZIP, 5), (Compression::ZSTD, 3)] {
        let old = blocks(before.clone(), compression, level);
        for changed in [&grown, &more] {
            let new = blocks(changed.clone(), compression, level);
            let differ = new.difference(&old).count();
            assert!((1..=3).contains(&differ), "{differ} of {} blocks, {compression}", new.len());
        }
    }
}
