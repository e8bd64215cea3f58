//! Layouts that lack something, or that contain more than images of containers: the rest can be
//! used.

use std::{fs, path::Path};

use crate::common::{blob_file, image_for, put};
use oci_layout::{
    Digest, Error, Image, ImageLayout, Pool, Warning,
    archive::{ArchiveOptions, image_archive},
    document::MediaType,
    image_layout,
    verify::{Severity, VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Replaces the entries of the layout.
fn indexed(layout: &Path, entries: &[Value]) -> ImageLayout {
    let index = json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX, "manifests": entries });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    ImageLayout::open(layout).unwrap()
}

fn entries(layout: &ImageLayout) -> Vec<Value> {
    layout
        .index()
        .unwrap()
        .manifests
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap())
        .collect()
}

/// `docker save` leaves such layouts: the manifest of a platform is missing, or its configuration,
/// or its layer.
#[test]
fn platforms_may_be_absent() {
    let absent = image_for("linux/arm64");
    let parts = [absent.digest(), absent.config().digest(), absent.document().layers[0].digest];
    for part in parts {
        let dir = TempDir::new().unwrap();
        let layout = image_layout(
            dir.path(),
            [image_for("linux/amd64"), image_for("linux/arm64")].map(|image| image.tagged("app:1")),
            json!({}),
        );
        let layout = layout.unwrap();
        fs::remove_file(blob_file(dir.path(), part)).unwrap();
        let image = layout.whole_image(None).unwrap();
        assert!(
            matches!(image.warnings(), [Warning::ImagesAbsent { absent, .. }] if absent == &["linux/arm64"])
        );
        // A layer, a configuration, a manifest, and the index.
        assert_eq!(image.blobs().len(), 4);
        assert_eq!(
            layout.image(None, None).unwrap().configuration().platform().to_string(),
            "linux/amd64"
        );
        assert!(
            layout.image(None, Some(&"linux/arm64".parse().unwrap())).is_err() || part == parts[2]
        );

        let copy = dir.path().join("copy");
        let mut copied = image_layout(&copy, [image.clone()], json!({})).unwrap();
        copied.append([image.clone()], &Pool::new(1)).unwrap();
        assert_eq!(copied.collect_garbage().unwrap().files, [""; 0].map(std::path::PathBuf::from));
        let findings = verify(&copy, &VerifyOptions::default()).unwrap();
        assert!(
            findings.iter().all(|finding| finding.severity() == Severity::Warning),
            "{findings:?}"
        );

        let written =
            image_archive(Vec::new(), [image.clone()], ArchiveOptions::default()).unwrap();
        assert_eq!(written.warnings.len(), 1);
        let options = ArchiveOptions::default().platform("linux/amd64".parse().unwrap());
        assert_eq!(image_archive(Vec::new(), [image.clone()], options).unwrap().warnings, []);
        let strict = ArchiveOptions::default().strict(true);
        assert!(matches!(image_archive(Vec::new(), [image], strict), Err(Error::Warning(_))));
    }
}

#[test]
fn an_index_without_any_of_its_images_is_an_error() {
    let dir = TempDir::new().unwrap();
    let images = ["linux/amd64", "linux/arm64"].map(image_for);
    let digests = [images[0].digest(), images[1].digest()];
    let layout =
        image_layout(dir.path(), images.map(|image| image.tagged("app:1")), json!({})).unwrap();
    digests.iter().for_each(|&digest| fs::remove_file(blob_file(dir.path(), digest)).unwrap());
    for error in [layout.whole_image(None).unwrap_err(), layout.image(None, None).unwrap_err()] {
        assert!(
            matches!(error, Error::BlobMissing { digest, .. } if digests.contains(&digest)),
            "{error}"
        );
    }
    let findings = verify(dir.path(), &VerifyOptions::default()).unwrap();
    assert!(
        findings.iter().all(|finding| finding.severity() == Severity::Error) && findings.len() == 2,
        "{findings:?}"
    );
}

