//! Every program that unpacks images finds in the sample the entries of its mappings: modes,
//! owners, times, links, contents.

mod attacks;
mod hostile;
mod images;

use std::{fs, process::Command};

use oci_layout::{
    Blob, Compression, Image, ImageLayout, LayerOptions, Pool, WriteOptions,
    archive::{ArchiveFormat, ArchiveOptions, image_archive},
    image_layout,
    rootfs::{ImageFiles, unpack},
};
use serde_json::json;
use tempfile::TempDir;

use crate::common::python::python;
use crate::common::tool::{Containerd, Containers, run, tool, umoci};
use crate::tools::entry::{Entry, Kind, assert_same, found_in};
use crate::tools::sample::{Sample, for_each_compression};

for_each_compression! { unpack_unpacks, write_tar_writes, umoci_unpacks, buildah_mounts, containerd_imports_and_mounts }

/// Our own implementation, which loses nothing.
fn unpack_unpacks(compression: Compression) {
    let sample = Sample::new(compression);
    let root = sample.folder().join("root");
    let skipped = unpack(sample.tars.clone(), &root, &Pool::new(4)).unwrap();
    assert_eq!(skipped, []);
    assert_same("unpack", &sample.root_file_system(), &found_in(&root));
}

/// Ours as one tar: GNU tar extracts it, and Python lists what is in the tar of crane.
fn write_tar_writes(compression: Compression) {
    let sample = Sample::new(compression);
    let files = ImageFiles::new(sample.tars.clone(), &Pool::new(2)).unwrap();
    let mut tar = Vec::new();
    files.write_tar(&mut tar).unwrap();
    let file = sample.folder().join("root.tar");
    fs::write(&file, &tar).unwrap();
    let root = sample.folder().join("root");
    fs::create_dir(&root).unwrap();
    run(gnu_tar().arg("--file").arg(&file).arg("--directory").arg(&root));
    assert_same("GNU tar", &sample.root_file_system(), &found_in(&root));

    let image = sample.folder().join("image.tar");
    let mut options = ArchiveOptions::default().format(ArchiveFormat::Docker);
    options.repository = Some("sample".to_owned());
    let layout = ImageLayout::open(sample.layout()).unwrap();
    let images = layout.images().unwrap();
    image_archive(fs::File::create(&image).unwrap(), images, options).unwrap();
    let image = fs::File::open(&image).unwrap();
    let crane = tool("crane").args(["export", "-", "-"]).stdin(image).output().unwrap();
    assert!(crane.status.success(), "{crane:?}");
    let (ours, cranes) = (python(&tar, &["layer"]), python(&crane.stdout, &["layer"]));
    let apart = |some: &[String], others: &[String]| {
        let lines = some.iter().filter(|line| !others.contains(line));
        lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    // crane lets a whiteout remove a file of its own layer, and does not know opaque whiteouts. The
    // expected files above, and umoci and buildah below, say that both are wrong.
    assert_eq!(apart(&ours, &cranes), ["removed/again"]);
    assert_eq!(apart(&cranes, &ours), ["removed/emptied/old", "removed/emptied/old/c"]);
}

fn umoci_unpacks(compression: Compression) {
    let sample = Sample::new(compression);
    let bundle = sample.folder().join("bundle");
    umoci([
        "unpack",
        "--image",
        &format!("{}:latest", sample.layout().display()),
        bundle.to_str().unwrap(),
    ]);
    let expected = without_empty_xattrs(sample.root_file_system());
    assert_same("umoci", &expected, &found_in(&bundle.join("rootfs")));
}

/// umoci unpacks an image with merged layers, and one with layers in another compression.
#[test]
fn umoci_unpacks_squashed_and_recompressed_images() {
    let sample = Sample::new(Compression::GZIP);
    let image = ImageLayout::open(sample.layout()).unwrap().image(None, None).unwrap();
    let folder = |name: &str| sample.folder().join(name);
    let squashed = |layers, name: &str| {
        image.squashed(layers, LayerOptions::default().store(folder(name))).unwrap()
    };
    let (pool, write) = (Pool::new(2), WriteOptions::default());
    let (zstd, _) = image.recompressed(Compression::ZSTD, folder("zstd"), write, &pool).unwrap();
    for (name, image) in [("all", squashed(3, "all")), ("two", squashed(2, "two")), ("zstd", zstd)]
    {
        let layout = folder(name);
        image_layout(&layout, [Image::from(image).tagged("latest")], json!({})).unwrap();
        let bundle = folder(&format!("{name}-bundle"));
        let image = format!("{}:latest", layout.display());
        umoci(["unpack", "--image", &image, bundle.to_str().unwrap()]);
        let expected = without_empty_xattrs(sample.root_file_system());
        assert_same(name, &expected, &found_in(&bundle.join("rootfs")));
    }
}

/// The fastest and the smallest level, whose streams are the hardest for a reader.
#[test]
fn umoci_unpacks_every_level() {
    for compression in ["gzip:1", "gzip:12", "zstd:1", "zstd:19"] {
        umoci_unpacks(compression.parse().unwrap());
    }
}

fn buildah_mounts(compression: Compression) {
    let sample = Sample::new(compression);
    let containers = Containers::new(sample.folder());
    let name = containers.buildah(["from", "--quiet", "oci:layout:latest"]);
    let root = containers.buildah(["mount", name.trim()]);
    let expected = without_empty_xattrs(not_before_1970(sample.root_file_system()));
    assert_same("buildah", &expected, &found_in(root.trim().as_ref()));
}

fn containerd_imports_and_mounts(compression: Compression) {
    let sample = Sample::new(compression);
    let containerd = Containerd::start();
    let images = containerd.import(&sample.layout());
    let mount = containerd.mount(&images[0]);
    let expected = not_before_1970(sample.root_file_system());
    let without = without_times_of_directories;
    assert_same("containerd", &without(expected), &without(found_in(mount.path())));
}

/// One layer alone, including whiteouts: tar does not know images, and unpacks everything.
#[test]
fn gnu_tar_extracts() {
    let sample = Sample::new(Compression::None);
    for (layer, expected) in sample.tars.iter().zip(&sample.layers) {
        let dir = TempDir::new().unwrap();
        let mut expected = expected.clone();
        expected.sort_by(|a, b| a.path.cmp(&b.path));
        run(gnu_tar().arg("--file").arg(layer.file().unwrap()).arg("--directory").arg(dir.path()));
        assert_same("GNU tar", &expected, &found_in(dir.path()));
    }
}

/// `tar x`, which loses nothing.
fn gnu_tar() -> Command {
    let mut tar = tool("tar");
    tar.args(["--extract", "--xattrs", "--xattrs-include=*", "--same-permissions", "--same-owner"]);
    tar
}

/// Some programs lose extended attributes without a value.
fn without_empty_xattrs(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.iter_mut().for_each(|entry| entry.xattrs.retain(|_, value| !value.is_empty()));
    entries
}

/// Some programs copy layers over each other, so that directories get the time of the copy.
fn without_times_of_directories(mut entries: Vec<Entry>) -> Vec<Entry> {
    let folders = entries.iter_mut().filter(|entry| entry.kind == Kind::Directory);
    folders.for_each(|entry| (entry.mtime, entry.nanoseconds) = (0, 0));
    entries
}

/// Some programs change times before 1970.
fn not_before_1970(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.iter_mut().for_each(|entry| entry.mtime = entry.mtime.max(0));
    entries
}
