//! Images that other programs pushed are pulled unchanged, and other programs use the pulled
//! layouts.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use oci_layout::registry::Client;
use oci_layout::{
    Blob, Compression, FileMapping, Image, ImageLayout, LayerOptions, LayoutOptions, Pool,
    document::Platform,
    image_config, image_layout, image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::hello::hello;
use crate::common::tool::{Containers, Registry, crane, run, skopeo, tool, umoci};
use crate::tools::sample::{Sample, for_each_compression};
use crate::tools::transport::{assert_same_blobs, blobs};

for_each_compression! { an_image_that_crane_pushed, an_image_that_skopeo_pushed }

fn an_image_that_crane_pushed(compression: Compression) {
    for registry in [Registry::start(), Registry::of_crane()] {
        let sample = Sample::new(compression);
        let reference = format!("{}/a/sample:latest", registry.address);
        crane(["push", "--insecure", sample.layout().to_str().unwrap(), &reference]);
        let pulled = sample.folder().join("pulled");
        let layout = pull(&reference, None, &pulled);
        assert_eq!(
            layout.index().unwrap().manifests[0].digest.to_string(),
            crane(["digest", "--insecure", &reference]).trim()
        );
        assert_same_blobs(&sample.layout(), &pulled);

        let manifest = Client::default().manifest(&reference.parse().unwrap(), None).unwrap();
        assert_eq!(manifest.bytes(), crane(["manifest", "--insecure", &reference]).as_bytes());
        let config = Client::default()
            .blob(&reference.parse().unwrap(), sample.config.descriptor())
            .unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut config.open().unwrap(), &mut bytes).unwrap();
        assert_eq!(bytes, crane(["config", "--insecure", &reference]).as_bytes());

        // It is pushed again unchanged.
        let again = format!("{}/a/again:latest", registry.address);
        crane(["push", "--insecure", pulled.to_str().unwrap(), &again]);
        assert_eq!(crane(["digest", "--insecure", &again]).trim(), sample.digest.to_string());
    }
}

fn an_image_that_skopeo_pushed(compression: Compression) {
    let (registry, sample) = (Registry::start(), Sample::new(compression));
    let reference = format!("{}/a/sample:latest", registry.address);
    let layout = |path: &Path| format!("oci:{}:latest", path.display());
    let (here, there) = (layout(&sample.layout()), format!("docker://{reference}"));
    skopeo(["copy", "--preserve-digests", "--dest-tls-verify=false", &here, &there]);
    let pulled = sample.folder().join("pulled");
    pull(&format!("{reference}@{}", sample.digest), Some("linux/amd64"), &pulled);
    assert_eq!(
        skopeo(["inspect", "--format", "{{.Digest}}", &layout(&pulled)]).trim(),
        sample.digest.to_string()
    );
    umoci([
        "unpack",
        "--image",
        &format!("{}:latest", pulled.display()),
        sample.folder().join("b").to_str().unwrap(),
    ]);
}

/// Docker's format has other media types and the same bytes. podman and skopeo expect OCI media
/// types in a layout. crane accepts both, and the image can be a base like any other.
#[test]
fn an_image_in_dockers_format() {
    let (registry, sample) = (Registry::start(), Sample::new(Compression::GZIP));
    let reference = format!("{}/a/sample:docker", registry.address);
    let here = format!("oci:{}:latest", sample.layout().display());
    skopeo([
        "copy",
        "--format",
        "v2s2",
        "--dest-tls-verify=false",
        &here,
        &format!("docker://{reference}"),
    ]);
    let pulled = sample.folder().join("pulled");
    let layout = pull(&reference, None, &pulled);
    assert_eq!(
        layout.index().unwrap().manifests[0].digest.to_string(),
        crane(["digest", "--insecure", &reference]).trim()
    );
    assert!(layout.index().unwrap().manifests[0].media_type.as_str().contains("docker"));
    let diff_ids: Vec<_> =
        layout.image(Some("docker"), None).unwrap().configuration().rootfs.diff_ids.clone();
    assert_eq!(diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>(), sample.diff_ids());
    let again = format!("{}/a/again:docker", registry.address);
    crane(["push", "--insecure", pulled.to_str().unwrap(), &again]);
    assert_eq!(
        crane(["digest", "--insecure", &again]),
        crane(["digest", "--insecure", &reference])
    );
}

