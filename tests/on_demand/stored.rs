//! Layers whose bytes are in the state.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use oci_layout::{
    Digest, Error, Image,
    on_demand::{Eviction, PackageImages, PackageImagesOptions, Storage, StoredLayers},
};

use crate::{
    common::{Random, child, child_argument, packages::Packages},
    files, known, layers, make, read, read_all,
};

fn images(packages: &Packages, folder: &Path, stored: StoredLayers) -> PackageImages {
    packages.images_with(PackageImagesOptions::new(folder).stored_layers(stored))
}

/// The stored layers, each of which has the digest of its name.
pub(crate) fn stored(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.join("state/blobs");
    let stored = if folder.exists() { files(&folder) } else { Vec::new() };
    for file in &stored {
        let digest = Digest::of(fs::read(file).unwrap());
        assert_eq!(file.file_name().unwrap().to_str(), Some(&*digest.hex()));
    }
    stored
}

/// Removes the links and the store paths, and changes what a new build of `libc` gives.
fn lose(packages: &Packages, folder: &Path) {
    lose_all(packages, folder);
    packages.rebuild_otherwise("libc");
}

fn lose_all(packages: &Packages, folder: &Path) {
    for link in fs::read_dir(folder.join("roots")).unwrap() {
        fs::remove_file(link.unwrap().path()).unwrap();
    }
    packages.collect_garbage();
}

/// The stored file of the layer with `libc`, and its place in the image.
fn libc(image: &Image, folder: &Path) -> (PathBuf, usize) {
    let largest = stored(folder).into_iter().max_by_key(|file| file.metadata().unwrap().len());
    let largest = largest.unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap();
    let is_it = |blob: &Digest| blob.hex() == name;
    let mut digests = image.blobs().iter().map(|blob| blob.descriptor().digest);
    let place = digests.position(|digest| is_it(&digest)).unwrap();
    (largest, place)
}

#[test]
fn a_build_that_gives_something_else_does_not_break_a_pull() {
    for (mode, builds, count) in [
        (StoredLayers::Never, true, 0),
        (StoredLayers::Built, false, 0),
        (StoredLayers::Built, true, 1),
        (StoredLayers::Always, false, 3),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let packages = Packages::usual(scratch.path().join("store"));
        if builds {
            packages.builds("libc");
        }
        let folder = scratch.path().join("registry");
        let registry = images(&packages, &folder, mode);
        let image = make(&registry, "hello");
        assert_eq!((stored(&folder).len(), layers(&image).len()), (count, 3), "{mode:?}");
        lose(&packages, &folder);
        // Another process, with another setting, also knows what is stored.
        for registry in [registry, images(&packages, &folder, StoredLayers::Never)] {
            let read = read_all(&known(&registry, "hello").unwrap());
            match count {
                0 => assert!(matches!(read, Err(Error::SourceOutdated { .. })), "{mode:?}"),
                _ => read.unwrap(),
            }
        }
    }
}

#[test]
fn a_stored_layer_needs_no_store_path() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let registry = images(&packages, &folder, StoredLayers::Always);
    let image = make(&registry, "hello/shell");
    lose(&packages, &folder);
    packages.calls();
    read_all(&image).unwrap();
    // Not even if their entries are lost.
    fs::remove_dir_all(folder.join("state/layers")).unwrap();
    read_all(&known(&images(&packages, &folder, StoredLayers::Built), "hello/shell").unwrap())
        .unwrap();
    assert_eq!(packages.calls(), [""; 0]);
}

#[test]
fn layers_that_were_made_earlier_are_stored_later() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    make(&images(&packages, &folder, StoredLayers::Never), "hello");
    let always = images(&packages, &folder, StoredLayers::Always);
    make(&always, "hello");
    assert_eq!(stored(&folder).len(), 0, "the image is known");
    make(&always, "hello/shell");
    assert_eq!(stored(&folder).len(), 4, "libc, hello, shell, and the files");
    // One that was lost is stored again with the next image.
    let (file, _) = libc(&known(&always, "hello").unwrap(), &folder);
    fs::remove_file(&file).unwrap();
    make(&images(&packages, &folder, StoredLayers::Never), "shell");
    assert!(file.exists());
}

#[test]
fn a_damaged_layer_is_never_sent_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    packages.builds("libc");
    let folder = scratch.path().join("registry");
    let image = make(&images(&packages, &folder, StoredLayers::Built), "hello");
    let (file, place) = libc(&image, &folder);
    let (layer, whole) = (&image.blobs()[place], fs::read(&file).unwrap());
    let size = whole.len();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let longer = [&whole[..], b"!"].concat();
    for damaged in [flipped(0), flipped(size / 2), flipped(size - 1)] {
        fs::write(&file, damaged).unwrap();
        let (length, result) = read(layer.as_ref());
        assert!(length < size, "{length} of {size} bytes");
        assert!(matches!(result, Err(Error::BlobDamaged { .. })));
        assert!(!file.exists(), "the next reader gets it from the store paths");
        assert_eq!(read(layer.as_ref()).1.unwrap(), whole);
    }
    for damaged in [&whole[..size - 1], &[], &longer] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(read(layer.as_ref()).1.unwrap(), whole, "it has the wrong size");
    }
    // It shrinks after it was opened.
    fs::write(&file, &whole).unwrap();
    let mut reader = layer.open().unwrap();
    File::options().write(true).open(&file).unwrap().set_len(size as u64 / 2).unwrap();
    let mut bytes = Vec::new();
    assert!(reader.read_to_end(&mut bytes).is_err());
    assert!(bytes.len() < size);
}

