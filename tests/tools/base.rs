//! Images of other programs as a base: their layers are copied unchanged, and their configuration
//! is inherited.

use std::fs;
use std::path::Path;

use oci_layout::{
    ConfigOptions, Digest, FileMapping, ImageLayout, LayerOptions, image_config, image_layout,
    image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::hello::busybox;
use crate::common::tool::{Containers, schemas, skopeo, umoci};

/// A base image has busybox, this configuration, and one layer.
const ENV: [&str; 3] = ["PATH=/bin", "OF=the base", "ONLY=the base"];

#[test]
fn umoci_makes_the_base() {
    let dir = TempDir::new().unwrap();
    make_by_umoci(&dir.path().join("base"));
    put_layer_on_top(dir.path(), "base");
    assert_base_is_inherited(dir.path());
    assert_same_first_layer(&dir.path().join("base"), dir.path());
}

#[test]
fn the_base_is_an_archive_by_skopeo() {
    let dir = TempDir::new().unwrap();
    make_by_umoci(&dir.path().join("base"));
    let archive = dir.path().join("base.tar");
    let there = format!("oci-archive:{}:base", archive.display());
    let layout = format!("oci:{}:base", dir.path().join("base").display());
    skopeo(["copy", "--preserve-digests", &layout, &there]);
    put_layer_on_top(dir.path(), "base.tar");
    assert_base_is_inherited(dir.path());
    assert_same_first_layer(&dir.path().join("base"), dir.path());
}

#[test]
fn the_base_is_an_archive_by_podman() {
    let dir = TempDir::new().unwrap();
    let containers = Containers::new(dir.path());
    make_by_umoci(&dir.path().join("base"));
    let id = containers.podman(["pull", "--quiet", "oci:base:base"]);
    containers.podman([
        "save",
        "--quiet",
        "--format",
        "oci-archive",
        "--output",
        "base.tar",
        id.trim(),
    ]);
    put_layer_on_top(dir.path(), "base.tar");
    assert_base_is_inherited(dir.path());
}

/// An image as Docker writes it, with Docker's media types.
#[test]
fn buildah_makes_the_base_in_docker_s_format() {
    let dir = TempDir::new().unwrap();
    let containers = Containers::new(dir.path());
    let name = containers.buildah(["from", "--quiet", "scratch"]);
    let buildah = |args: &[&str]| containers.buildah([args, &[name.trim()]].concat());
    containers.buildah([
        "copy",
        "--quiet",
        name.trim(),
        busybox().to_str().unwrap(),
        "/bin/busybox",
    ]);
    buildah(&[
        "config",
        "--env",
        ENV[0],
        "--env",
        ENV[1],
        "--env",
        ENV[2],
        "--cmd",
        "busybox of the base",
    ]);
    buildah(&[
        "config",
        "--healthcheck",
        "CMD-SHELL true",
        "--healthcheck-interval",
        "5s",
        "--onbuild",
        "RUN x",
    ]);
    buildah(&[
        "config",
        "--shell",
        "/bin/busybox sh -c",
        "--label",
        "of=the base",
        "--workingdir",
        "/bin",
    ]);
    containers.buildah(["commit", "--quiet", "--format", "docker", name.trim(), "dir:docker"]);
    let (from, to) = (dir.path().join("docker"), dir.path().join("base"));
    skopeo([
        "copy",
        "--preserve-digests",
        &format!("dir:{}", from.display()),
        &format!("oci:{}:base", to.display()),
    ]);
    let base = ImageLayout::open(&to).unwrap().image(Some("base"), None).unwrap();
    assert_eq!(
        base.manifest().layers[0].media_type.as_str(),
        "application/vnd.docker.image.rootfs.diff.tar"
    );

    put_layer_on_top(dir.path(), "base");
    assert_base_is_inherited(dir.path());
    assert_same_first_layer(&to, dir.path());
    let top = format!("oci:{}:latest", dir.path().join("top").display());
    let manifest = skopeo(["inspect", "--raw", &top]);
    assert!(!manifest.contains("docker"), "{manifest}");

    // skopeo writes such layouts, but cannot read them.
    let base: Value = serde_json::from_slice(&blob(&to, base.manifest().config.digest)).unwrap();
    let top: Value = serde_json::from_str(&skopeo(["inspect", "--config", "--raw", &top])).unwrap();
    for kept in ["Healthcheck", "Shell", "Labels", "WorkingDir"] {
        assert!(!base["config"][kept].is_null(), "buildah wrote no {kept}");
        assert_eq!(base["config"][kept], top["config"][kept]);
    }
    // Triggers are for images that are built on the base:
    // https://docs.docker.com/reference/dockerfile/#onbuild
    assert_eq!(
        (&base["config"]["OnBuild"], top["config"].get("OnBuild")),
        (&json!(["RUN x"]), None)
    );
    // Its author and its creation time.
    assert_eq!(top["created"], "1970-01-01T00:00:01Z");
    assert_eq!(top["history"][0], base["history"][0]);
}

fn make_by_umoci(layout: &Path) {
    let image = format!("{}:base", layout.display());
    umoci(["init", "--layout", layout.to_str().unwrap()]);
    umoci(["new", "--image", &image]);
    umoci(["insert", "--image", &image, busybox().to_str().unwrap(), "/bin/busybox"]);
    let env = ENV.iter().flat_map(|entry| ["--config.env", entry]);
    let cmd = ["--config.cmd", "busybox", "--config.cmd", "of the base"];
    umoci(["config", "--image", &image].into_iter().chain(env).chain(cmd));
}

/// A layout `top` with an image of a text on the base, which has the tag `latest`.
fn put_layer_on_top(dir: &Path, base: &str) {
    let base = ImageLayout::open(dir.join(base)).unwrap().image(None, None).unwrap();
    let top = dir.join("top");
    let text = FileMapping::text("from above\n", "/etc/text");
    let layer = layer_tar([text], LayerOptions::default().store(&top)).unwrap();
    let run = json!({ "config": {
        "Entrypoint": ["/bin/busybox", "sh", "-c", "echo \"$#\"; cat /etc/text; export"],
        "Env": ["OF=the top", "NEW=the top"],
    } });
    let config = image_config([&layer], ConfigOptions::new(run).base(base)).unwrap();
    let image = image_manifest(config, [layer], json!({})).unwrap();
    image_layout(&top, [image.tagged("latest")], json!({})).unwrap();
    schemas(&top);
}

/// podman runs the image without the base's Cmd, which a new Entrypoint clears, and with all of its
/// Env.
#[track_caller]
fn assert_base_is_inherited(dir: &Path) {
    let said = Containers::new(dir).podman(["run", "--rm", "--quiet", "oci:top:latest"]);
    let mut lines = said.lines();
    assert_eq!((lines.next(), lines.next()), (Some("0"), Some("from above")), "{said}");
    let said: Vec<_> = lines.collect();
    for variable in ["PATH='/bin'", "OF='the top'", "ONLY='the base'", "NEW='the top'"] {
        assert!(said.contains(&&*format!("export {variable}")), "{variable}: {said:?}");
    }
    let config = ImageLayout::open(dir.join("top")).unwrap().image(None, None).unwrap();
    let env = &config.configuration().config.as_ref().unwrap().env;
    assert_eq!(*env, ["PATH=/bin", "OF=the top", "ONLY=the base", "NEW=the top"]);
}

/// The new layout has the blob of the base's layer unchanged, with the OCI media type.
#[track_caller]
fn assert_same_first_layer(base: &Path, dir: &Path) {
    let layers = |layout: &Path| {
        ImageLayout::open(layout).unwrap().image(None, None).unwrap().layers().to_vec()
    };
    let (base_layers, top_layers) = (layers(base), layers(&dir.join("top")));
    assert_eq!((base_layers.len(), top_layers.len()), (1, 2));
    let digest = base_layers[0].descriptor().digest;
    assert_eq!(digest, top_layers[0].descriptor().digest);
    assert!(blob(base, digest) == blob(&dir.join("top"), digest));
}

fn blob(layout: &Path, digest: Digest) -> Vec<u8> {
    fs::read(layout.join("blobs/sha256").join(digest.hex())).unwrap()
}
