//! Values of configurations: engines and builders that others wrote accept and refuse what the
//! table says.

use std::fs;
use std::path::Path;

use oci_layout::{
    Blob, ConfigOptions, Digest, FileMapping, ImageLayout, LayerOptions, image_config,
    image_layout, image_manifest, layer_tar,
    verify::{Severity, VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::hello::busybox;
use crate::common::tool::{Containers, Registry, crane, decompress, skopeo, umoci};
use crate::common::values::{forbidden, refused, taken};

/// A layout `DIR/NAME` of one image, `latest`, with busybox and this unchecked `config`.
fn write_unchecked(dir: &Path, name: &str, mut config: Value) {
    let layout = dir.join(name);
    let layer = layer_tar(
        [FileMapping::new(busybox(), "/bin/true")],
        LayerOptions::default().store(&layout),
    )
    .unwrap();
    let members = config.as_object_mut().unwrap();
    if !members.contains_key("Cmd") && !members.contains_key("Entrypoint") {
        members.insert("Cmd".to_owned(), json!(["/bin/true"]));
    }
    let put = |media_type: &str, bytes: &[u8]| {
        fs::write(layout.join("blobs/sha256").join(Digest::of(bytes).hex()), bytes).unwrap();
        let media_type = format!("application/vnd.oci.image.{media_type}.v1+json");
        json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
    };
    let diff_id = oci_layout::Layer::diff_id(&layer);
    let document = json!({
        "architecture": "amd64", "os": "linux", "config": config, "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = put("config", document.to_string().as_bytes());
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer.descriptor()] });
    let mut manifest = put("manifest", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(
        layout.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string(),
    )
    .unwrap();
}

/// Whether podman runs an image with this `config`. podman may keep an image that it refused and
/// fail on it later, so each image has a separate storage.
fn podman_runs(config: Value) -> bool {
    let dir = TempDir::new().unwrap();
    write_unchecked(dir.path(), "image", config);
    let containers = Containers::new(dir.path());
    let run = containers
        .tool("podman")
        .args(["run", "--rm", "--quiet", "oci:image:latest"])
        .output()
        .unwrap();
    run.status.success()
}

#[test]
fn podman_runs_accepted_configurations() {
    for config in taken() {
        // There is no /etc/passwd, and podman creates the working directory.
        assert!(podman_runs(config.clone()), "{config}");
    }
}

#[test]
fn podman_refuses_forbidden_configurations() {
    // It ignores the first three and what is newer than it, and accepts one string in place of a
    // list. The specifications have other types.
    let is_ignored = |member: &str, config: &Value| {
        [
            "config.Memory",
            "config.MemorySwap",
            "config.CpuShares",
            "config.Healthcheck.StartInterval",
        ]
        .contains(&member)
            || config["Shell"].is_string()
            || config["Env"] == json!(["A"])
    };
    for (member, config) in forbidden() {
        assert_eq!(podman_runs(config.clone()), is_ignored(member, &config), "{config}");
    }
}

#[test]
fn podman_refuses_some_configurations_with_warnings() {
    for (member, config) in refused() {
        if ["config.StopSignal", "config.User"].contains(&member) {
            assert!(!podman_runs(config.clone()), "{config}");
        }
    }
}

/// The `config` of an image that buildah builds from these instructions, in Docker's format, which
/// has all members.
fn built_by_buildah(dir: &Path, instructions: &str) -> Value {
    let containers = Containers::new(dir);
    fs::write(dir.join("Containerfile"), instructions).unwrap();
    let bud =
        ["bud", "--quiet", "--format", "docker", "--file", "Containerfile", "--tag", "built", "."];
    containers.buildah(bud);
    let said: Value =
        serde_json::from_str(&containers.buildah(["inspect", "--type", "image", "built"])).unwrap();
    said["Docker"]["config"].clone()
}

fn on_base(dir: &Path, config: Value) -> Value {
    let base = ImageLayout::open(dir.join("base")).unwrap().image(None, None).unwrap();
    let none: [&dyn oci_layout::Layer; 0] = [];
    let made =
        image_config(none, ConfigOptions::new(json!({ "config": config })).base(base)).unwrap();
    serde_json::from_slice::<Value>(made.bytes()).unwrap()["config"].clone()
}

#[test]
fn references_are_those_of_env_in_a_containerfile() {
    let dir = TempDir::new().unwrap();
    let env = json!(["PATH=/usr/bin:/bin", "EMPTY=", "A=1", "LAST=x=y", "A_B=ab"]);
    write_unchecked(dir.path(), "base", json!({ "Env": env }));
    let values = [
        "/app:$PATH",
        "${PATH}:/app",
        "$PATH$A",
        "${A}B",
        "$A_B",
        "$A-B",
        "$A.B",
        "${NONE:-x}",
        "${EMPTY:-x}",
        "${EMPTY}",
        "${A:-x}",
        "${A:+x}",
        "${NONE:+x}",
        "${EMPTY:+x}",
        "${NONE:-${A}}",
        "${NONE:-a${A:-b}c}d",
        "${NONE:-}",
        "$LAST",
        "${NONE:-$A}",
        "${A:+$LAST}",
        "a/$A/$A/b",
        "$V0/again",
    ];
    let mut instructions = "FROM oci:base:latest\n".to_owned();
    for (number, value) in values.iter().enumerate() {
        instructions.push_str(&format!("ENV V{number}={value}\n"));
    }
    let ours: Vec<_> =
        values.iter().enumerate().map(|(number, value)| format!("V{number}={value}")).collect();
    assert_eq!(
        on_base(dir.path(), json!({ "Env": ours }))["Env"],
        built_by_buildah(dir.path(), &instructions)["Env"]
    );
}

/// buildah runs the base's triggers and does not pass them on. This program cannot run them, and
/// does not pass them on either.
#[test]
fn triggers_are_for_one_generation() {
    let dir = TempDir::new().unwrap();
    write_unchecked(dir.path(), "base", json!({ "OnBuild": ["ENV TRIGGERED=1"] }));
    let theirs = built_by_buildah(dir.path(), "FROM oci:base:latest\nLABEL a=b\n");
    assert!(theirs["Env"].as_array().unwrap().contains(&json!("TRIGGERED=1")), "{theirs}");
    let none = |config: &Value| config["OnBuild"].as_array().is_none_or(Vec::is_empty);
    assert!(none(&theirs), "{theirs}");
    assert!(none(&on_base(dir.path(), json!({}))));

    let base = ImageLayout::open(dir.path().join("base")).unwrap().image(None, None).unwrap();
    let child = dir.path().join("child");
    let layer =
        layer_tar([FileMapping::text("x", "/x")], LayerOptions::default().store(&child)).unwrap();
    let config = image_config([&layer], ConfigOptions::default().base(base)).unwrap();
    let image = image_manifest(config, [layer], Value::Null).unwrap();
    image_layout(&child, [image.tagged("latest")], Value::Null).unwrap();
    let grandchild = built_by_buildah(dir.path(), "FROM oci:child:latest\nLABEL a=b\n");
    assert!(!grandchild["Env"].to_string().contains("TRIGGERED"), "{grandchild}");
}

/// On this machine, podman accepts images for other names of its platform.
#[test]
fn an_image_for_another_name_of_the_platform_runs() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("image");
    let images = ["linux/x86_64", "linux/aarch64", "linux/armhf"].map(|platform| {
        let layer = layer_tar(
            [FileMapping::new(busybox(), "/bin/true")],
            LayerOptions::default().store(&layout),
        )
        .unwrap();
        let run = json!({ "config": { "Cmd": ["/bin/true"], "Env": [format!("FOR={platform}")] } });
        let config =
            image_config([&layer], ConfigOptions::new(run).platform(platform.parse().unwrap()))
                .unwrap();
        image_manifest(config, [layer], Value::Null).unwrap().tagged("latest")
    });
    image_layout(&layout, images, Value::Null).unwrap();
    for (arguments, platform) in [
        (vec!["--arch=arm64"], "linux/aarch64"),
        (vec!["--arch=arm", "--variant=v7"], "linux/armhf"),
        (vec![], "linux/x86_64"),
    ] {
        let containers = Containers::new(dir.path());
        let pull = [vec!["pull", "--quiet"], arguments, vec!["oci:image:latest"]].concat();
        let id = containers.podman(pull);
        let said =
            containers.podman(["image", "inspect", "--format", "{{.Config.Env}}", id.trim()]);
        assert!(said.contains(&format!("FOR={platform}")), "{said}");
    }
}

/// Layouts and archives of current tools have no errors. A missing media type is a warning.
#[test]
fn layouts_of_other_tools_have_no_errors() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let containers = Containers::new(dir.path());
    write_unchecked(dir.path(), "base", json!({ "Env": ["PATH=/bin"] }));
    skopeo([
        "copy",
        "--quiet",
        &format!("oci:{}:latest", path("base")),
        &format!("oci:{}:latest", path("skopeo")),
    ]);
    skopeo([
        "copy",
        "--quiet",
        &format!("oci:{}:latest", path("base")),
        &format!("oci-archive:{}", path("skopeo.tar")),
    ]);
    let id = containers.podman(["pull", "--quiet", "oci:base:latest"]);
    containers.podman(["save", "--quiet", "--format", "oci-dir", "--output", "podman", id.trim()]);
    containers.podman([
        "save",
        "--quiet",
        "--format",
        "oci-archive",
        "--output",
        "podman.tar",
        id.trim(),
    ]);
    let name = containers.buildah(["from", "--quiet", "oci:base:latest"]);
    let config =
        ["config", "--port", "80-81/tcp", "--workingdir", "/w", "--volume", "/data", name.trim()];
    containers.buildah(config);
    containers.buildah([
        "commit",
        "--quiet",
        name.trim(),
        &format!("oci:{}:latest", path("buildah")),
    ]);
    containers.buildah([
        "commit",
        "--quiet",
        name.trim(),
        &format!("oci-archive:{}", path("buildah.tar")),
    ]);
    umoci(["init", "--layout", &path("umoci")]);
    umoci(["new", "--image", &format!("{}:latest", path("umoci"))]);
    umoci(["config", "--image", &format!("{}:latest", path("umoci")), "--config.workingdir", "/w"]);
    // crane makes images from nothing but layers, without a platform.
    let registry = Registry::start();
    let there = format!("{}/a/made:1", registry.address);
    let layer =
        layer_tar([FileMapping::text("x", "/x")], LayerOptions::default().store(path("store")))
            .unwrap();
    decompress(&layer, &dir.path().join("layer.tar"));
    crane(["append", "--insecure", "--new_layer", &path("layer.tar"), "--new_tag", &there]);
    crane(["pull", "--insecure", "--format", "oci", &there, &path("crane")]);
    for name in
        ["crane", "skopeo", "skopeo.tar", "podman", "podman.tar", "buildah", "buildah.tar", "umoci"]
    {
        let findings = verify(path(name), &VerifyOptions::default()).unwrap();
        let errors: Vec<_> =
            findings.iter().filter(|finding| finding.severity() == Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}
