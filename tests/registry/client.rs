//! Images from a registry that works, and from one that does not.

mod credentials;
mod documents;
mod fake;
mod faults;
mod login;
mod proxies;
mod push;
mod slow;

use std::{fs, path::Path, sync::Arc, time::Duration};

use crate::common;
use fake::Registry;
use oci_layout::{
    Blob, Compression, FileMapping, Image, ImageLayout, ImageManifest, LayerOptions, LayoutOptions,
    Pool, Progress,
    document::Platform,
    image_config, image_layout, image_manifest, layer_tar,
    registry::{Client, Reference, download_pool},
    verify::{VerifyOptions, verify},
};
use serde_json::{Value, json};

/// An image of two layers for this platform. The first has a few hundred kilobytes.
pub(crate) fn image(platform: &str) -> ImageManifest {
    let options = LayerOptions::from(Compression::None);
    let large = FileMapping::bytes(common::text(300_000, 1), "/large");
    let small = FileMapping::text(platform, "/platform");
    let layers = [large, small].map(|file| layer_tar([file], options.clone()).unwrap());
    let platform: Platform = platform.parse().unwrap();
    let extra = json!({ "os": platform.os, "architecture": platform.architecture, "variant": platform.variant });
    image_manifest(image_config(&layers, extra).unwrap(), layers, Value::Null).unwrap()
}

/// A client with short timeouts.
pub(crate) fn client() -> Client {
    Client::default().retries(1).timeout(Duration::from_millis(300))
}

/// Pulls an image into a layout, under its tag.
pub(crate) fn pull(
    client: &Client,
    reference: &Reference,
    platform: Option<&str>,
    dir: &Path,
) -> oci_layout::Result<ImageLayout> {
    let platform: Option<Platform> = platform.map(|platform| platform.parse().unwrap());
    let image = client.image(reference, platform.as_ref())?;
    let image = reference.tag.clone().into_iter().fold(image, Image::tagged);
    if dir.join("oci-layout").exists() {
        let mut layout = ImageLayout::open(dir)?;
        return layout.append([image], &Pool::new(2)).map(|_| layout);
    }
    image_layout(dir, [image], LayoutOptions::default().pool(&download_pool(&Pool::new(1))))
}

#[track_caller]
pub(crate) fn assert_sound(layout: &Path) {
    let findings = verify(layout, &VerifyOptions::default()).unwrap();
    // Some of the images here have no layers.
    assert!(
        findings.iter().all(|finding| finding.defect.name() == "layers-empty"),
        "{findings:#?}"
    );
}

#[test]
fn a_pulled_image_is_unchanged() {
    let image = image("linux/amd64");
    let registry = Registry::with(&image.clone().into());
    let dir = tempfile::tempdir().unwrap();
    let (pulled, made) = (dir.path().join("pulled"), dir.path().join("made"));
    let layout = pull(&client(), &registry.reference(":v1"), None, &pulled).unwrap();
    assert_sound(&pulled);
    // The layout is the one that the maker of the image would have written.
    image_layout(&made, [image.clone().tagged("v1")], Value::Null).unwrap();
    let contents = |dir: &Path| -> Vec<_> {
        let files = common::files_in(dir).into_iter().filter(|file| dir.join(file).is_file());
        files.map(|file| (fs::read(dir.join(&file)).unwrap(), file)).collect()
    };
    assert_eq!(contents(&pulled), contents(&made));

    // By its digest, the image is the same, and has a tag only if one is given.
    let by_digest = dir.path().join("by-digest");
    let reference = registry.reference(&format!(":v2@{}", image.digest()));
    assert_eq!(
        pull(&client(), &reference, Some("linux/amd64"), &by_digest).unwrap().tags().unwrap(),
        ["v2"]
    );
    let untagged = dir.path().join("untagged");
    let reference = registry.reference(&format!("@{}", image.digest()));
    let untagged = pull(&client(), &reference, None, &untagged).unwrap();
    assert!(untagged.tags().unwrap().is_empty());
    assert_eq!(
        untagged.index().unwrap().manifests[0].platform,
        layout.index().unwrap().manifests[0].platform
    );
}

#[test]
fn existing_blobs_are_not_fetched_again() {
    let image = image("linux/amd64");
    let registry = Registry::with(&image.clone().into());
    let dir = tempfile::tempdir().unwrap();
    let layer = image.layers()[0].descriptor().digest;
    for _ in 0..2 {
        pull(&client(), &registry.reference(":v1"), None, dir.path()).unwrap();
        assert_eq!(registry.requests(layer).len(), 1);
    }
    assert_sound(dir.path());
}

#[test]
fn progress_is_reported() {
    let image = image("linux/amd64");
    let registry = Registry::with(&image.clone().into());
    let dir = tempfile::tempdir().unwrap();
    let most = Arc::new(std::sync::Mutex::new((0, 0)));
    let told = Arc::clone(&most);
    let progress = Progress::new(move |done, total| {
        let mut told = told.lock().unwrap();
        *told = (done.max(told.0), total);
    });
    pull(&client().progress(progress), &registry.reference(":v1"), None, dir.path()).unwrap();
    let layers: u64 = image.layers().iter().map(|layer| layer.descriptor().size).sum();
    let (done, total) = *most.lock().unwrap();
    assert!((layers..=total).contains(&done), "{done} of {total}, with layers of {layers} bytes");
}

#[test]
fn a_blob_alone() {
    let image = image("linux/amd64");
    let registry = Registry::with(&image.clone().into());
    let config = client().blob(&registry.reference(""), image.config().descriptor()).unwrap();
    assert_eq!(common::bytes(&config), image.config().bytes());
}

/// Two simultaneous pulls into one layout leave a complete layout.
#[test]
fn an_image_can_be_read_by_several() {
    let image = image("linux/amd64");
    let registry = Registry::with(&image.clone().into());
    let dir = tempfile::tempdir().unwrap();
    let remote = client().image(&registry.reference(":v1"), None).unwrap();
    Pool::new(3).map(0..3, |n| {
        let dir = dir.path().join(n.to_string());
        image_layout(&dir, [remote.clone()], Value::Null).unwrap();
        assert_sound(&dir);
        fs::remove_dir_all(dir).unwrap();
    });
}
