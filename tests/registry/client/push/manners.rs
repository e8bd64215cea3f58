//! Registries that accept blobs and manifests in unusual ways.

use oci_layout::Image;
use serde_json::json;

use super::{assert_has, client, push};
use crate::common;
use crate::registry::client::{
    fake::{Registry, Then, Uploads},
    image,
};

/// A registry with such uploads, and an image with a layer of some hundred kilobytes.
fn room(change: impl FnOnce(&mut Uploads)) -> (Registry, Image) {
    let registry = Registry::start();
    registry.uploads(change);
    (registry, image("linux/amd64").into())
}

#[track_caller]
fn pushes(registry: &Registry, image: &Image) {
    push(registry, image, &["v1"]).unwrap();
    assert_has(registry, "a/b", "v1", image);
}

/// The lengths of the bodies of all requests with this method, except for those that were refused
/// for their method.
fn lengths(registry: &Registry, method: &str) -> Vec<usize> {
    let sent = registry.requests(format!("{method} /v2/a/b/blobs/uploads/"));
    sent.iter().map(|request| request.headers["content-length"].parse().unwrap()).collect()
}

/// All registries accept the method of docker and podman.
#[test]
fn a_blob_is_sent_by_patch_if_put_is_refused() {
    for status in [400, 404, 405, 409, 411, 415, 416, 422, 500, 501] {
        let refusal = json!({ "errors": [{ "code": "UNSUPPORTED", "message": "PUT with a body is \
            not supported" }] });
        let (registry, image) =
            room(|uploads| uploads.refuses_puts = Some((status, Vec::new(), refusal.to_string())));
        pushes(&registry, &image);
        let patches = registry.requests("PATCH ");
        assert_eq!(patches.len(), 3, "{status}: each blob in one part");
        assert!(
            patches.iter().all(|request| !request.headers.contains_key("content-range")),
            "as docker has it"
        );
    }
}

/// It reports a wrong digest, although the bytes were right.
#[test]
fn a_registry_that_ignores_the_body_of_a_put() {
    let (registry, image) = room(|uploads| uploads.ignores_puts = true);
    pushes(&registry, &image);
}

/// The result for one blob applies to the next. Here, layers are sent one after the other.
#[test]
fn the_upload_method_is_found_once_per_registry() {
    let (registry, image) =
        room(|uploads| uploads.refuses_puts = Some((405, Vec::new(), String::new())));
    pushes(&registry, &image);
    let refused = lengths(&registry, "PUT").iter().filter(|&&length| length > 0).count();
    assert!((1..=3).contains(&refused), "{refused} of three blobs that leave at the same time");
}

#[test]
fn if_both_methods_fail_the_first_refusal_is_reported() {
    let refusal = json!({ "errors": [{ "code": "BLOB_UPLOAD_INVALID", "message": "not today" }] })
        .to_string();
    let (registry, image) = room(|uploads| {
        uploads.refuses_puts = Some((400, Vec::new(), refusal));
        uploads.refuses_patches = true;
    });
    let said = common::message(push(&registry, &image, &["v1"]));
    assert!(said.contains("with status 400 (not today): push to another"), "{said}");
}

/// Proxies refuse in this way. Some respond after the whole body, and some before.
#[test]
fn a_blob_that_is_too_large_is_sent_in_parts() {
    for largest in [1_200, 5_000, 65_536, 100_000, 262_144, 299_000] {
        let (registry, image) = room(|uploads| uploads.largest = Some(largest));
        pushes(&registry, &image);
        let sent = lengths(&registry, "PATCH");
        assert!(
            sent.iter().any(|&length| length <= largest && length > largest / 8),
            "{largest}: {sent:?}"
        );
        let parts = registry.requests("PATCH ");
        let parts = parts.iter().filter_map(|request| request.headers.get("content-range"));
        assert!(parts.clone().any(|range| range.starts_with("0-")), "{largest}");
        assert!(parts.clone().any(|range| !range.starts_with("0-")), "{largest}");
    }
    let (registry, image) = room(|_| {});
    registry.fault(
        "PUT /v2/a/b/blobs/uploads/upload-1",
        1,
        Then::Say(413, Vec::new(), String::new()),
    );
    pushes(&registry, &image);
}

