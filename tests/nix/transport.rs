//! Programs that others wrote transfer the layouts without changing a byte or a digest.

use std::fs;
use std::path::{Path, PathBuf};

use oci_layout::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::common::tool::{Containerd, Registry, crane, oci_image_tool, skopeo, umoci};
use crate::nix::images::{built, podman};
use crate::nix::layout::Layout;

#[test]
fn the_ten_lines_run_and_are_pushed() {
    let (nix, layout) = built("seed");
    // The result of `nix-build` in the folder of a user whose store is physically at its logical
    // path.
    let result = Layout(nix.folder().join("result"));
    std::os::unix::fs::symlink(layout.path(), result.path()).unwrap();
    assert!(podman(&result, "").ends_with("/bin/nginx -g daemon off;\nfrom nginx\n"));
    let registry = Registry::start();
    let repository = format!("{}/the/seed", registry.address);
    let pushed =
        crane(["push", "--insecure", result.path().to_str().unwrap(), &format!("{repository}:v1")]);
    let digest = layout.image(None).digest;
    assert_eq!(pushed.trim(), format!("{repository}@{digest}"));
    crane(["validate", "--insecure", "--remote", pushed.trim()]);
}

#[test]
fn skopeo_copies_every_tag_there_and_back() {
    let (_nix, layout) = built("base");
    let registry = Registry::start();
    let back = TempDir::new().unwrap();
    let back = back.path().join("back");
    for tag in layout.tags() {
        let local = |path: &Path| format!("oci:{}:{tag}", path.display());
        let there = format!("docker://{}/a/base:{tag}", registry.address);
        skopeo([
            "copy",
            "--preserve-digests",
            "--dest-tls-verify=false",
            &local(layout.path()),
            &there,
        ]);
        let digest = skopeo(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &there]);
        assert_eq!(digest.trim(), layout.image(Some(&tag)).digest);
        skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &there, &local(&back)]);
    }
    assert_eq!(blobs(&back), blobs(layout.path()));
}

#[test]
fn an_image_for_two_platforms() {
    let (_nix, layout) = built("platforms");
    assert_eq!(podman(&layout, ""), "x86_64-linux\n");
    let index = layout.image(None).manifest();
    let platforms: Vec<&Value> =
        index["manifests"].as_array().unwrap().iter().map(|image| &image["platform"]).collect();
    let expected = ["amd64", "arm64"]
        .map(|architecture| json!({ "architecture": architecture, "os": "linux" }));
    assert_eq!(platforms, expected.iter().collect::<Vec<_>>());

    let registry = Registry::start();
    let reference = format!("{}/two/platforms:v1", registry.address);
    crane(["push", "--insecure", layout.path().to_str().unwrap(), &reference]);
    assert_eq!(crane(["digest", "--insecure", &reference]).trim(), layout.image(None).digest);
    for (platform, system) in [("linux/amd64", "x86_64-linux"), ("linux/arm64", "aarch64-linux")] {
        let config: Value = serde_json::from_str(&crane([
            "config",
            "--insecure",
            "--platform",
            platform,
            &reference,
        ]))
        .unwrap();
        assert_eq!(
            format!("{}/{}", config["os"], config["architecture"]).replace('"', ""),
            platform
        );
        let tar = TempDir::new().unwrap();
        let tar = tar.path().join("tar");
        crane(["export", "--insecure", "--platform", platform, &reference, tar.to_str().unwrap()]);
        let text = crate::common::tool::run(crate::common::tool::tool("tar").args([
            "-xOf",
            tar.to_str().unwrap(),
            "system",
        ]));
        assert_eq!(text, format!("{system}\n"));
    }
}

#[test]
fn spaces_and_odd_characters() {
    let (nix, layout) = built("names");
    let bundle = nix.folder().join("bundle");
    umoci([
        "unpack",
        "--image",
        &format!("{}:V1.0_x", layout.path().display()),
        bundle.to_str().unwrap(),
    ]);
    let root = bundle.join("rootfs");
    let read = |path: PathBuf| {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    };
    assert_eq!(read(root.join("$(touch x)")), "$out ${HOME} `id` \"\\ \n'");
    assert_eq!(read(root.join("to a/\"place\"/quote\"s and 'such'")), "1\n");
    assert_eq!(fs::read_link(root.join("link to")).unwrap(), Path::new("a target with 'spaces'"));
    let package = fs::read_dir(root.join("nix/store")).unwrap().next().unwrap().unwrap().path();
    for (name, content) in [
        ("with space/quote\"s and 'such'", "1\n"),
        ("back\\slash $HOME ${x} %s", "2\n"),
        ("-dash/-rf", "3\n"),
        ("new\nline", "4"),
        ("grün-日本語", "5\n"),
        ("*", "6\n"),
    ] {
        assert_eq!(read(package.join(name)), content);
    }
    assert!(!nix.folder().join("x").exists() && !root.join("x").exists());

    let config =
        skopeo(["inspect", "--config", &format!("oci:{}:V1.0_x", layout.path().display())]);
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(
        config["config"],
        json!({ "Env": ["A=b c \"d\" $E \n"], "Labels": { "a \"label\"": "ünï\\code" } })
    );
    assert_eq!(
        layout.image(None).manifest()["annotations"],
        json!({ "spaces in it": "new\nline" })
    );
    let images = Containerd::start().import(layout.path());
    assert_eq!(images, ["registry.example:5000/a__b/c.d-e:V1.0_x"]);
}

#[test]
fn umoci_and_oci_image_tool_take_an_image_of_many_layers() {
    let (nix, layout) = built("build-40");
    oci_image_tool([
        "validate",
        "--type",
        "image",
        "--ref",
        "name=1.0",
        layout.path().to_str().unwrap(),
    ]);
    let bundle = nix.folder().join("bundle");
    umoci([
        "unpack",
        "--image",
        &format!("{}:1.0", layout.path().display()),
        bundle.to_str().unwrap(),
    ]);
    assert_eq!(fs::read_to_string(bundle.join("rootfs/etc/relative")).unwrap(), "linked\n");
    assert_eq!(fs::read_dir(bundle.join("rootfs/nix/store")).unwrap().count(), 54);
}

/// The digests of all blobs, each checked against its file.
fn blobs(layout: &Path) -> Vec<String> {
    let walk = WalkDir::new(layout.join("blobs/sha256")).min_depth(1).sort_by_file_name();
    let digest = |path: &Path| {
        let digest = Digest::of(fs::read(path).unwrap()).hex();
        assert_eq!(path.file_name().unwrap(), &*digest);
        digest
    };
    walk.into_iter().map(|file| digest(file.unwrap().path())).collect()
}
