//! Images pushed to a registry that works.

mod faults;
mod login;
mod manners;
mod tags;

use std::{
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oci_layout::{
    Blob, Digest, FileMapping, Image, ImageLayout, Layer, LayerOptions, MemoryBlob, Progress,
    TarLayer, artifact_manifest,
    document::{Descriptor, MediaType},
    image_config, image_index, image_layout, image_manifest, layer_tar,
    registry::{Client, Reference},
};
use serde_json::{Value, json};

use crate::common;
use crate::registry::client::{fake::Registry, image};

/// A client with a timeout that suffices on a busy machine.
fn client() -> Client {
    crate::registry::client::client().timeout(Duration::from_secs(1))
}

/// A layer that counts how often its bytes are read.
struct Counted {
    layer: TarLayer,
    opened: Arc<AtomicUsize>,
}

impl Blob for Counted {
    fn descriptor(&self) -> &Descriptor {
        self.layer.descriptor()
    }

    fn open(&self) -> oci_layout::Result<Box<dyn Read + Send>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.layer.open()
    }
}

impl Layer for Counted {
    fn diff_id(&self) -> Digest {
        self.layer.diff_id()
    }
}

/// An image of these files, each in a separate layer, and a function that returns how often layers
/// were opened since its last call.
fn counted(files: &[&str], manifest: Value) -> (Image, impl Fn() -> usize + use<>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let layer = |contents: &&str| {
        let layer =
            layer_tar([FileMapping::text(*contents, "/file")], LayerOptions::default()).unwrap();
        Arc::new(Counted { layer, opened: Arc::clone(&opened) }) as Arc<dyn Layer>
    };
    let layers: Vec<_> = files.iter().map(layer).collect();
    let config = image_config(&layers, Value::Null).unwrap();
    (image_manifest(config, layers, manifest).unwrap().into(), move || {
        opened.swap(0, Ordering::SeqCst)
    })
}

