//! `copy`: skopeo and docker transfer an image without changing it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use oci_layout::image_layout;
use serde_json::json;
use tempfile::TempDir;

use crate::common::docker::{Docker, VERSIONS, Version};
use crate::common::hello::{busybox, hello};
use crate::common::tool::{Containers, Registry, crane, run};
use crate::tools::export::{COMPRESSIONS, Exported, podman_names};

/// The output of the program, in this folder and in the environment of this command.
#[track_caller]
fn copy(folder: &Path, args: &[&str], environment: Command) -> String {
    let output = try_copy(folder, args, environment);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn try_copy(folder: &Path, args: &[&str], mut environment: Command) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    let path =
        environment.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.arg("copy").args(args).current_dir(folder).env_clear().envs(path).stdin(Stdio::null());
    // The folder of the key for recipes.
    command.env("XDG_STATE_HOME", folder);
    command.output().unwrap()
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
        let said =
            copy(folder, &["app:1.0", &format!("docker://{there}")], containers.tool("skopeo"));
        assert_eq!(said, format!("{}/a/app@{digest}\n", registry.address));
        assert_eq!(crane(["digest", "--insecure", &there]).trim(), digest.to_string());

        let said =
            copy(folder, &["app:2.0", "--to", "containers-storage"], containers.tool("skopeo"));
        assert_eq!(said, format!("{}\n", Exported::NAMES[1]));
        assert_eq!(podman_names(&containers), [Exported::NAMES[1]]);
        let inspected =
            containers.podman(["image", "inspect", "--format", "{{.Digest}}", Exported::NAMES[1]]);
        assert_eq!(inspected.trim(), digest.to_string());
        assert_eq!(
            containers.podman(["run", "--rm", "--pull=never", Exported::NAMES[1]]),
            exported.text
        );
    }
}

#[test]
fn to_docker() {
    for version in VERSIONS {
        let exported = Exported::new(oci_layout::Compression::GZIP);
        let docker = Docker::start(version);
        let said = copy(
            exported.dir.path(),
            &["app:1.0", "docker-daemon:other:3.0"],
            docker.tool([""; 0]),
        );
        assert_eq!(said, "other:3.0\n");
        assert_eq!(
            docker.docker(["image", "list", "--format", "{{.Repository}}:{{.Tag}}"]),
            "other:3.0\n",
            "{docker}"
        );
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
    let images = ["linux/arm64", "linux/amd64"]
        .map(|platform| hello(&layout, platform, platform).tagged("me/app:1"));
    let digest =
        image_layout(&layout, images, json!({})).unwrap().index().unwrap().manifests[0].digest;
    let (registry, containers) = (Registry::start(), Containers::new(dir.path()));
    let there = format!("{}/a/app:v1", registry.address);
    copy(dir.path(), &["app", &format!("docker://{there}")], containers.tool("skopeo"));
    assert_eq!(crane(["digest", "--insecure", &there]).trim(), digest.to_string());
    copy(dir.path(), &["app", "--to", "containers-storage"], containers.tool("skopeo"));
    assert_eq!(containers.podman(["run", "--rm", "--pull=never", "me/app:1"]), "linux/amd64");
}

#[test]
fn copying_a_sparse_layout_makes_the_missing_layers() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path();
    for source in ["busybox", "archived"] {
        std::fs::copy(busybox(), folder.join(source)).unwrap();
    }
    let mut build = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    build.args([
        "build",
        "-f",
        "busybox:/bin/busybox",
        "-f",
        "archived:/other",
        "--tag",
        "me/app:1",
        "--sparse",
        "-o",
        "app",
    ]);
    build
        .args(["--entrypoint", "/bin/busybox", "--cmd", "echo", "--cmd", "made"])
        .current_dir(folder);
    build.env("XDG_STATE_HOME", folder);
    let digest = run(&mut build).trim().to_owned();

    let containers = Containers::new(folder);
    copy(folder, &["app", "--to", "containers-storage"], containers.tool("skopeo"));
    assert_eq!(
        containers.podman(["image", "inspect", "--format", "{{.Digest}}", "me/app:1"]).trim(),
        digest
    );
    assert_eq!(containers.podman(["run", "--rm", "--pull=never", "me/app:1"]), "made\n");
    for destination in ["dir:a-dir", "oci:a-layout:1", "oci-archive:archive.tar:1"] {
        copy(folder, &["app", destination], containers.tool("skopeo"));
        let inspect = ["inspect", "--format", "{{.Digest}}", destination].map(str::to_owned);
        let said = run(containers.tool("skopeo").arg("--insecure-policy").args(inspect));
        assert_eq!(said.trim(), digest, "{destination}");
    }
    // The format differs, and so does the digest.
    copy(folder, &["app", "docker-archive:docker.tar:me/other:2"], containers.tool("skopeo"));
    containers.podman(["load", "--quiet", "--input", "docker.tar"]);
    assert_eq!(containers.podman(["run", "--rm", "--pull=never", "me/other:2"]), "made\n");

    let (registry, other) = (Registry::start(), Registry::start());
    let there =
        |registry: &Registry, tag: &str| format!("docker://{}/a/app:{tag}", registry.address);
    copy(folder, &["app", &there(&registry, "1")], containers.tool("skopeo"));
    std::fs::write(folder.join("archived"), "changed").unwrap();
    copy(folder, &["app", &there(&registry, "2")], containers.tool("skopeo"));
    for tag in [1, 2] {
        let there = format!("{}/a/app:{tag}", registry.address);
        assert_eq!(crane(["digest", "--insecure", &there]).trim(), digest);
        crane(["validate", "--insecure", "--remote", &there]);
    }
    let output = try_copy(folder, &["app", &there(&other, "1")], containers.tool("skopeo"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()), "{said}");
    assert!(
        said.contains("oci-layout: error: ")
            && said.contains("archived\" changed since it was described"),
        "{said}"
    );
    assert_eq!(crane(["catalog", "--insecure", &other.address]), "");
}
