//! Tars of other programs with zstd:chunked: which have a table of contents.
#![cfg(feature = "zstd")]

use std::fs;

use oci_layout::{
    Compression, Digest, ImageLayout, PlatformImage, Pool, Warning, WriteOptions, image_layout,
    verify::VerifyOptions,
};
use serde_json::json;
use tempfile::TempDir;

use crate::common::raw_tar::{directory, entry, file, hard_link, pax, symlink, tar, with_checksum};

/// An image with this tar as its layer.
fn image(dir: &TempDir, tar: &[u8]) -> PlatformImage {
    let blobs = dir.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": Digest::of(bytes),
            "size": bytes.len(),
        })
    };
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(tar)] },
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put("config.v1+json", config.to_string().as_bytes()),
        "layers": [put("layer.v1.tar", tar)],
    });
    let manifest = put("manifest.v1+json", manifest.to_string().as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(dir.path().join("index.json"), index.to_string()).unwrap();
    fs::write(dir.path().join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    ImageLayout::open(dir.path()).unwrap().image(None, None).unwrap()
}

/// Why the layer with this tar has no table. If it has one, it is that of the tar.
fn reason(tar: &[u8]) -> Option<String> {
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let write = WriteOptions::default();
    let image = image(&old, tar);
    let chunked = Compression::ZSTD_CHUNKED;
    let (image, warnings) = image.recompressed(chunked, new.path(), write, &Pool::new(2)).unwrap();
    let annotations = &image.manifest().layers[0].annotations;
    assert_eq!(annotations.len(), if warnings.is_empty() { 3 } else { 0 });
    image_layout(new.path(), [image], json!({})).unwrap();
    let findings = oci_layout::verify::verify(new.path(), &VerifyOptions::default()).unwrap();
    let of_table = |name: &str| name.starts_with("table-") || name == "tar-split-differs";
    assert!(findings.iter().all(|finding| !of_table(finding.defect.name())), "{findings:?}");
    match &warnings[..] {
        [] => None,
        [Warning::NoTable { reason }] => Some(reason.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tars_with_a_table() {
    let mut gnu = entry("././@LongLink", b'L', "", format!("{}\0", "n".repeat(200)).as_bytes());
    gnu.extend(file(&"n".repeat(100), b"contents"));
    for (name, entries) in [
        ("empty", vec![]),
        ("plain", vec![directory("./"), file("./a", b"x"), hard_link("./b", "./a")]),
        ("pax", vec![pax(&[("mtime", "1.5"), ("path", "other")], &file("a", &[7; 1024]))]),
        ("long names of GNU", vec![gnu]),
        ("links", vec![symlink("a", "../b"), entry("c", b'6', "", b"")]),
    ] {
        assert_eq!(reason(&tar(&entries)), None, "{name}");
        let padded = [tar(&entries), vec![0; 10_240]].concat();
        assert_eq!(reason(&padded), None, "{name}");
    }
}

#[test]
fn tars_without_a_table() {
    let mut named = file("a", b"x");
    named[157] = b'b';
    let header: [u8; 512] = named[..512].try_into().unwrap();
    named[..512].copy_from_slice(&with_checksum(header));
    let global = entry("g", b'g', "", b"13 comment=x\n");
    for (entries, expected) in [
        (vec![file("a", b"x"), file("./a", b"y")], "\"./a\" is in the layer twice"),
        (vec![file("a", b"x"), directory("a/")], "\"a/\" is in the layer twice"),
        (vec![entry("a", b'7', "", b"x")], "\"a\" has a type that the table cannot contain"),
        (vec![file("b/../a", b"x")], "\"b/../a\" has a path with \"..\""),
        (vec![global, file("a", b"x")], "\"a\" has headers that readers understand differently"),
        (vec![named], "\"a\" has headers that readers understand differently"),
        (
            vec![pax(&[("atime", "1"), ("mtime", "1")], &file("a", b"x"))],
            "\"a\" has headers that readers understand differently",
        ),
    ] {
        assert_eq!(reason(&tar(&entries)).as_deref(), Some(expected));
    }
    let whole = tar(&[file("a", b"x")]);
    for cut in [&whole[..1024], &whole[..1536], &[&whole[..], b"x"].concat()] {
        assert_eq!(reason(cut).as_deref(), Some("its tar does not end as tars do"));
    }
}