/// Pushes under these tags, as `a/b`.
fn push(registry: &Registry, image: &Image, tags: &[&str]) -> oci_layout::Result<Vec<Reference>> {
    let references: Vec<_> =
        tags.iter().map(|tag| registry.reference(&format!(":{tag}"))).collect();
    client().push(image, &references)
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

/// Checks that all bytes arrived.
#[track_caller]
fn assert_has(registry: &Registry, repository: &str, tag: &str, image: &Image) {
    for blob in image.blobs() {
        let is_document =
            blob.descriptor().media_type.is_manifest() || blob.descriptor().media_type.is_index();
        let kind = if is_document { "manifests" } else { "blobs" };
        let path = format!("/v2/{repository}/{kind}/{}", blob.descriptor().digest);
        assert_eq!(registry.content(&path), Some(common::bytes(blob)), "{path}");
    }
    let tagged = registry
        .content(format!("/v2/{repository}/manifests/{tag}"))
        .map(|bytes| Digest::of(&bytes));
    assert_eq!(tagged, Some(image.digest()), "{tag}");
}

#[test]
fn a_pushed_image_is_unchanged() {
    let (registry, image) = (Registry::start(), Image::from(image("linux/amd64")));
    let pushed = push(&registry, &image, &["v1"]).unwrap();
    assert_eq!(pushed, [registry.reference(&format!("@{}", image.digest()))]);
    assert_has(&registry, "a/b", "v1", &image);
    let asked = registry.asked();
    assert_eq!(asked[..2], ["HEAD manifests", "HEAD manifests"], "the tag and the digest");
    assert_eq!(asked[2..5], ["HEAD blobs"; 3]);
    assert_eq!(sorted(asked[5..11].to_vec()), [["POST uploads"; 3], ["PUT uploads"; 3]].concat());
    assert_eq!(asked[11..], ["PUT manifests"]);
    let put = registry.requests("PUT /v2/a/b/manifests/v1").pop().unwrap();
    assert_eq!(put.headers["content-type"], MediaType::MANIFEST.as_str());
    let pulled = client().image(&registry.reference(":v1"), None).unwrap();
    assert_eq!(pulled.digest(), image.digest());
}

#[test]
fn an_existing_image_costs_one_request() {
    let (registry, (image, opened)) = (Registry::start(), counted(&["one", "two"], Value::Null));
    push(&registry, &image, &["v1"]).unwrap();
    assert_eq!(opened(), 2);
    let before = registry.asked().len();
    push(&registry, &image, &["v1"]).unwrap();
    assert_eq!(registry.asked()[before..], ["HEAD manifests"]);
    // Under another tag, it is found by its digest.
    push(&registry, &image, &["v2"]).unwrap();
    assert_eq!(
        registry.asked()[before + 1..],
        ["HEAD manifests", "HEAD manifests", "PUT manifests"]
    );
    // Without the manifest, each blob costs one request.
    registry.remove(image.digest());
    registry.forget("/v2/a/b/manifests/");
    let before = registry.asked().len();
    push(&registry, &image, &["v1"]).unwrap();
    let expected = [&["HEAD manifests"; 2][..], &["HEAD blobs"; 3], &["PUT manifests"]].concat();
    assert_eq!(registry.asked()[before..], expected);
    assert_eq!(opened(), 0, "no layer was read again");
    assert_has(&registry, "a/b", "v1", &image);
}

#[test]
fn only_changed_blobs_are_sent() {
    let registry = Registry::start();
    let (before, _) = counted(&["large", "small"], Value::Null);
    let (after, opened) = counted(&["large", "changed"], Value::Null);
    push(&registry, &before, &["v1"]).unwrap();
    let sent = registry.requests("PUT /v2/a/b/blobs").len();
    push(&registry, &after, &["v1"]).unwrap();
    assert_eq!(opened(), 1);
    assert_has(&registry, "a/b", "v1", &after);
    assert_eq!(
        registry.requests("PUT /v2/a/b/blobs").len() - sent,
        2,
        "a layer and the configuration"
    );
}

#[test]
fn several_tags_are_one_upload() {
    let (registry, (image, opened)) = (Registry::start(), counted(&["one"], Value::Null));
    let pushed = push(&registry, &image, &["v1", "v2", "v1", "latest"]).unwrap();
    assert_eq!((opened(), registry.requests("POST").len()), (1, 2));
    assert_eq!(pushed, [registry.reference(&format!("@{}", image.digest()))]);
    for tag in ["v1", "v2", "latest"] {
        assert_has(&registry, "a/b", tag, &image);
    }
    assert_eq!(registry.requests("PUT /v2/a/b/manifests/").len(), 3);
}

#[test]
fn a_second_repository_mounts_from_the_first() {
    for refuses_mounts in [false, true] {
        let (registry, (image, opened)) = (Registry::start(), counted(&["one"], Value::Null));
        registry.uploads(|uploads| uploads.refuses_mounts = refuses_mounts);
        let references = ["a/b:v1", "c/d", "c/d:v1"]
            .map(|rest| format!("{}/{rest}", registry.address).parse().unwrap());
        let pushed = client().push(&image, &references).unwrap();
        // A refused mount has started an upload, which is used.
        let again = usize::from(refuses_mounts);
        assert_eq!(opened(), 1 + again);
        let expected =
            ["a/b", "c/d"].map(|name| format!("{}/{name}@{}", registry.address, image.digest()));
        assert_eq!(pushed.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        assert_has(&registry, "a/b", "v1", &image);
        assert_has(&registry, "c/d", "latest", &image);
        assert_has(&registry, "c/d", "v1", &image);
        assert_eq!(registry.requests("mount=").len(), 2);
        assert_eq!(
            (registry.requests("POST").len(), registry.requests("PUT /v2/c/d/blobs").len()),
            (4, 2 * again)
        );
    }
}

#[test]
fn blobs_are_mounted_from_likely_repositories() {
    let registry = Registry::start();
    let base = format!("{}/base/image:1", registry.address);
    let (image, opened) =
        counted(&["one"], json!({ "annotations": { "org.opencontainers.image.base.name": base } }));
    for blob in image.blobs() {
        registry.serve(
            &format!("/v2/base/image/blobs/{}", blob.descriptor().digest),
            &common::bytes(blob),
        );
    }
    opened();
    // The first repository has no such blob.
    let client = client().mount_from("other/image");
    client.push(&image, &[registry.reference(":v1")]).unwrap();
    assert_eq!(opened(), 0);
    assert_has(&registry, "a/b", "v1", &image);
    assert_eq!(registry.requests("from=other/image").len(), 2);
    assert_eq!(registry.requests("from=base/image").len(), 2);
    let said = common::message(
        client.mount_from("no repository").push(&image, &[registry.reference(":v2")]),
    );
    assert!(said.contains("no repository"), "{said}");
}

#[test]
fn two_images_share_layers() {
    let registry = Registry::start();
    let shared = ["shared one", "shared two"];
    let images = ["first", "second"].map(|own| counted(&[shared[0], shared[1], own], Value::Null));
    for (number, (image, _)) in images.iter().enumerate() {
        push(&registry, image, &[&format!("v{number}")]).unwrap();
    }
    assert_eq!(images.map(|(_, opened)| opened()), [3, 1]);
}

#[test]
fn an_index_is_pushed_after_its_manifests() {
    let registry = Registry::start();
    let images = ["linux/amd64", "linux/arm64"].map(|platform| Image::from(image(platform)));
    let [amd64, arm64] = images.clone();
    let index = Image::from(image_index(images, Value::Null).unwrap());
    // The registry already has one of the images, so its blobs are not requested.
    push(&registry, &amd64, &["amd64"]).unwrap();
    let before = registry.asked().len();
    push(&registry, &index, &["v1"]).unwrap();
    for image in [&index, &amd64, &arm64] {
        assert!(registry.content(format!("/v2/a/b/manifests/{}", image.digest())).is_some());
    }
    assert_has(&registry, "a/b", "v1", &index);
    let asked = &registry.asked()[before..];
    assert_eq!(asked[..4], ["HEAD manifests"; 4], "tag, digest, and both images");
    // Both images have the large layer.
    assert_eq!(asked.iter().filter(|asked| *asked == "HEAD blobs").count(), 3);
    assert_eq!(asked.iter().filter(|asked| *asked == "POST uploads").count(), 2);
    assert_eq!(asked[asked.len() - 2..], ["PUT manifests"; 2]);
    let put = registry.requests("PUT /v2/a/b/manifests/v1").pop().unwrap();
    assert_eq!(put.headers["content-type"], MediaType::INDEX.as_str());
}

#[test]
fn foreign_layers_are_not_pushed() {
    let registry = Registry::start();
    let config = MemoryBlob::new(MediaType::CONFIG, *br#"{"os":"linux","architecture":"amd64"}"#);
    let docker = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let foreign = json!({ "mediaType": docker, "digest": Digest::of(b"x"), "size": 1, "urls": ["https://a.b/x"] });
    let manifest_type = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json",
                    "digest": config.descriptor().digest, "size": config.descriptor().size },
        "layers": [foreign],
    });
    let blob = |descriptor: &Descriptor| match descriptor.size {
        1 => Ok(Arc::new(MemoryBlob::new(MediaType::new(docker), *b"y")) as Arc<dyn Blob>),
        _ => Ok(Arc::new(config.clone()) as Arc<dyn Blob>),
    };
    let image = Image::from_manifest(manifest.to_string().into_bytes(), blob).unwrap();
    push(&registry, &image, &["v1"]).unwrap();
    assert_eq!(registry.requests(Digest::of(b"x")).len(), 0);
    let put = registry.requests("PUT /v2/a/b/manifests/v1").pop().unwrap();
    assert_eq!(put.headers["content-type"], manifest_type, "Docker's names stay");
    assert_eq!(
        registry.content("/v2/a/b/manifests/v1").map(|bytes| Digest::of(&bytes)),
        Some(image.digest())
    );
}