/// ko and apko write such layouts: the images for several platforms in `index.json`, without tags.
#[test]
fn images_without_tags_are_chosen_by_digest_or_platform() {
    let dir = TempDir::new().unwrap();
    let images = ["linux/amd64", "linux/arm64"].map(image_for);
    let digests = [images[0].digest(), images[1].digest()];
    let layout = image_layout(dir.path(), images.clone().map(Image::from), json!({})).unwrap();
    let flat: Vec<Value> = match &entries(&layout)[..] {
        [index] => {
            let index: Value = serde_json::from_slice(
                &fs::read(blob_file(
                    dir.path(),
                    index["digest"].as_str().unwrap().parse().unwrap(),
                ))
                .unwrap(),
            )
            .unwrap();
            index["manifests"].as_array().unwrap().clone()
        }
        several => several.to_vec(),
    };
    let mut layout = indexed(dir.path(), &flat);
    for (digest, platform) in digests.iter().zip(["linux/amd64", "linux/arm64"]) {
        let by_platform = layout.image(None, Some(&platform.parse().unwrap())).unwrap();
        assert_eq!(by_platform.descriptor().digest, *digest);
        for name in [digest.to_string(), format!("@{digest}")] {
            assert_eq!(layout.image(Some(&name), None).unwrap().descriptor().digest, *digest);
            assert_eq!(layout.whole_image(Some(&name)).unwrap().digest(), *digest);
        }
    }
    for error in [layout.image(None, None).unwrap_err(), layout.whole_image(None).unwrap_err()] {
        let error = error.to_string();
        assert!(
            error.contains("choose one by its digest") && error.contains(&digests[1].to_string()),
            "{error}"
        );
    }
    let s390x = layout.image(None, Some(&"linux/s390x".parse().unwrap())).unwrap_err().to_string();
    assert!(
        s390x.ends_with("has no image for linux/s390x; it has linux/amd64, linux/arm64"),
        "{s390x}"
    );
    assert!(layout.image(Some("sha256:00"), None).unwrap_err().to_string().starts_with("digest"));
    let other = layout.image(Some(&Digest::of("x").to_string()), None).unwrap_err().to_string();
    assert!(other.contains("has no image with the digest"), "{other}");
    let options = ArchiveOptions::default()
        .index(layout.index().unwrap().clone())
        .platform("linux/arm64".parse().unwrap());
    let written = image_archive(Vec::new(), layout.images().unwrap(), options).unwrap();
    assert_eq!((written.index.manifests.len(), written.warnings.len()), (1, 0));
    layout.remove(&digests[0].to_string()).unwrap();
    assert_eq!(layout.image(None, None).unwrap().descriptor().digest, digests[1]);
}

/// A digest may be that of a manifest below an index, with or without a name before it.
#[test]
fn a_digest_chooses_below_an_index() {
    let dir = TempDir::new().unwrap();
    let images = ["linux/amd64", "linux/arm64"].map(image_for);
    let digest = images[1].digest();
    let layout =
        image_layout(dir.path(), images.map(|image| image.tagged("app:1")), json!({})).unwrap();
    for name in [digest.to_string(), format!("1@{digest}"), format!("app:1@{digest}")] {
        assert_eq!(layout.whole_image(Some(&name)).unwrap().digest(), digest, "{name}");
    }
    assert!(layout.whole_image(Some(&format!("2@{digest}"))).is_err());
}

