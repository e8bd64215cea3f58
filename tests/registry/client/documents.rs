//! Valid and invalid manifests and indexes.

use oci_layout::{Blob, Digest, Image, document::MediaType};
use serde_json::{Value, json};

use crate::common;
use crate::registry::client::{
    assert_sound, client,
    fake::{Registry, Then, index},
    image, pull,
};

const TWO: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Two images, an attestation of BuildKit, and an index of them under a tag.
fn two_platforms(platforms: [Value; 2]) -> (Registry, [Digest; 2], Digest) {
    let registry = Registry::start();
    let images = TWO.map(|platform| Image::from(image(platform)));
    for blob in images.iter().flat_map(Image::blobs) {
        registry.put_blob(&common::bytes(blob));
    }
    let mut manifests: Vec<_> = images
        .iter()
        .zip(platforms)
        .map(|(image, platform)| (common::bytes(image.blobs().last().unwrap()), platform))
        .collect();
    let config = registry.put_blob(b"{}");
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::MANIFEST,
        "artifactType": "application/x",
        "config": { "mediaType": MediaType::EMPTY, "digest": config, "size": 2 },
        "layers": [],
    });
    let unknown = json!({ "os": "unknown", "architecture": "unknown" });
    manifests.insert(0, (attestation.to_string().into_bytes(), unknown));
    for (bytes, _) in &manifests {
        registry.put_manifest("none", bytes);
    }
    let entries: Vec<_> =
        manifests.iter().map(|(bytes, platform)| (&**bytes, platform.clone())).collect();
    let digest = registry.put_manifest("v1", &index(&entries));
    (registry, images.map(|image| image.digest()), digest)
}

fn said() -> [Value; 2] {
    [
        json!({ "os": "linux", "architecture": "amd64" }),
        json!({ "os": "linux", "architecture": "arm64", "variant": "v8" }),
    ]
}

#[test]
fn all_platforms_are_pulled_by_default() {
    let (registry, images, index) = two_platforms(said());
    let dir = tempfile::tempdir().unwrap();
    let layout = pull(&client(), &registry.reference(":v1"), None, dir.path()).unwrap();
    assert_sound(dir.path());
    assert_eq!(layout.index().unwrap().manifests.len(), 1);
    assert_eq!(layout.index().unwrap().manifests[0].digest, index);
    for (platform, digest) in TWO.iter().zip(images) {
        let image = layout.image(Some("v1"), Some(&platform.parse().unwrap())).unwrap();
        assert_eq!(image.descriptor().digest, digest);
    }
}

/// Whether or not the index has the platforms.
#[test]
fn a_platform_is_chosen() {
    for platforms in [said(), [Value::Null, Value::Null]] {
        let (registry, images, _) = two_platforms(platforms);
        for (platform, digest) in TWO.iter().zip(images) {
            let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let layout =
                pull(&client(), &registry.reference(":v1"), Some(platform), dirs[0].path())
                    .unwrap();
            assert_sound(dirs[0].path());
            assert_eq!(layout.index().unwrap().manifests[0].digest, digest);
            // The layout contains that image, however it was chosen.
            let by_digest = registry.reference(&format!(":v1@{digest}"));
            let other = pull(&client(), &by_digest, None, dirs[1].path()).unwrap();
            assert_eq!(layout.index().unwrap(), other.index().unwrap());

            let manifest = client()
                .manifest(&registry.reference(":v1"), Some(&platform.parse().unwrap()))
                .unwrap();
            assert_eq!(Digest::of(manifest.bytes()), digest);
        }
    }
}

#[test]
fn a_missing_platform_is_an_error() {
    let (registry, images, _) = two_platforms(said());
    let wanted = Some(&"linux/s390x".parse().unwrap());
    for (rest, others) in [
        (":v1".to_owned(), "linux/amd64, linux/arm64/v8"),
        (format!("@{}", images[0]), "linux/amd64"),
    ] {
        let reference = registry.reference(&rest);
        assert_eq!(
            common::message(client().image(&reference, wanted)),
            format!("{reference} has no image for linux/s390x; it has {others}")
        );
    }
}

#[test]
fn text_of_documents_is_safe_to_print() {
    let (registry, ..) =
        two_platforms(said().map(|_| json!({ "os": "linux", "architecture": "\u{1b}[2Jx" })));
    let said = common::message(
        client().image(&registry.reference(":v1"), Some(&"linux/amd64".parse().unwrap())),
    );
    assert!(said.ends_with(r"; it has linux/\u{1b}[2Jx"), "{said}");
}

