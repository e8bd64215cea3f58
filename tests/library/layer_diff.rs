//! Layers made of differences: the old files with the layer on top are the new files.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use oci_layout::{
    Blob, Compression, Error, FileMapping, LayerOptions, MemoryBlob, Pool, layer_entries,
    layer_tar,
    rootfs::{ImageFiles, layer_diff, unpack},
};
use tempfile::TempDir;
use walkdir::WalkDir;

use super::unpack::{DIR, FILE, HARD, LINK, layer};
use crate::common::bytes;

/// All that a file system says of the files in a folder, apart from inode numbers.
pub(super) fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let entries = WalkDir::new(root).min_depth(1).into_iter().map(Result::unwrap);
    let line = |path: &Path| {
        let found = fs::symlink_metadata(path).unwrap();
        let what = match found.file_type() {
            kind if kind.is_dir() => "directory".to_owned(),
            kind if kind.is_symlink() => format!("-> {}", fs::read_link(path).unwrap().display()),
            kind if kind.is_file() => fs::read_to_string(path).unwrap(),
            kind => format!("fifo {}", kind.is_fifo()),
        };
        let names =
            xattr::list(path).unwrap().filter(|name| name.to_string_lossy().starts_with("user."));
        let xattrs: Vec<_> = names.map(|name| (xattr::get(path, &name).unwrap(), name)).collect();
        let (mode, uid, gid, time) = (found.mode(), found.uid(), found.gid(), found.mtime());
        format!("{what} {mode:o} {uid}:{gid} {time} {xattrs:?}")
    };
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    entries.map(|entry| (name(entry.path()), line(entry.path()))).collect()
}

pub(super) fn unpacked<B: Blob>(layers: Vec<B>) -> BTreeMap<String, String> {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    unpack(layers, &root, &Pool::new(2)).unwrap();
    snapshot(&root)
}

fn files(layers: &[MemoryBlob]) -> ImageFiles {
    ImageFiles::with_contents(layers.to_vec(), &Pool::new(2)).unwrap()
}

/// Makes the layer of a difference, and checks it. Returns the names of its entries.
#[track_caller]
fn difference(old: &[MemoryBlob], new: &[MemoryBlob]) -> Vec<String> {
    let store = TempDir::new().unwrap();
    let options = LayerOptions::from(Compression::None).store(store.path());
    let made = layer_diff(files(old), files(new), options.clone()).unwrap();
    let layer = MemoryBlob::new(made.descriptor().media_type.clone(), bytes(&made));
    assert_eq!(unpacked([old, &[layer]].concat()), unpacked(new.to_vec()));
    // Nothing but the blob, and the same bytes again.
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 1);
    let again = layer_diff(files(old), files(new), options.pool(&Pool::new(1))).unwrap();
    assert_eq!(again.descriptor(), made.descriptor());
    let entries = layer_entries(&made).unwrap();
    entries.map(|entry| entry.unwrap().path.display().to_string()).collect()
}

#[test]
fn the_old_files_with_the_layer_are_the_new_files() {
    let one = layer(&[
        ("same/", DIR, ""),
        ("same/file", FILE, "same"),
        ("gone/", DIR, ""),
        ("gone/deep/", DIR, ""),
        ("gone/deep/file", FILE, "gone"),
        ("changed", FILE, "1"),
        ("to-link", FILE, "1"),
        ("to-dir", FILE, "1"),
        ("to-file/", DIR, ""),
        ("to-file/in-it", FILE, "1"),
        ("link", LINK, "same"),
        ("hard-1", FILE, "hard"),
        ("hard-2", HARD, "hard-1"),
    ]);
    let other = layer(&[
        ("same/", DIR, ""),
        ("same/file", FILE, "same"),
        ("changed", FILE, "2"),
        ("to-link", LINK, "changed"),
        ("to-dir/", DIR, ""),
        ("to-dir/x", FILE, "x"),
        ("to-file", FILE, "1"),
        ("link", LINK, "changed"),
        ("hard-1", FILE, "hard"),
        ("hard-3", HARD, "hard-1"),
        ("implied/deep/file", FILE, "1"),
    ]);
    let names = difference(std::slice::from_ref(&one), std::slice::from_ref(&other));
    let wanted = [
        ".wh.gone",
        ".wh.hard-2",
        "changed",
        "hard-1",
        "hard-3",
        "implied/",
        "implied/deep/",
        "implied/deep/file",
        "link",
        "to-dir/",
        "to-dir/x",
        "to-file",
        "to-link",
    ];
    assert_eq!(names, wanted);
    difference(std::slice::from_ref(&other), std::slice::from_ref(&one));
    // Layers on top of each other, nothing, and everything.
    difference(&[one.clone(), other.clone()], std::slice::from_ref(&other));
    difference(std::slice::from_ref(&one), &[one.clone(), other.clone()]);
    assert_eq!(difference(std::slice::from_ref(&one), std::slice::from_ref(&one)), [""; 0]);
    difference(&[], std::slice::from_ref(&one));
    difference(std::slice::from_ref(&one), &[]);
}

#[test]
fn attributes_of_files_and_of_directories_above_them_stay() {
    let tar = |version: &str| {
        let files = [
            FileMapping::directory("/tmp").mode(0o1777).owner(1, 2).mtime(5).xattr("user.d", "1"),
            FileMapping::text(version, "/tmp/file")
                .mode(0o640)
                .owner(3, 4)
                .mtime(-7)
                .xattr("user.f", "2"),
            FileMapping::text("", "/etc/.keep").mode(if version == "1" { 0o644 } else { 0o600 }),
        ];
        let layer = layer_tar(files, LayerOptions::default()).unwrap();
        MemoryBlob::new(layer.descriptor().media_type.clone(), bytes(&layer))
    };
    assert_eq!(difference(&[tar("1")], &[tar("2")]), ["etc/", "etc/.keep", "tmp/", "tmp/file"]);
}

#[test]
fn a_difference_is_stored() {
    let error = layer_diff(files(&[]), files(&[]), LayerOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
}
