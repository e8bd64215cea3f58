//! Conditional requests, as in RFC 9110, section 13.

use std::fs;

use oci_layout::{Digest, ImageManifest};
use tempfile::TempDir;

use crate::registry::serve::{
    Served,
    client::{ask, get},
    image,
};

fn fixture() -> (TempDir, ImageManifest, Served) {
    let dir = TempDir::new().unwrap();
    let image = image("text", "linux/amd64");
    let served = Served::new([("a", crate::registry::serve::layout(dir.path(), image.clone()))]);
    (dir, image, served)
}

fn targets(image: &ImageManifest) -> Vec<String> {
    let (manifest, layer) = (image.digest(), image.layers()[0].descriptor().digest);
    vec![
        "/v2/a/manifests/latest".to_owned(),
        format!("/v2/a/manifests/{manifest}"),
        format!("/v2/a/blobs/{manifest}"),
        format!("/v2/a/blobs/{layer}"),
        "/v2/a/tags/list".to_owned(),
        "/v2/a/tags/list?n=1".to_owned(),
        format!("/v2/a/referrers/{manifest}"),
        "/v2/_catalog".to_owned(),
    ]
}

/// The tag of content with a digest is that digest. Otherwise it is the digest of the body.
#[test]
fn every_response_has_an_etag() {
    let (_dir, image, served) = fixture();
    for target in targets(&image) {
        let answer = served.get(&target);
        assert_eq!(answer.header("etag"), format!("\"{}\"", Digest::of(&answer.body)), "{target}");
    }
}

#[test]
fn a_matching_etag_is_not_sent_again() {
    let (_dir, image, served) = fixture();
    for target in targets(&image) {
        let tag = served.get(&target).header("etag").to_owned();
        for method in ["GET", "HEAD"] {
            for value in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()]
            {
                let answer = ask(&served.address, method, &target, &[("If-None-Match", &value)]);
                assert_eq!(
                    (answer.status, answer.body.len()),
                    (304, 0),
                    "{method} {target} {value}"
                );
                // Section 15.4.5: the headers that a response with 200 would have had.
                assert_eq!(answer.header("etag"), tag);
                assert!(!answer.headers.contains_key("content-type"), "{answer:?}");
            }
            for value in ["\"x\"", "x", &tag[1..tag.len() - 1], ""] {
                let answer = ask(&served.address, method, &target, &[("If-None-Match", value)]);
                assert_eq!(answer.status, 200, "{method} {target} {value}");
            }
            // Section 13.2.2: conditions are evaluated before ranges.
            let answer = ask(
                &served.address,
                method,
                &target,
                &[("If-None-Match", &tag), ("Range", "bytes=0-0")],
            );
            assert_eq!(answer.status, 304, "{method} {target}");
        }
        assert_eq!(get(&served.address, &target, &[("If-Match", &tag)]).status, 200);
        let answer = get(&served.address, &target, &[("If-Match", "\"x\"")]);
        assert_eq!((answer.status, &*answer.code()), (412, "UNSUPPORTED"));
        // There are no modification times.
        let since = [("If-Modified-Since", "Sat, 28 Nov 2026 12:00:00 GMT")];
        assert_eq!(get(&served.address, &target, &since).status, 200);
    }
}

/// A tag of another image, and another list.
#[test]
fn changed_documents_are_sent() {
    let (dir, old, served) = fixture();
    let targets = ["/v2/a/manifests/latest", "/v2/a/tags/list"];
    let tags = targets.map(|target| served.get(target).header("etag").to_owned());
    let new = image("new", "linux/amd64");
    let mut layout = oci_layout::ImageLayout::open(dir.path()).unwrap();
    layout.append([new.tagged("latest"), old.tagged("old")], &oci_layout::Pool::new(1)).unwrap();
    for (target, tag) in targets.into_iter().zip(tags) {
        let answer = get(&served.address, target, &[("If-None-Match", &tag)]);
        assert_eq!(answer.status, 200, "{target}");
        assert_ne!(answer.header("etag"), tag);
    }
}

/// Section 13.2.1: conditions only apply if the response would be successful without them.
#[test]
fn conditions_do_not_apply_to_missing_resources() {
    let (dir, image, served) = fixture();
    let layer = image.layers()[0].descriptor().digest;
    fs::remove_file(dir.path().join("blobs/sha256").join(layer.hex())).unwrap();
    for target in [
        format!("/v2/a/blobs/{layer}"),
        "/v2/a/manifests/x".to_owned(),
        "/v2/b/tags/list".to_owned(),
    ] {
        let answer = get(&served.address, &target, &[("If-None-Match", "*")]);
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.headers.contains_key("etag"));
    }
}