#[test]
fn the_manifest_is_printed_unchanged() {
    let registry = Registry::start();
    let image = image("linux/amd64");
    // Unusual, but possible.
    let bytes = [b" \n", image.bytes(), b"\n"].concat();
    let digest = registry.put_manifest("v1", &bytes);
    let manifest = client().manifest(&registry.reference(":v1"), None).unwrap();
    assert_eq!((manifest.bytes(), manifest.descriptor().digest), (&*bytes, digest));
}

#[test]
fn a_manifest_with_another_digest_is_refused() {
    let image = image("linux/amd64");
    let registry = Registry::with(&image.clone().into());
    registry.fault("/manifests/", 9, Then::Send(b"{\"schemaVersion\":2}".to_vec()));
    let reference = registry.reference(&format!("@{}", image.digest()));
    let said = common::message(client().image(&reference, None));
    assert!(said.contains(&format!("instead of {}: it is damaged", image.digest())), "{said}");
}

#[test]
fn other_documents_are_refused_as_images() {
    let entry = json!({ "mediaType": "application/x", "digest": Digest::of(b""), "size": 0 });
    let lies = json!({ "mediaType": MediaType::MANIFEST, "digest": Digest::of(b"{}"), "size": 3 });
    for (manifest, reason) in [
        (json!({ "schemaVersion": 1, "fsLayers": [] }), "Docker's first format"),
        (json!({ "schemaVersion": 2, "layers": [] }), "missing field `config`"),
        (json!({ "schemaVersion": 2, "manifests": [entry] }), "application/x"),
        (json!({ "schemaVersion": 2, "manifests": [lies] }), "is invalid"),
    ] {
        let registry = Registry::start();
        registry.put_manifest("none", b"{}");
        registry.put_manifest("v1", manifest.to_string().as_bytes());
        let said = common::message(client().image(&registry.reference(":v1"), None));
        assert!(
            said.starts_with(&registry.reference(":v1").to_string()) && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn an_index_with_a_wrong_size_is_an_error() {
    let registry = Registry::start();
    let image = image("linux/amd64");
    registry.put_manifest("none", image.bytes());
    let entry = json!({ "mediaType": MediaType::MANIFEST, "digest": image.digest(), "size": 1 });
    registry.put_manifest(
        "v1",
        json!({ "schemaVersion": 2, "manifests": [entry] }).to_string().as_bytes(),
    );
    let said = common::message(client().image(&registry.reference(":v1"), None));
    assert!(said.contains("with 1 bytes, but it is"), "{said}");
}

/// An address in a manifest must not cause a connection.
#[test]
fn layers_are_not_fetched_from_urls_in_manifests() {
    let (registry, elsewhere) = (Registry::start(), Registry::start());
    let layer = Digest::of(b"layer");
    let config = registry.put_blob(
        br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    let url = format!("http://{}/layer", elsewhere.address);
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "mediaType": MediaType::CONFIG, "digest": config, "size": 78 },
        "layers": [{ "mediaType": MediaType::FOREIGN_LAYER, "digest": layer, "size": 5, "urls": [url] }],
    });
    registry.put_manifest("v1", manifest.to_string().as_bytes());
    elsewhere.serve("/layer", b"layer");
    let dir = tempfile::tempdir().unwrap();
    let said = common::message(pull(&client(), &registry.reference(":v1"), None, dir.path()));
    let what = format!(
        "the registry does not have blob {layer} (a non-distributable layer, which its publisher \
         provides at {url})"
    );
    assert!(said.contains(&what), "{said}");
    assert!(elsewhere.requests("").is_empty());
    // A registry may have it.
    registry.put_blob(b"layer");
    pull(&client(), &registry.reference(":v1"), None, dir.path()).unwrap();
}

/// A response may be endless.
#[test]
fn a_document_is_read_up_to_the_maximum_size() {
    let registry = Registry::start();
    registry.put_manifest("v1", b"{}");
    registry.fault("/manifests/", 9, Then::Send(vec![b' '; 64 << 20]));
    let reference = registry.reference(":v1");
    let said = common::message(client().image(&reference, None));
    assert_eq!(
        said,
        format!(
            "{reference}: tag v1 is larger than 16777216 bytes, the maximum size of a document"
        )
    );
    // The connection is closed, so that the registry need not send the rest.
    assert!(registry.has_been_cut_off());
}
