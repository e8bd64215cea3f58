//! Immutable tags, and manifests that are refused for their references.

use std::sync::Arc;

use oci_layout::{
    Blob, Digest, Error, Image, MemoryBlob, RegistryErrorKind,
    document::{Descriptor, MediaType},
};
use serde_json::json;

use super::{client, counted, push};
use crate::common;
use crate::registry::client::fake::{Registry, Then};

/// The text of the error after the name of the repository, for a registry that refuses a tag like
/// this.
fn refused(status: u16, body: &str) -> String {
    let (registry, (image, _)) = (Registry::start(), counted(&["one"], json!({})));
    registry.fault("PUT /v2/a/b/manifests", 9, Then::Say(status, Vec::new(), body.to_owned()));
    let said = common::message(push(&registry, &image, &["1"]));
    said.strip_prefix(&format!("{}: ", registry.reference("")))
        .unwrap_or_else(|| panic!("{said}"))
        .to_owned()
}

/// The texts of registries: ECR, Harbor, Quay, Nexus, Azure, Google's Artifact Registry, GitLab,
/// Artifactory.
#[test]
fn immutable_tags_are_errors_that_suggest_another_tag() {
    let error = |code: &str, message: &str| {
        json!({ "errors": [{ "code": code, "message": message }] }).to_string()
    };
    let immutable = "The image tag '1' already exists in the 'x' repository and cannot be \
        overwritten because the tag is immutable.";
    for (status, body) in [
        (400, error("TAG_INVALID", immutable)),
        (
            412,
            error(
                "PRECONDITION",
                "Failed to process request due to 'x:1' configured as immutable.",
            ),
        ),
        (409, error("TAG_ALREADY_EXISTS", "tag exists")),
        (409, error("TAG_IMMUTABLE", "no")),
        (400, error("UNKNOWN", "Repository does not allow updating assets: docker-hosted")),
        (405, error("UNSUPPORTED", "The operation is disallowed: the tag is locked")),
        (
            400,
            error(
                "MANIFEST_INVALID",
                "cannot update tag 1. The repository has enabled tag immutability",
            ),
        ),
        (400, error("DENIED", "requested tag is immutable")),
        (409, "{\"message\":\"tag 1 already exists\"}".to_owned()),
    ] {
        let said = refused(status, &body);
        let advice = "push under another tag, or remove the tag there or make it mutable";
        assert!(
            said.starts_with(
                "tag 1 names another image, and the registry does not let you overwrite it ("
            ),
            "{body}: {said}"
        );
        assert!(said.ends_with(advice) && !said.contains("log in"), "{body}: {said}");
    }
    for (status, body) in [
        (
            403,
            error(
                "DENIED",
                "Not enough permissions to overwrite artifact 'x:1' (user 'me' needs DELETE \
                 permission).",
            ),
        ),
        (403, error("DENIED", "Not enough permissions to delete/overwrite artifact")),
        (401, error("UNAUTHORIZED", "the tag is protected")),
    ] {
        let (registry, (image, _)) = (Registry::start(), counted(&["one"], json!({})));
        let challenge = vec![("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned())];
        registry.fault("PUT /v2/a/b/manifests", 9, Then::Say(status, challenge, body.clone()));
        let error = push(&registry, &image, &["1"]).unwrap_err();
        assert!(
            matches!(error, Error::Registry { kind: RegistryErrorKind::Conflict, .. }),
            "{error:?}"
        );
        let said = error.to_string();
        assert!(said.contains("does not let you overwrite tag 1 ("), "{body}: {said}");
        assert!(
            said.contains("): push under another tag, or log in as a user who may overwrite it"),
            "{said}"
        );
    }
    let said = refused(409, "");
    let expected = "the registry refuses tag 1 with status 409: if the tag is immutable, push \
        under another one; otherwise report this to its administrator";
    assert_eq!(said, expected);
    // None of this is about the tag.
    for (status, body, advice) in [
        (403, error("DENIED", "requested access to the resource is denied"), "log in with"),
        (
            400,
            error("MANIFEST_INVALID", "manifest invalid"),
            "push to another registry, or report this to",
        ),
        (
            400,
            error("TAG_INVALID", "manifest tag did not match URI"),
            "push to another registry, or report this to",
        ),
    ] {
        let said = refused(status, &body);
        assert!(said.contains(advice) && !said.contains("another tag"), "{body}: {said}");
    }
}

/// If the registry reports no digest, or nothing at all, the client requests the existing manifest.
#[test]
fn an_equal_tag_is_not_written_again() {
    for is_asked in [true, false] {
        let (registry, (image, opened)) = (Registry::start(), counted(&["one"], json!({})));
        registry.hide_digests();
        push(&registry, &image, &["v1"]).unwrap();
        opened();
        if !is_asked {
            registry.fault("HEAD /v2/a/b/manifests", 9, Then::Say(405, Vec::new(), String::new()));
        }
        let immutable = r#"{"errors":[{"code":"TAG_INVALID","message":"the tag is immutable"}]}"#;
        registry.fault(
            "PUT /v2/a/b/manifests/v1",
            9,
            Then::Say(400, Vec::new(), immutable.to_owned()),
        );
        let before = registry.asked().len();
        push(&registry, &image, &["v1"]).unwrap();
        assert_eq!(registry.asked()[before..], ["HEAD manifests", "GET manifests"]);
        assert_eq!(opened(), 0);
        let (other, _) = counted(&["two"], json!({}));
        let said = common::message(push(&registry, &other, &["v1"]));
        assert!(said.contains("push under another tag"), "{said}");
    }
    // It is not an error either if only the refusal shows that the tag exists.
    let (registry, (image, _)) = (Registry::start(), counted(&["one"], json!({})));
    push(&registry, &image, &["v1"]).unwrap();
    registry.fault("HEAD /v2/a/b/manifests", 9, Then::Say(404, Vec::new(), String::new()));
    registry.fault("PUT /v2/a/b/manifests/v1", 9, Then::Say(409, Vec::new(), String::new()));
    push(&registry, &image, &["v1"]).unwrap();
    // A digest of another algorithm proves nothing.
    let (registry, (image, _)) = (Registry::start(), counted(&["one"], json!({})));
    push(&registry, &image, &["v1"]).unwrap();
    let headers =
        [("Docker-Content-Digest", "sha512:00"), ("Content-Type", MediaType::MANIFEST.as_str())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    registry.fault("HEAD /v2/a/b/manifests/v1", 9, Then::Say(200, headers, String::new()));
    let before = registry.asked().len();
    push(&registry, &image, &["v1"]).unwrap();
    assert_eq!(registry.asked()[before..], ["HEAD manifests", "GET manifests"]);
}

/// The response of docker-registry to an image of Windows with foreign layers.
#[test]
fn a_foreign_layer_that_a_registry_requires_is_an_error() {
    let config = MemoryBlob::new(MediaType::CONFIG, *br#"{"os":"windows","architecture":"amd64"}"#);
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json",
                    "digest": config.descriptor().digest, "size": config.descriptor().size },
        "layers": [{ "mediaType": foreign, "digest": Digest::of(b"x"), "size": 1, "urls": ["https://a.b/x"] }],
    });
    let blob = |descriptor: &Descriptor| match descriptor.size {
        1 => Ok(Arc::new(MemoryBlob::new(MediaType::new(foreign), *b"y")) as Arc<dyn Blob>),
        _ => Ok(Arc::new(config.clone()) as Arc<dyn Blob>),
    };
    let image = Image::from_manifest(manifest.to_string().into_bytes(), blob).unwrap();
    for code in ["BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID"] {
        let registry = Registry::start();
        registry.say("PUT /v2/a/b/manifests", 9, 404, code);
        let said = common::message(client().push(&image, &[registry.reference(":v1")]));
        assert!(
            said.contains(
                "because of non-distributable layers, which are not pushed (so  [1mit is)"
            ),
            "{said}"
        );
        assert!(
            said.contains("configure it to accept such layers")
                && !said.contains("push the image again"),
            "{said}"
        );
    }
}
