//! Store paths that a garbage collector removed between the manifest and the layers, or that
//! changed.

use std::fs;

use oci_layout::{Error, registry::NamedImages};

use crate::{common::packages::Packages, is_layer, known, make, read, read_all};

#[test]
fn paths_are_kept_and_realised_again() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    let image = make(&images, "hello/shell");
    assert_eq!(packages.collect_garbage(), 0, "the links keep them");
    packages.calls();
    read_all(&image).unwrap();
    assert_eq!(packages.calls(), [""; 0]);

    // Somebody removes the links.
    for link in fs::read_dir(folder.join("roots")).unwrap() {
        fs::remove_file(link.unwrap().path()).unwrap();
    }
    assert_eq!(packages.collect_garbage(), 3);
    for images in [images, packages.images(&folder)] {
        read_all(&known(&images, "hello/shell").unwrap()).unwrap();
    }
    assert_eq!(packages.calls(), ["realise", "closure"], "once for all layers");
    assert_eq!(packages.collect_garbage(), 0, "the links keep them again");
}

#[test]
fn a_build_that_gives_something_else_gives_no_byte() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    let image = make(&images, "hello");
    for link in fs::read_dir(folder.join("roots")).unwrap() {
        fs::remove_file(link.unwrap().path()).unwrap();
    }
    packages.collect_garbage();
    packages.rebuild_otherwise("libc");
    let error = read_all(&image).unwrap_err();
    // The hash of its archive differs, before any file is read.
    let libc = packages.path("libc");
    assert!(matches!(&error, Error::SourceOutdated { path, .. } if *path == libc), "{error}");
    // Not even on the second attempt, for which the other paths exist.
    let error = read_all(&image).unwrap_err();
    assert!(matches!(error, Error::SourceOutdated { .. }), "{error}");
}

#[test]
fn a_path_that_changed_gives_no_whole_layer() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let images = packages.images(&scratch.path().join("registry"));
    let image = make(&images, "hello");
    let file = packages.path("libc").join("lib/libc.so");
    let mut bytes = fs::read(&file).unwrap();
    bytes[200_000] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    let mut wrong = 0;
    for blob in image.blobs().iter().filter(|blob| is_layer(blob.as_ref())) {
        if let (length, Err(error)) = read(blob.as_ref()) {
            assert!((length as u64) < blob.descriptor().size);
            assert!(error.to_string().contains("libc.so"), "{error}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 1);
    assert!(images.holding("hello", image.digest()).is_some());
}