#[test]
fn stored_layers_go_with_the_last_image() {
    let scratch = tempfile::tempdir().unwrap();
    let packages = Packages::usual(scratch.path().join("store"));
    let folder = scratch.path().join("registry");
    let registry = images(&packages, &folder, StoredLayers::Always);
    let image = make(&registry, "hello");
    let shell = make(&registry, "shell");
    let (file, place) = libc(&image, &folder);
    let before = stored(&folder);
    let all = Eviction::default().max_age(Duration::ZERO).grace(Duration::ZERO);

    // A client reads a layer that two images have.
    let mut reader = image.blobs()[place].open().unwrap();
    let mut bytes = vec![0; 100];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(registry.evict(&all).unwrap().left, 1);
    let mut left: Vec<_> = layers(&image).iter().map(Digest::hex).collect();
    left.sort();
    let names = |files: Vec<PathBuf>| -> Vec<String> {
        let names = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names(stored(&folder)), left);
    assert!(before.len() > left.len());
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(Digest::of(&bytes), image.blobs()[place].descriptor().digest);
    drop(reader);

    assert_eq!(registry.evict(&all).unwrap().left, 0);
    assert!(!file.exists() && stored(&folder).is_empty());
    // A client that has the manifest gets the layers all the same.
    read_all(&shell).unwrap();
    assert_eq!(stored(&folder).len(), 3, "a layer whose entry was lost is stored again");
    registry.evict(&Eviction::default().max_age(Duration::ZERO)).unwrap();
    assert_eq!(stored(&folder).len(), 3, "another process may need what is younger than an hour");
}

/// The machines have stores of their own, in which the same path has different contents.
#[test]
fn another_machine_sends_what_only_the_first_one_can_build() {
    let scratch = tempfile::tempdir().unwrap();
    let storage = Storage::folder(scratch.path().join("shared")).unwrap();
    let store = scratch.path().join("store");
    let [(one, first), (other, second)] = ["one", "other"].map(|name| {
        let packages = Packages::usual(&store);
        packages.builds("libc");
        let options = PackageImagesOptions::new(scratch.path().join(name));
        (packages.clone(), packages.images_with(options.storage(storage.clone())))
    });
    let image = make(&first, "hello");
    fs::rename(&store, scratch.path().join("store of one")).unwrap();
    fs::create_dir(&store).unwrap();
    other.rebuild_otherwise("libc");
    let image_there = known(&second, "hello").unwrap();
    assert_eq!(image_there.digest(), image.digest());
    read_all(&image_there).unwrap();
    // Another image has the contents of that machine, and its layer is stored beside the first.
    let shell = make(&second, "shell");
    assert!(layers(&shell).iter().all(|layer| !layers(&image).contains(layer)));
    read_all(&shell).unwrap();
    fs::remove_dir_all(&store).unwrap();
    fs::rename(scratch.path().join("store of one"), &store).unwrap();
    drop(one);
    [&image, &shell].into_iter().for_each(|image| read_all(image).unwrap());
}

/// A package so large that its layer is written in parts.
fn large(scratch: &Path) -> (Packages, PackageImages) {
    let packages = Packages::new(scratch.join("store"));
    let mut random = Random(3);
    let bytes: Vec<u8> = (0..20 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
    packages.add("large", "1", &[("lib/large", &bytes)], &[]);
    let images = images(&packages, &scratch.join("registry"), StoredLayers::Always);
    (packages, images)
}

#[test]
fn a_process_that_is_killed_while_it_writes_leaves_nothing_half_made() {
    if let Some(scratch) = child_argument() {
        make(&large(&scratch).1, "large");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("registry");
    let is_partial = || {
        let files = fs::read_dir(folder.join("state/blobs")).into_iter().flatten().flatten();
        let partial = files.filter(|file| file.file_name().to_string_lossy().contains('#'));
        partial.filter_map(|file| file.metadata().ok()).any(|file| file.len() > 0)
    };
    let mut child =
        child(a_process_that_is_killed_while_it_writes_leaves_nothing_half_made, scratch.path())
            .spawn()
            .unwrap();
    while !is_partial() {
        assert!(child.try_wait().unwrap().is_none(), "it was faster than this test");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_partial() && stored(&folder).len() < 2);
    let (packages, images) = large(scratch.path());
    assert!(known(&images, "large").is_none());
    let image = make(&images, "large");
    assert_eq!(stored(&folder).len(), 2);
    lose_all(&packages, &folder);
    read_all(&image).unwrap();
    images.evict(&Eviction::default()).unwrap();
    assert!(is_partial(), "another process may write it");
    images.evict(&Eviction::default().grace(Duration::ZERO)).unwrap();
    assert!(!is_partial() && stored(&folder).len() == 2);
}