#[test]
fn referrers_are_listed() {
    for lists_referrers in [true, false] {
        let (registry, (subject, _)) = (Registry::start(), counted(&["one"], Value::Null));
        registry.uploads(|uploads| uploads.lists_referrers = lists_referrers);
        push(&registry, &subject, &["v1"]).unwrap();
        let artifact = |text: &str| {
            let file: Arc<dyn Blob> =
                Arc::new(MemoryBlob::new(MediaType::new("text/plain"), text.as_bytes()));
            let extra = json!({ "annotations": { "a": text } });
            artifact_manifest("text/x", [file], Some(subject.descriptor()), extra).unwrap()
        };
        let artifacts = ["first", "second"].map(artifact);
        for artifact in artifacts.iter().chain(&artifacts) {
            client()
                .push(artifact, &[registry.reference(&format!("@{}", artifact.digest()))])
                .unwrap();
        }
        let list = registry.content(format!("/v2/a/b/manifests/sha256-{}", subject.digest().hex()));
        assert_eq!(list.is_none(), lists_referrers);
        let Some(list) = list else { continue };
        let list: Value = serde_json::from_slice(&list).unwrap();
        let expected = artifacts.each_ref().map(|artifact| {
            let title = if artifact.digest() == artifacts[0].digest() { "first" } else { "second" };
            json!({
                "mediaType": MediaType::MANIFEST, "digest": artifact.digest(), "size": artifact.descriptor().size,
                "annotations": { "a": title }, "artifactType": "text/x",
            })
        });
        assert_eq!(list["manifests"], json!(expected), "each once");
        assert_eq!(list["mediaType"], json!(MediaType::INDEX));
    }
}