#[test]
fn an_image_for_two_platforms() {
    let (registry, dir) = (Registry::start(), TempDir::new().unwrap());
    let platforms = ["linux/amd64", "linux/arm64"];
    let images = platforms.map(|platform| {
        let layer =
            layer_tar([FileMapping::text(platform, "/platform")], LayerOptions::default()).unwrap();
        let Platform { os, architecture, .. } = platform.parse().unwrap();
        let config =
            image_config([&layer], json!({ "os": os, "architecture": architecture })).unwrap();
        image_manifest(config, [layer], Value::Null).unwrap().tagged("latest")
    });
    let made = dir.path().join("made");
    image_layout(&made, images, LayoutOptions::default()).unwrap();
    let reference = format!("{}/a/two:latest", registry.address);
    crane(["push", "--insecure", made.to_str().unwrap(), &reference]);

    let whole = dir.path().join("whole");
    let layout = pull(&reference, None, &whole);
    assert_eq!(
        layout.index().unwrap().manifests[0].digest.to_string(),
        crane(["digest", "--insecure", &reference]).trim()
    );
    assert_same_blobs(&made, &whole);
    for platform in platforms {
        let one = dir.path().join(platform.replace('/', "-"));
        let layout = pull(&reference, Some(platform), &one);
        let expected = crane(["digest", "--insecure", "--platform", platform, &reference]);
        assert_eq!(layout.index().unwrap().manifests[0].digest.to_string(), expected.trim());
        assert_eq!(blobs(&one).len(), 3);
        let inspected = skopeo(["inspect", "--config", &format!("oci:{}:latest", one.display())]);
        let config: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(
            format!("{}/{}", config["os"], config["architecture"]).replace('"', ""),
            platform
        );
    }
}

/// Typical use of the program: from a registry to a container.
#[test]
fn a_pulled_image_runs() {
    let (registry, dir) = (Registry::start(), TempDir::new().unwrap());
    let made = dir.path().join("made");
    let hello = hello(&made, "from a registry\n", "linux/amd64");
    image_layout(&made, [hello.tagged("v1")], LayoutOptions::default()).unwrap();
    let reference = format!("{}/a/hello:v1", registry.address);
    crane(["push", "--insecure", made.to_str().unwrap(), &reference]);
    let output = program(&["pull", &reference, "-o", "pulled"], dir.path(), |_| {});
    assert!(output.status.success(), "{output:?}");
    let digest = String::from_utf8(output.stdout).unwrap();
    assert_eq!(digest, crane(["digest", "--insecure", &reference]));
    let note = format!("to pin this image, use {reference}@{digest}");
    assert!(String::from_utf8(output.stderr).unwrap().ends_with(&note), "{note}");
    let printed = program(&["pull", "--manifest", &reference], dir.path(), |_| {});
    assert_eq!(printed.stdout, crane(["manifest", "--insecure", &reference]).as_bytes());
    let said = Containers::new(dir.path()).podman(["run", "--rm", "--quiet", "oci:pulled:v1"]);
    assert_eq!(said, "from a registry\n");
}

/// The trusted certificates are those that the environment names, or else the program's own, which
/// do not include this registry's.
#[test]
fn a_registry_with_tls() {
    let (registry, sample) = (Registry::with_tls(), Sample::new(Compression::GZIP));
    let reference = format!("{}/a/sample:latest", registry.address);
    let layout = sample.layout();
    let mut push = tool("crane");
    run(push
        .args(["push", layout.to_str().unwrap(), &reference])
        .env("SSL_CERT_FILE", registry.certificate()));
    for (number, variable) in ["SSL_CERT_FILE", "NIX_SSL_CERT_FILE"].into_iter().enumerate() {
        let pulled = sample.folder().join(number.to_string());
        let output =
            program(&["pull", &reference, "-o", &number.to_string()], sample.folder(), |command| {
                command.env(variable, registry.certificate());
            });
        assert!(output.status.success(), "{variable}: {output:?}");
        assert_sound(&pulled);
        assert_same_blobs(&layout, &pulled);
    }
    for file in ["/nonexistent", ""] {
        let output = program(&["pull", &reference, "-o", "none"], sample.folder(), |command| {
            command.env("SSL_CERT_FILE", file);
        });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("is not trusted (invalid peer certificate: UnknownIssuer)"),
            "{said}"
        );
        assert!(!sample.folder().join("none").exists());
    }
}

/// Pulls an image into a layout under its tag, and verifies the layout.
#[track_caller]
fn pull(reference: &str, platform: Option<&str>, dir: &Path) -> ImageLayout {
    let reference: oci_layout::registry::Reference = reference.parse().unwrap();
    let platform: Option<Platform> = platform.map(|platform| platform.parse().unwrap());
    let image = Client::default().image(&reference, platform.as_ref()).unwrap();
    let image = reference.tag.into_iter().fold(image, Image::tagged);
    let layout = image_layout(dir, [image], LayoutOptions::default().pool(&Pool::new(4))).unwrap();
    assert_sound(dir);
    layout
}

#[track_caller]
fn assert_sound(layout: &Path) {
    let findings = verify(layout, &VerifyOptions::default()).unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// The program, with only the environment that is set here.
pub fn program(args: &[&str], dir: &Path, environment: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    command.args(args).current_dir(dir).env_clear().stdin(Stdio::null());
    environment(&mut command);
    command.output().unwrap()
}
