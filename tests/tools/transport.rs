//! Through a registry and back with crane and skopeo: no byte and no digest changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use oci_layout::Compression;

use crate::common::tool::{Registry, crane, skopeo};
use crate::tools::sample::{Sample, for_each_compression};

for_each_compression! { crane_pushes_and_pulls, skopeo_copies_there_and_back }

fn crane_pushes_and_pulls(compression: Compression) {
    let sample = Sample::new(compression);
    let registry = Registry::start();
    let repository = format!("{}/a/sample", registry.address);
    let tagged = format!("{repository}:v1");
    let named = format!("{repository}@{}", sample.digest);
    let pushed = crane(["push", "--insecure", sample.layout().to_str().unwrap(), &tagged]);
    assert_eq!(pushed.trim(), named);
    assert_eq!(crane(["digest", "--insecure", &tagged]).trim(), sample.digest.to_string());
    // It supports only this compression.
    if compression == Compression::GZIP {
        crane(["validate", "--insecure", "--remote", &tagged]);
    }

    let back = sample.folder().join("back");
    crane(["pull", "--insecure", "--format=oci", &named, back.to_str().unwrap()]);
    assert_same_blobs(&sample.layout(), &back);
}

fn skopeo_copies_there_and_back(compression: Compression) {
    let sample = Sample::new(compression);
    let registry = Registry::start();
    let (here, back) = (sample.layout(), sample.folder().join("back"));
    let there = format!("docker://{}/a/sample:v1", registry.address);
    let local = |layout: &Path| format!("oci:{}:latest", layout.display());
    skopeo(["copy", "--preserve-digests", "--dest-tls-verify=false", &local(&here), &there]);
    let digest = skopeo(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &there]);
    assert_eq!(digest.trim(), sample.digest.to_string());
    skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &there, &local(&back)]);
    assert_same_blobs(&here, &back);
}

/// Both layouts have the same blobs, byte for byte.
#[track_caller]
pub fn assert_same_blobs(one: &Path, other: &Path) {
    let (one, other) = (blobs(one), blobs(other));
    assert!(one.keys().eq(other.keys()), "{:#?}\n{:#?}", one.keys(), other.keys());
    for (digest, bytes) in &one {
        assert!(*bytes == other[digest], "the bytes of {digest} differ");
    }
}

/// The blobs of a layout by the hexadecimal digits of their digests.
pub fn blobs(layout: &Path) -> BTreeMap<String, Vec<u8>> {
    let blob = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(layout.join("blobs/sha256")).unwrap().map(Result::unwrap).map(blob).collect()
}
