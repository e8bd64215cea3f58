//! `copy`: handed to skopeo and docker, an image is everywhere what it was.

use std::path::Path;
use std::process::{Command, Stdio};

use oci_layout::image_layout;
use serde_json::json;
use tempfile::TempDir;

use crate::docker::{Docker, VERSIONS, Version};
use crate::export::{COMPRESSIONS, Exported, podman_names};
use crate::hello::hello;
use crate::tool::{Containers, Registry, crane};

/// What the program prints, in this folder and with what this command has in its environment.
#[track_caller]
fn copy(folder: &Path, args: &[&str], mut environment: Command) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    let path = environment.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.arg("copy").args(args).current_dir(folder).env_clear().envs(path).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn to_registries_and_podman() {
    for (compression, registry) in
        COMPRESSIONS.into_iter().zip([Registry::start(), Registry::start(), Registry::of_crane()])
    {
        let exported = Exported::new(compression);
        let (folder, digest) = (exported.dir.path(), exported.image.digest());
        let containers = Containers::new(folder);
        let there = format!("{}/a/app:v1", registry.address);
        let said = copy(folder, &["app:1.0", &format!("docker://{there}")], containers.tool("skopeo"));
        assert_eq!(said, format!("{}/a/app@{digest}\n", registry.address));
        assert_eq!(crane(["digest", "--insecure", &there]).trim(), digest.to_string());

        let said = copy(folder, &["app:2.0", "--to", "containers-storage"], containers.tool("skopeo"));
        assert_eq!(said, format!("{}\n", Exported::NAMES[1]));
        assert_eq!(podman_names(&containers), [Exported::NAMES[1]]);
        let inspected = containers.podman(["image", "inspect", "--format", "{{.Digest}}", Exported::NAMES[1]]);
        assert_eq!(inspected.trim(), digest.to_string());
        assert_eq!(containers.podman(["run", "--rm", "--pull=never", Exported::NAMES[1]]), exported.text);
    }
}

#[test]
fn to_docker() {
    for version in VERSIONS {
        let exported = Exported::new(oci_layout::Compression::GZIP);
        let docker = Docker::start(version);
        let said = copy(exported.dir.path(), &["app:1.0", "docker-daemon:other:3.0"], docker.tool([""; 0]));
        assert_eq!(said, "other:3.0\n");
        assert_eq!(docker.docker(["image", "list", "--format", "{{.Repository}}:{{.Tag}}"]), "other:3.0\n", "{docker}");
        assert_eq!(docker.run("other:3.0", &[]), exported.text, "{docker}");
        if version == Version::WithContainerd {
            let id = docker.docker(["image", "inspect", "--format", "{{.Id}}", "other:3.0"]);
            assert_eq!(id.trim(), exported.image.digest().to_string());
        }
    }
}

#[test]
fn an_image_for_several_platforms() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("app");
    let images = ["linux/arm64", "linux/amd64"].map(|platform| hello(&layout, platform, platform).tagged("me/app:1"));
    let digest = image_layout(&layout, images, json!({})).unwrap().index().manifests[0].digest;
    let (registry, containers) = (Registry::start(), Containers::new(dir.path()));
    let there = format!("{}/a/app:v1", registry.address);
    copy(dir.path(), &["app", &format!("docker://{there}")], containers.tool("skopeo"));
    assert_eq!(crane(["digest", "--insecure", &there]).trim(), digest.to_string());
    copy(dir.path(), &["app", "--to", "containers-storage"], containers.tool("skopeo"));
    assert_eq!(containers.podman(["run", "--rm", "--pull=never", "me/app:1"]), "linux/amd64");
}
