//! Every program that unpacks images finds in the sample the entries of its mappings: modes,
//! owners, times, links, contents.

use oci_layout::{Blob, Compression, Pool, unpack};
use tempfile::TempDir;

use crate::common::tool::{Containerd, Containers, run, tool, umoci};
use crate::tools::entry::{Entry, Kind, assert_same, found_in};
use crate::tools::sample::{Sample, for_each_compression};

for_each_compression! { unpack_unpacks, umoci_unpacks, buildah_mounts, containerd_imports_and_mounts }

/// Our own implementation, which loses nothing.
fn unpack_unpacks(compression: Compression) {
    let sample = Sample::new(compression);
    let root = sample.folder().join("root");
    let skipped = unpack(sample.tars.clone(), &root, &Pool::new(4)).unwrap();
    assert_eq!(skipped, []);
    assert_same("unpack", &sample.root_file_system(), &found_in(&root));
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
    // It copies layers over each other, so directories get the time of the copy.
    let without = |mut entries: Vec<Entry>| {
        entries
            .iter_mut()
            .filter(|entry| entry.kind == Kind::Directory)
            .for_each(|entry| entry.mtime = 0);
        entries
    };
    let expected = not_before_1970(sample.root_file_system());
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
        let mut tar = tool("tar");
        tar.args([
            "--extract",
            "--xattrs",
            "--xattrs-include=*",
            "--same-permissions",
            "--same-owner",
        ]);
        run(tar.arg("--file").arg(layer.file().unwrap()).arg("--directory").arg(dir.path()));
        assert_same("GNU tar", &expected, &found_in(dir.path()));
    }
}

/// Some programs lose extended attributes without a value.
fn without_empty_xattrs(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.iter_mut().for_each(|entry| entry.xattrs.retain(|_, value| !value.is_empty()));
    entries
}

/// Some programs change times before 1970.
fn not_before_1970(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.iter_mut().for_each(|entry| entry.mtime = entry.mtime.max(0));
    entries
}
