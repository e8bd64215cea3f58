//! A layer above a real root file system, compared with `buildah copy`.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use oci_layout::{
    FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::common::tool::{Containers, INSTALLED};

/// Destinations below `/bin`, `/sbin`, `/lib64`, `/var/run` and `/var/lock`, which are links, and
/// in directories with special modes.
const DESTINATIONS: [&str; 11] = [
    "/bin/app",
    "/sbin/",
    "/lib64/app.so",
    "/var/run/app.pid",
    "/var/lock/new/lock",
    "/tmp/left",
    "/root/.config/app",
    "/var/mail/",
    "/etc/alternatives/app",
    "/opt/app/bin/app",
    "/usr/local/man/app",
];

#[test]
fn a_layer_on_debian_matches_buildah_copy() {
    let dir = TempDir::new().unwrap();
    let (base, app) = (dir.path().join("base"), dir.path().join("app"));
    fs::write(&app, "#!/bin/sh\necho above\n").unwrap();
    fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).unwrap();
    let root = FileMapping::tar(Path::new(INSTALLED).join("debian.tar"), "/");
    let root = layer_tar(
        [root],
        LayerOptions::from("none".parse::<oci_layout::Compression>().unwrap()).store(&base),
    );
    let root = root.unwrap();
    let config = image_config([&root], json!({})).unwrap();
    let image = image_manifest(config, [root], json!({})).unwrap();
    image_layout(&base, [image.tagged("latest")], json!({})).unwrap();

    let mut build = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    build
        .args(["build", "--base", "base", "--tag", "latest", "--cache", "cache", "-o", "built"])
        .current_dir(dir.path());
    build.args(
        DESTINATIONS.iter().flat_map(|destination| ["-f".to_owned(), format!("app:{destination}")]),
    );
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let containers = Containers::new(dir.path());
    let ours = containers.buildah(["from", "--quiet", "oci:built:latest"]);
    let theirs = containers.buildah(["from", "--quiet", "oci:base:latest"]);
    for destination in DESTINATIONS {
        containers.buildah(["copy", "--quiet", theirs.trim(), "app", destination]);
    }
    let [ours, theirs] =
        [&ours, &theirs].map(|name| files(containers.buildah(["mount", name.trim()]).trim()));
    assert!(ours.len() > 5000, "{} files", ours.len());
    let different = ours.iter().filter(|(path, file)| theirs.get(*path) != Some(file));
    assert_eq!(different.collect::<Vec<_>>(), []);
    assert_eq!(
        theirs.keys().filter(|path| !ours.contains_key(*path)).collect::<Vec<_>>(),
        [] as [&PathBuf; 0]
    );

    // A program of the base runs one that was added through a link.
    assert_eq!(containers.podman(["run", "--rm", "oci:built:latest", "/bin/app"]), "above\n");
}

/// The type, mode, owner, size and target of everything in a root. Times are omitted, because
/// buildah sets its own.
fn files(root: &str) -> BTreeMap<PathBuf, String> {
    let file = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(root).unwrap().to_owned();
        let stat = entry.path().symlink_metadata().unwrap();
        let size = if stat.is_file() { stat.len() } else { 0 };
        let target = fs::read_link(entry.path()).unwrap_or_default();
        (
            path,
            format!("{:o} {}:{} {size} {}", stat.mode(), stat.uid(), stat.gid(), target.display()),
        )
    };
    WalkDir::new(root).min_depth(1).into_iter().map(|entry| file(entry.unwrap())).collect()
}
