//! What a registry remembers: after a restart, of layers, and if entries are damaged.

use std::{fs, time::Duration};

use oci_layout::{
    Digest,
    on_demand::PackageImagesOptions,
    registry::{NamedImages, Stop},
};

use crate::{common::packages::Packages, files, known, layers, make, read_all};

#[test]
fn a_restarted_registry_asks_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    assert!(known(&images, "hello/shell").is_none());
    let image = make(&images, "hello/shell");
    assert_eq!(known(&images, "shell/hello").unwrap().digest(), image.digest());
    assert_eq!(packages.calls(), ["revision latest", "resolve hello shell", "realise", "closure"]);
    drop(images);

    let images = packages.images(&folder);
    // By digest before anybody asked by tag.
    for digest in layers(&image).into_iter().chain([image.digest()]) {
        assert_eq!(images.holding("shell/hello", digest).unwrap().digest(), image.digest());
        assert!(images.holding("hello", digest).is_none(), "another name");
    }
    assert!(images.holding("shell/hello", Digest::of("another")).is_none());
    let again = known(&images, "hello/shell").unwrap();
    assert_eq!(again.digest(), image.digest());
    read_all(&again).unwrap();
    assert!(known(&images, "hello").is_none());
    assert_eq!(packages.calls(), [""; 0]);
}

#[test]
fn a_tag_is_looked_up_again_after_some_time() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let options = || PackageImagesOptions::new(scratch.path().join("registry"));
    let images = packages.images_with(options());
    let first = make(&images, "hello");
    packages.set_revision("r2");
    assert_eq!(make(&images, "hello").digest(), first.digest(), "it is pinned");
    drop(images);

    let images = packages.images_with(options().pin(Duration::ZERO));
    assert!(known(&images, "hello").is_none());
    packages.calls();
    let second = make(&images, "hello");
    assert_ne!(second.digest(), first.digest());
    packages.set_revision("r1");
    packages.calls();
    assert_eq!(make(&images, "hello").digest(), first.digest());
    assert_eq!(packages.calls(), ["revision latest"], "the image of each revision is known");
    assert!(images.holding("hello", second.digest()).is_some(), "the older image is served too");
}

#[test]
fn a_layer_of_an_earlier_image_is_not_read() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    packages.remember_closures();
    let hello = make(&packages.images(&folder), "hello");
    fs::remove_dir_all(packages.path("libc")).unwrap();
    // In another process, too.
    let images = packages.images(&folder);
    let both = make(&images, "hello/shell");
    assert!(layers(&both).contains(&layers(&hello)[0]), "they share the layer of libc");

    let fresh = packages.images(&scratch.path().join("fresh"));
    let request = fresh.request("hello/shell", "latest").unwrap();
    let error = fresh.make(&request, &Stop::default()).unwrap_err();
    assert!(error.detail.unwrap().contains("does not exist"), "nobody can read it");
}

#[test]
fn damaged_entries_are_made_again() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let digest = make(&packages.images(&folder), "hello/shell").digest();
    let entries = files(&folder.join("state"));
    assert!(entries.len() > 8, "{entries:?}");
    for entry in &entries {
        let whole = fs::read(entry).unwrap();
        let half = whole[..whole.len() / 2].to_vec();
        let mut changed = whole.clone();
        if let Some(byte) = changed.last_mut() {
            *byte ^= 1;
        }
        for bytes in [Vec::new(), half, changed, b"{}".to_vec()] {
            fs::write(entry, &bytes).unwrap();
            let images = packages.images(&folder);
            let image = make(&images, "hello/shell");
            assert_eq!(image.digest(), digest, "{entry:?}");
            read_all(&image).unwrap();
            drop(images);
            // It was repaired for everybody.
            let images = packages.images(&folder);
            read_all(&known(&images, "hello/shell").unwrap()).unwrap();
        }
        fs::remove_file(entry).unwrap();
        let images = packages.images(&folder);
        let image = make(&images, "hello/shell");
        assert_eq!(image.digest(), digest, "{entry:?}");
        read_all(&image).unwrap();
    }
}

#[test]
fn recipes_of_others_read_only_the_store() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let image = make(&packages.images(&folder), "hello");
    fs::rename(scratch.path().join("store"), scratch.path().join("secret")).unwrap();
    // Another user of the storage writes valid entries that name files elsewhere.
    for entry in files(&folder.join("state/layers")) {
        let text = fs::read_to_string(&entry).unwrap();
        let json = text.split_once('\n').unwrap().1.replace("/store/", "/secret/");
        fs::write(&entry, format!("{}\n{json}", Digest::of(&json))).unwrap();
    }
    let images = packages.images(&folder);
    let image = images.holding("hello", image.digest()).unwrap();
    let error = read_all(&image).unwrap_err();
    assert!(error.to_string().contains("secret"), "{error}");
    assert!(matches!(error, oci_layout::Error::RecipeUntrusted { .. }), "{error}");
}
