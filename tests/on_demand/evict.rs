//! Eviction by age and size.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    thread,
    time::Duration,
};

use oci_layout::{
    Digest,
    on_demand::Eviction,
    registry::{NamedImages, Stop},
};

use crate::{common::packages::Packages, files, is_layer, known, make, read_all};

const HOUR: Duration = Duration::from_secs(3600);

/// Makes everything in the state older, as if nobody had used it for this time.
fn wait(folder: &Path, time: Duration) {
    // A thread writes the uses.
    let count = |kind| fs::read_dir(folder.join("state").join(kind)).map_or(0, Iterator::count);
    while count("uses") < count("images") {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(200));
    for file in files(&folder.join("state")) {
        // A pin has its time inside.
        if file.starts_with(folder.join("state/pins")) {
            continue;
        }
        let file = File::options().write(true).open(file).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_modified(written - time).unwrap();
    }
}

fn roots(folder: &Path) -> usize {
    fs::read_dir(folder.join("roots")).unwrap().count()
}

#[test]
fn images_go_by_age_with_what_only_they_need() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    let old = make(&images, "hello").digest();
    wait(&folder, 10 * HOUR);
    make(&images, "shell");
    assert_eq!(roots(&folder), 2);
    let day = Eviction::default().max_age(24 * HOUR);
    assert_eq!(images.evict(&day).unwrap().images, 0);
    let evicted = images.evict(&Eviction::default().max_age(5 * HOUR)).unwrap();
    assert_eq!((evicted.images, evicted.left), (1, 1));
    assert_eq!(roots(&folder), 1);
    assert!(known(&images, "hello").is_none(), "memory and state forgot it");
    assert!(known(&images, "shell").is_some());
    assert_eq!(packages.collect_garbage(), 1, "hello, and not libc, which shell needs");
    // What remains is the other image, whole.
    read_all(&known(&packages.images(&folder), "shell").unwrap()).unwrap();
    assert_eq!(make(&images, "hello").digest(), old, "it is made again");

    wait(&folder, 10 * HOUR);
    let images = packages.images(&folder);
    assert_eq!(images.evict(&Eviction::default().max_age(HOUR)).unwrap().left, 0);
    let mut left = files(&folder.join("state"));
    left.retain(|file| !file.starts_with(folder.join("state/pins")));
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(roots(&folder), 0);
}

#[test]
fn images_go_by_size_oldest_first() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    make(&images, "hello");
    wait(&folder, 2 * HOUR);
    make(&images, "shell");
    wait(&folder, 2 * HOUR);
    // libc has 30,000,000 bytes, and both have it. Each program has 2,000,000.
    let images = packages.images(&folder);
    let most = |bytes| images.evict(&Eviction::default().max_bytes(bytes)).unwrap();
    let evicted = most(34_000_000);
    assert_eq!((evicted.images, evicted.left, evicted.bytes), (0, 2, 34_000_000));
    let evicted = most(33_999_999);
    assert_eq!((evicted.images, evicted.left, evicted.bytes), (1, 1, 32_000_000));
    assert!(known(&images, "hello").is_none());
    read_all(&known(&images, "shell").unwrap()).unwrap();
}

#[test]
fn a_pull_is_not_broken() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    let image = make(&images, "hello");
    let all = Eviction::default().max_age(Duration::ZERO).max_bytes(0);
    // A client in any process has the manifest.
    let evicted = packages.images(&folder).evict(&all).unwrap();
    assert_eq!((evicted.images, evicted.left), (0, 1));

    // A client of this process reads a layer.
    let all = all.grace(Duration::ZERO);
    let layer = image.blobs().iter().find(|blob| is_layer(blob.as_ref())).unwrap();
    let mut reader = layer.open().unwrap();
    let mut bytes = vec![0; 100];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(images.evict(&all).unwrap().images, 0);
    assert_eq!(packages.collect_garbage(), 0);
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(Digest::of(&bytes), layer.descriptor().digest);
    drop(reader);
    assert_eq!(images.evict(&all).unwrap().images, 1);
    assert_eq!(packages.collect_garbage(), 2);
    // A client that still has the manifest gets the layers all the same.
    read_all(&image).unwrap();
}

#[test]
fn what_was_never_completed_goes() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let images = packages.images(&folder);
    let image = make(&images, "hello");
    // A registry was killed before the image was complete.
    fs::remove_dir_all(folder.join("state/images")).unwrap();
    drop(images);
    let images = packages.images(&folder);
    assert_eq!(images.evict(&Eviction::default()).unwrap().left, 0);
    assert!(!files(&folder.join("state/layers")).is_empty(), "it may become complete");
    wait(&folder, 2 * HOUR);
    images.evict(&Eviction::default()).unwrap();
    assert!(files(&folder.join("state/layers")).is_empty());
    let request = images.request("hello", "latest").unwrap();
    let again = images.make(&request, &Stop::default()).unwrap();
    assert_eq!(again.digest(), image.digest());
}
