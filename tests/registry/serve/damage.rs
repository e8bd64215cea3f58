//! Blobs that do not match their descriptors: no client gets a response that seems complete.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use oci_layout::{Blob, Digest, ImageManifest};
use tempfile::TempDir;

use crate::common;
use crate::registry::serve::{
    Served,
    client::{ask, get},
    image,
};

/// An image with a layer of several chunks, served from a layout.
fn fixture() -> (TempDir, ImageManifest, Served) {
    let dir = TempDir::new().unwrap();
    let image = image(common::text(600_000, 1), "linux/amd64");
    let served = Served::new([("a", crate::registry::serve::layout(dir.path(), image.clone()))]);
    (dir, image, served)
}

fn file(dir: &Path, digest: Digest) -> PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}

#[test]
fn a_flipped_byte() {
    let (dir, image, served) = fixture();
    let layer = image.layers()[0].descriptor().clone();
    let whole = common::bytes(&image.layers()[0]);
    let blob = OpenOptions::new().write(true).open(file(dir.path(), layer.digest)).unwrap();
    blob.write_all_at(b"X", 100).unwrap();
    let target = format!("/v2/a/blobs/{}", layer.digest);
    let answer = served.get(&target);
    assert_eq!((answer.status, &*answer.code()), (500, "UNKNOWN"));
    assert_eq!(served.events(&format!("blob {} is damaged", layer.digest)).len(), 1);
    // No range is sent either, wherever the wrong byte is.
    for range in ["bytes=-10", "bytes=1000-1999", "bytes=0-0"] {
        let answer = get(&served.address, &target, &[("Range", range)]);
        assert_eq!((answer.status, &*answer.code()), (500, "UNKNOWN"), "{range}");
    }
    // After the byte is restored, the blob is served again.
    blob.write_all_at(&whole[100..101], 100).unwrap();
    assert_eq!(served.get(&target).body, whole);
}

#[test]
fn a_blob_of_another_size() {
    let (dir, image, served) = fixture();
    let layer = image.layers()[0].descriptor().clone();
    let blob = OpenOptions::new().write(true).open(file(dir.path(), layer.digest)).unwrap();
    for size in [layer.size - 1, layer.size + 1] {
        blob.set_len(size).unwrap();
        let answer = served.get(format!("/v2/a/blobs/{}", layer.digest));
        assert!((answer.body.len() as u64) < layer.size, "a wrong blob was sent completely");
    }
    assert_eq!(served.events("is damaged").len(), 2);
}

/// A blob of one chunk is verified before the response starts.
#[test]
fn a_small_blob() {
    let (dir, image, served) = fixture();
    let config = image.config().descriptor().digest;
    let path = file(dir.path(), config);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, bytes.to_ascii_uppercase()).unwrap();
    let answer = served.get(format!("/v2/a/blobs/{config}"));
    assert_eq!((answer.status, &*answer.code()), (500, "UNKNOWN"));
    // Paths of this machine are only in the log.
    assert!(!answer.json().to_string().contains(dir.path().to_str().unwrap()));
    assert_eq!(served.events("is damaged").len(), 1);
}

#[test]
fn a_manifest() {
    let (dir, image, served) = fixture();
    let path = file(dir.path(), image.digest());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, bytes.to_ascii_uppercase()).unwrap();
    for reference in ["latest".to_owned(), image.digest().to_string()] {
        let answer = served.get(format!("/v2/a/manifests/{reference}"));
        assert_eq!((answer.status, &*answer.code()), (500, "UNKNOWN"));
    }
    fs::remove_file(path).unwrap();
    assert_eq!(served.get("/v2/a/manifests/latest").code(), "MANIFEST_UNKNOWN");
}

#[test]
fn a_blob_that_is_not_there() {
    let (dir, image, served) = fixture();
    let layer = image.layers()[0].descriptor().digest;
    fs::remove_file(file(dir.path(), layer)).unwrap();
    let target = format!("/v2/a/blobs/{layer}");
    assert_eq!((served.get(&target).status, &*served.get(&target).code()), (404, "BLOB_UNKNOWN"));
    assert_eq!(ask(&served.address, "HEAD", &target, &[]).status, 404);
}