/// Signatures of cosign are not images, and neither are artifacts with the configuration of an
/// image, as ORAS makes them.
#[test]
fn signatures_and_artifacts_are_not_images() {
    const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let dir = TempDir::new().unwrap();
    let image = image_for("linux/amd64");
    let layout = image_layout(dir.path(), [image.clone().tagged("app:1")], json!({})).unwrap();
    let make = |config: &Value, config_type: &str, layer_type: &str| {
        let layer = put(dir.path(), layer_type, b"a text, and no tar");
        let config = put(dir.path(), config_type, config.to_string().as_bytes());
        let document = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "config": config, "layers": [layer] });
        put(dir.path(), MANIFEST, document.to_string().as_bytes())
    };
    let rootfs = json!({ "type": "layers", "diff_ids": [Digest::of("a text, and no tar")] });
    let cosign = json!({ "architecture": "", "os": "", "created": "0001-01-01T00:00:00Z", "config": {}, "rootfs": rootfs });
    let tar = "application/vnd.oci.image.layer.v1.tar";
    for (artifact, findings) in [
        (make(&cosign, CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json"), &[][..]),
        (make(&json!({}), "application/vnd.unknown.config.v1+json", tar), &["not-a-layer"][..]),
        (make(&json!({}), "application/vnd.oci.empty.v1+json", tar), &["not-a-layer"][..]),
    ] {
        let layout = indexed(dir.path(), &[entries(&layout)[0].clone(), artifact.clone()]);
        let found = verify(dir.path(), &VerifyOptions::default()).unwrap();
        assert_eq!(
            found.iter().map(|finding| finding.defect.name()).collect::<Vec<_>>(),
            findings,
            "{found:?}"
        );
        assert!(found.iter().all(|finding| finding.severity() == Severity::Warning));
        assert_eq!(layout.image(None, None).unwrap().descriptor().digest, image.digest());
        let mut archive = Vec::new();
        let written =
            image_archive(&mut archive, layout.images().unwrap(), ArchiveOptions::default())
                .unwrap();
        assert_eq!((written.index.manifests.len(), &written.warnings[..]), (2, &[][..]));
        // An artifact alone has no docker-archive, and the archive reports this.
        let layout = indexed(dir.path(), &[artifact]);
        let written =
            image_archive(Vec::new(), layout.images().unwrap(), ArchiveOptions::default()).unwrap();
        assert_eq!(written.warnings, [Warning::NoManifestJson]);
        let docker = ArchiveOptions::default().format("docker-archive".parse().unwrap());
        let error =
            image_archive(Vec::new(), layout.images().unwrap(), docker).unwrap_err().to_string();
        assert!(error.ends_with("write an oci-archive, which holds artifacts too"), "{error}");
    }
    // A configuration that is not that of an image: the image beside it is still loaded.
    let oras = make(&json!({}), CONFIG, tar);
    let layout = indexed(dir.path(), &[entries(&layout)[0].clone(), oras]);
    let written =
        image_archive(Vec::new(), layout.images().unwrap(), ArchiveOptions::default()).unwrap();
    assert!(
        matches!(&written.warnings[..], [Warning::NoDockerForm { .. }]),
        "{:?}",
        written.warnings
    );
}

/// An index of layers, as in BuildKit's cache, and one of an unknown document.
#[test]
fn an_index_may_name_blobs() {
    let dir = TempDir::new().unwrap();
    let layout =
        image_layout(dir.path(), [image_for("linux/amd64").tagged("app:1")], json!({})).unwrap();
    let image = entries(&layout).remove(0);
    let index = |name: &Value| {
        let index =
            json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX, "manifests": [name] });
        put(dir.path(), MediaType::INDEX.as_str(), index.to_string())
    };
    let cache = index(&put(dir.path(), "application/vnd.buildkit.cacheconfig.v0", b"{}"));
    let withdrawn =
        json!({ "artifactType": "a/b", "blobs": [put(dir.path(), "text/plain", b"hello")] })
            .to_string();
    let withdrawn =
        put(dir.path(), "application/vnd.oci.artifact.manifest.v1+json", withdrawn.as_bytes());
    let copied = indexed(dir.path(), &[image.clone(), cache, withdrawn]);
    let images = copied.images().unwrap();
    assert_eq!(images.iter().map(|image| image.blobs().len()).collect::<Vec<_>>(), [3, 2, 2]);
    assert_eq!(copied.present_images().unwrap().1, []);

    let unknown = put(dir.path(), "application/vnd.example.manifest.v9+json", b"{}");
    let partly = indexed(dir.path(), &[image, unknown.clone(), index(&unknown)]);
    assert!(partly.images().is_err());
    let (images, warnings) = partly.present_images().unwrap();
    assert_eq!((images.len(), warnings.len()), (1, 2));
}
