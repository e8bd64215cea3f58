//! An image for several platforms: one tag transfers all of it, and every tool chooses the platform
//! of this machine.

use std::fs;
use std::path::Path;

use oci_layout::{ImageManifest, document::Descriptor, image_layout};
use serde_json::json;
use tempfile::TempDir;

use crate::common::hello::hello;
use crate::common::tool::{
    Containerd, Containers, Registry, crane, oci_image_tool, schemas, skopeo,
};
use crate::tools::transport::assert_same_blobs;

const PLATFORMS: [&str; 3] = ["linux/arm64", "linux/amd64", "linux/arm/v7"];

/// A layout with the only tag `latest`, the images in it, and their index.
struct ForSeveral {
    dir: TempDir,
    images: Vec<ImageManifest>,
    index: Descriptor,
}

impl ForSeveral {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let layout = dir.path().join("layout");
        let images: Vec<_> =
            PLATFORMS.iter().map(|platform| hello(&layout, platform, platform)).collect();
        let tagged = images.iter().cloned().map(|image| image.tagged("latest"));
        let index =
            image_layout(&layout, tagged, json!({})).unwrap().index().unwrap().manifests[0].clone();
        Self { dir, images, index }
    }

    fn layout(&self) -> String {
        self.dir.path().join("layout").to_str().unwrap().to_owned()
    }

    fn reference(&self) -> String {
        format!("oci:{}:latest", self.layout())
    }
}

#[test]
fn the_documents_fit_the_schemas() {
    let image = ForSeveral::new();
    // oci-layout, index.json, the index that it names, three manifests and configurations; and ten
    // descriptors: of the index, and of each manifest, its configuration and layer.
    assert_eq!(schemas(image.layout().as_ref()), "19 documents and descriptors\n");
    oci_image_tool(["validate", "--type", "image", "--ref", "name=latest", &image.layout()]);
}

#[test]
fn one_crane_push_carries_all() {
    let image = ForSeveral::new();
    let registry = Registry::start();
    let reference = format!("{}/a/hello:v1", registry.address);
    let pushed = crane(["push", "--insecure", &image.layout(), &reference]);
    assert_eq!(pushed.trim(), format!("{}/a/hello@{}", registry.address, image.index.digest));
    crane(["validate", "--insecure", "--remote", &reference]);
    for (platform, image) in PLATFORMS.iter().zip(&image.images) {
        let manifest = crane(["manifest", "--insecure", "--platform", platform, &reference]);
        assert_eq!(manifest.as_bytes(), image.bytes(), "{platform}");
        let config = crane(["config", "--insecure", "--platform", platform, &reference]);
        assert_eq!(config.as_bytes(), image.config().bytes(), "{platform}");
    }
}

#[test]
fn one_skopeo_copy_carries_all() {
    let image = ForSeveral::new();
    let registry = Registry::start();
    let there = format!("docker://{}/a/hello:v1", registry.address);
    let back = image.dir.path().join("back");
    skopeo([
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        &image.reference(),
        &there,
    ]);
    let reference = format!("oci:{}:latest", back.display());
    skopeo(["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &there, &reference]);
    assert_same_blobs(image.layout().as_ref(), &back);

    // Without --all, only the requested one is copied.
    let one = image.dir.path().join("one");
    let options =
        ["--override-arch", "arm", "--override-variant", "v7", "copy", "--preserve-digests"];
    skopeo(options.into_iter().chain([&*image.reference(), &format!("dir:{}", one.display())]));
    assert_eq!(fs::read(one.join("manifest.json")).unwrap(), image.images[2].bytes());
}

#[test]
fn podman_buildah_and_containerd_choose_the_platform_of_this_machine() {
    let image = ForSeveral::new();
    let containers = Containers::new(image.dir.path());
    assert_eq!(containers.podman(["run", "--rm", "--quiet", "oci:layout:latest"]), "linux/amd64");
    let name = containers.buildah(["from", "--quiet", "oci:layout:latest"]);
    let root = containers.buildah(["mount", name.trim()]);
    assert_eq!(fs::read_to_string(Path::new(root.trim()).join("hello")).unwrap(), "linux/amd64");

    let containerd = Containerd::start();
    let images = containerd.import(image.layout().as_ref());
    assert_eq!(containerd.run(&images[0], &[]), "linux/amd64");
    let listed = containerd.ctr(["images", "list"]);
    assert!(listed.contains(&image.index.digest.to_string()), "{listed}");
    assert!(listed.contains("linux/amd64,linux/arm/v7,linux/arm64"), "{listed}");
}