#[test]
fn a_size_limit_below_every_part_is_an_error() {
    let (registry, image) = room(|uploads| uploads.largest = Some(100));
    let said = common::message(push(&registry, &image, &["v1"]));
    assert!(
        said.contains("is too large for the registry, or for a proxy in front of it"),
        "{said}"
    );
    // If the minimum size is known, no part is smaller.
    let (registry, image) =
        room(|uploads| (uploads.largest, uploads.least) = (Some(50_000), Some(100_000)));
    let said = common::message(push(&registry, &image, &["v1"]));
    assert!(said.contains("is too large for the registry"), "{said}");
    let (registry, image) =
        room(|uploads| (uploads.largest, uploads.least) = (Some(150_000), Some(100_000)));
    pushes(&registry, &image);
    assert!(lengths(&registry, "PATCH").contains(&100_000));
}

/// The limits of a registry and of a proxy in front of it.
#[test]
fn a_blob_is_sent_in_parts_if_put_is_refused() {
    let (registry, image) = room(|uploads| {
        uploads.refuses_puts = Some((400, Vec::new(), String::new()));
        uploads.largest = Some(40_000);
    });
    pushes(&registry, &image);
}

#[test]
fn an_interrupted_part_resumes() {
    let (registry, image) = room(|uploads| uploads.largest = Some(100_000));
    registry.fault("PATCH /v2/a/b/blobs/uploads/", 1, Then::Break(30_000));
    client().retries(3).push(&image, &[registry.reference(":v1")]).unwrap();
    assert_has(&registry, "a/b", "v1", &image);
}

#[test]
fn any_success_status_counts_if_the_blob_exists() {
    for status in [200, 201, 202, 203, 204, 206] {
        for says_no_digest in [false, true] {
            let (registry, image) = room(|uploads| {
                (uploads.taken, uploads.manifest_taken) = (Some(status), Some(status));
                uploads.says_no_digest = says_no_digest;
            });
            if says_no_digest {
                registry.hide_digests();
            }
            pushes(&registry, &image);
        }
    }
    // A registry that stores nothing also reports success.
    let (registry, image) = room(|_| {});
    registry.fault("PUT /v2/a/b/blobs", 99, Then::Say(202, Vec::new(), String::new()));
    let said = common::message(client().retries(0).push(&image, &[registry.reference(":v1")]));
    assert!(
        said.contains("is invalid (status 202, but the blob is missing): check that"),
        "{said}"
    );
    let (registry, image) = room(|_| {});
    registry.fault("PUT /v2/a/b/manifests", 99, Then::Say(200, Vec::new(), String::new()));
    let said = common::message(push(&registry, &image, &["v1"]));
    assert!(
        said.contains("the response to the request for tag v1 is invalid (status 200): check that"),
        "{said}"
    );
}

/// A mount only saves bytes, so its response never fails a push.
#[test]
fn an_unusual_response_to_a_mount_falls_back_to_an_upload() {
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let other = format!("sha256:{}", "0".repeat(64));
    for answer in [
        (202, Vec::new(), String::new()),
        (202, header("Location", "http://"), String::new()),
        (201, header("Docker-Content-Digest", &other), String::new()),
        (200, Vec::new(), "<html>".to_owned()),
        (204, Vec::new(), String::new()),
        (302, Vec::new(), String::new()),
        (400, Vec::new(), String::new()),
        (403, Vec::new(), String::new()),
        (404, Vec::new(), String::new()),
        (405, Vec::new(), String::new()),
        (429, Vec::new(), String::new()),
        (500, Vec::new(), String::new()),
        (503, Vec::new(), String::new()),
    ] {
        let (registry, image) = room(|uploads| uploads.mounts = Some(answer.clone()));
        let client = client().retries(0).mount_from("base/one").mount_from("base/two");
        let pushed = client.push(&image, &[registry.reference(":v1")]);
        pushed.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert_has(&registry, "a/b", "v1", &image);
    }
    let (registry, image) = room(|_| {});
    registry.fault("mount=", 99, Then::Hang(0));
    registry.fault("mount=", 99, Then::Break(0));
    client().mount_from("base/one").push(&image, &[registry.reference(":v1")]).unwrap();
}
