//! Layouts without layers, which are built when they are pulled.

use std::{fs, path::Path};

use oci_layout::{
    Blob, Digest, FileMapping, ImageLayout, ImageManifest, LayerOptions, LayoutOptions, Pool,
    image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common;
use crate::registry::serve::{
    Served,
    client::{ask, get, open, read},
};

/// A sparse layout with one layer that is built from a file of some megabytes, and one that is
/// stored in another layout.
fn fixture(dir: &Path) -> (ImageManifest, ImageLayout) {
    let source = dir.join("source");
    fs::write(&source, common::text(3_000_000, 1)).unwrap();
    let made =
        layer_tar([FileMapping::new(&source, "/made")], LayerOptions::default().recipe(true))
            .unwrap();
    let stored = LayerOptions::default().store(dir.join("other"));
    let stored =
        layer_tar([FileMapping::bytes(common::text(600_000, 2), "/stored")], stored).unwrap();
    let layers = [made, stored];
    let image =
        image_manifest(image_config(&layers, json!({})).unwrap(), layers, Value::Null).unwrap();
    let options = LayoutOptions::default().sparse(true);
    let layout =
        image_layout(dir.join("layout"), [image.clone().tagged("latest")], options).unwrap();
    (image, layout)
}

#[test]
fn layers_are_made_or_read_from_their_file() {
    let dir = TempDir::new().unwrap();
    let (image, layout) = fixture(dir.path());
    let served = Served::new([("a", layout)]);
    for (layer, ranges) in image.layers().iter().zip(["none", "bytes"]) {
        let target = format!("/v2/a/blobs/{}", layer.descriptor().digest);
        assert!(
            !dir.path().join("layout/blobs/sha256").join(layer.descriptor().digest.hex()).exists()
        );
        let head = ask(&served.address, "HEAD", &target, &[]);
        assert_eq!(head.header("content-length"), layer.descriptor().size.to_string());
        assert_eq!(head.header("accept-ranges"), ranges);
        let answer = served.get(&target);
        assert_eq!((answer.status, Digest::of(&answer.body)), (200, layer.descriptor().digest));
        let status = if ranges == "bytes" { 206 } else { 200 };
        assert_eq!(get(&served.address, &target, &[("Range", "bytes=5-9")]).status, status);
    }
}

#[test]
fn a_changed_source_is_named_and_no_wrong_byte_is_sent() {
    let dir = TempDir::new().unwrap();
    let (image, layout) = fixture(dir.path());
    let source = dir.path().join("source");
    let mut bytes = fs::read(&source).unwrap();
    bytes[2_500_000] ^= 1;
    fs::write(&source, bytes).unwrap();
    let served = Served::new([("a", layout)]);
    let layer = image.layers()[0].descriptor();
    let target = format!("/v2/a/blobs/{}", layer.digest);
    let answer = served.get(&target);
    assert!(answer.status == 500 || !answer.is_whole(), "a wrong blob was sent completely");
    let failures = served.events(&target);
    assert!(
        failures.iter().any(|event| event.contains(&format!("{source:?} changed"))),
        "{failures:?}"
    );
    // A blob whose file no longer exists.
    let layer = image.layers()[1].descriptor();
    fs::remove_file(dir.path().join("other/blobs/sha256").join(layer.digest.hex())).unwrap();
    assert_eq!(served.get(format!("/v2/a/blobs/{}", layer.digest)).status, 500);
}

#[test]
fn a_layout_is_filled_while_a_client_reads() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    // More than the buffers of the connections and a build hold.
    fs::write(&source, common::text(40_000_000, 1)).unwrap();
    let layer =
        layer_tar([FileMapping::new(&source, "/made")], LayerOptions::default().recipe(true))
            .unwrap();
    let digest = layer.descriptor().digest;
    let image =
        image_manifest(image_config([&layer], json!({})).unwrap(), [layer], Value::Null).unwrap();
    let layout =
        image_layout(dir.path().join("layout"), [image], LayoutOptions::default().sparse(true))
            .unwrap();
    let served = Served::new([("a", layout.clone())]);
    let slow = open(&served.address, "GET", &format!("/v2/a/blobs/{digest}"), &[]);
    slow.peek(&mut [0]).unwrap();
    assert_eq!(layout.fill(&Pool::new(1)).unwrap().len(), 1);
    let answer = read(slow, false);
    assert!(answer.is_whole());
    assert_eq!(Digest::of(&answer.body), digest);
}