#[test]
fn a_push_to_another_digest_is_refused() {
    let (registry, (image, _)) = (Registry::start(), counted(&["one"], Value::Null));
    let by_digest = registry.reference(&format!("@{}", image.digest()));
    assert_eq!(client().push(&image, std::slice::from_ref(&by_digest)).unwrap(), [by_digest]);
    assert_eq!(registry.requests("PUT /v2/a/b/manifests/").len(), 1);
    let other = registry.reference(&format!("@{}", Digest::of(b"")));
    let said = common::message(client().push(&image, std::slice::from_ref(&other)));
    let reason = format!(
        "the digest of the image is {}: remove the digest from the name, or push the other image",
        image.digest()
    );
    assert_eq!(said, format!("image {other}: {reason}"));
}

#[test]
fn an_image_of_a_layout_is_pushed_as_a_whole() {
    let (registry, dir) = (Registry::start(), tempfile::tempdir().unwrap());
    let dir = dir.path().join("layout");
    let two =
        ["linux/amd64", "linux/arm64"].map(|platform| Image::from(image(platform)).tagged("two"));
    let (one, _) = counted(&["one"], Value::Null);
    image_layout(
        &dir,
        two.into_iter().chain([one.clone().tagged("one").tagged("again")]),
        Value::Null,
    )
    .unwrap();
    let layout = ImageLayout::open(&dir).unwrap();
    assert_eq!(layout.whole_image(Some("again")).unwrap().digest(), one.digest());
    let said = common::message(layout.whole_image(None));
    assert!(said.contains("has several images: choose one by its tag"), "{said}");
    let index = layout.whole_image(Some("two")).unwrap();
    push(&registry, &index, &["v1"]).unwrap();
    assert_has(&registry, "a/b", "v1", &index);
    let pulled =
        client().image(&registry.reference(":v1"), Some(&"linux/arm64".parse().unwrap())).unwrap();
    assert_eq!(pulled.digest(), image("linux/arm64").digest());
}

#[test]
fn progress_is_reported() {
    let (registry, image) = (Registry::start(), Image::from(image("linux/amd64")));
    let last = Arc::new(Mutex::new((0, 0)));
    let told = Arc::clone(&last);
    let progress = Progress::new(move |done, total| *told.lock().unwrap() = (done, total));
    client().progress(progress).push(&image, &[registry.reference("")]).unwrap();
    let all = image.blobs().iter().filter(|blob| !blob.descriptor().media_type.is_manifest());
    let all: u64 = all.map(|blob| blob.descriptor().size).sum();
    assert_eq!(*last.lock().unwrap(), (all, all));
}
