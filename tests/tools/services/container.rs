//! Images with services, and containers of them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use oci_layout::{
    Blob, FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar, nix,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    container::Container,
    hello::busybox,
    tool::{Containers, INSTALLED},
};

/// An image with services, and podman with a storage of its own.
pub struct Services {
    /// For volumes.
    pub dir: TempDir,
    containers: Containers,
}

/// A command that runs this script of a shell.
pub fn sh(script: &str) -> Value {
    json!(["/bin/sh", "-c", script])
}

impl Services {
    /// An image of these services, in this order. Names and defaults need not be written.
    #[track_caller]
    pub fn new(services: Value) -> Self {
        Self::with_files(services, [])
    }

    /// The same, with more files.
    #[track_caller]
    pub fn with_files(services: Value, files: impl IntoIterator<Item = FileMapping>) -> Self {
        Self::on("s6", services, files)
    }

    /// The same with the newer of two versions of s6.
    #[track_caller]
    pub fn with_newer_s6(services: Value) -> Self {
        // Debian's libc is there since the file systems were merged.
        Self::on("s6-newer", services, [FileMapping::symlink("usr/lib64", "/lib64")])
    }

    /// On a root file system that `tests/install-tools` unpacks.
    #[track_caller]
    fn on(root: &str, services: Value, files: impl IntoIterator<Item = FileMapping>) -> Self {
        let root = Path::new(INSTALLED).join(root);
        let dir = TempDir::new().unwrap();
        let packages = packages(&root, dir.path());
        let out = dir.path().join("out");
        let attributes = json!({
            "outputs": { "out": out },
            "path": [packages],
            "services": services,
        });
        nix::services(&nix::Attributes::from_value(attributes).unwrap()).unwrap();

        let layout = dir.path().join("image");
        let same = |path: &Path| FileMapping::new(path, path);
        let files = base(&root).into_iter().chain([same(&packages), same(&out)]).chain(files);
        let layer = layer_tar(files, LayerOptions::default().store(&layout)).unwrap();
        let config = json!({ "config": {
            "Entrypoint": [out.join("bin/start-services")],
            "Env": ["PATH=/bin", "CONTAINER=its own"],
        }});
        let config = image_config([&layer], config).unwrap();
        let image = image_manifest(config, [layer], json!({})).unwrap();
        image_layout(&layout, [image.tagged("latest")], json!({})).unwrap();
        let containers = Containers::new(dir.path());
        Self { dir, containers }
    }

    /// Runs a container until it ends. The output is what it wrote.
    #[track_caller]
    pub fn run(&self, options: &[&str]) -> (Option<i32>, String) {
        let mut podman = self.containers.tool("podman");
        podman.args(["run", "--rm", "--quiet"]).args(options).arg("oci:image:latest");
        let Output { status, stdout, stderr } =
            podman.stdin(Stdio::null()).output().expect("tests/run installs podman");
        let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (status.code(), said.concat())
    }

    /// Starts a container.
    #[track_caller]
    pub fn start(&self, options: &[&str]) -> Container<'_> {
        Container::start(&self.containers, options, "oci:image:latest")
    }
}

/// Links to the programs of s6, execline and busybox, where Debian has them in the image.
fn packages(root: &Path, dir: &Path) -> PathBuf {
    let packages = dir.join("packages");
    let bin = packages.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let link = |target: PathBuf| {
        let link = bin.join(target.file_name().unwrap());
        // execlineb is in two places.
        if link.symlink_metadata().is_err() {
            symlink(target, link).unwrap();
        }
    };
    for place in ["usr/bin", "usr/lib/execline/bin"] {
        for program in fs::read_dir(root.join(place)).unwrap() {
            link(Path::new("/").join(place).join(program.unwrap().file_name()));
        }
    }
    applets().iter().for_each(|name| link(Path::new("/bin").join(name)));
    packages
}

fn applets() -> Vec<String> {
    let listed = Command::new(busybox()).arg("--list").output().unwrap();
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The files of s6, execline, their libraries and busybox.
fn base(root: &Path) -> Vec<FileMapping> {
    let mut files = vec![
        FileMapping::new(busybox(), "/bin/busybox"),
        FileMapping::new(root.join("usr/bin"), "/usr/bin"),
        FileMapping::new(root.join("usr/lib/execline"), "/usr/lib/execline"),
        FileMapping::text("root:x:0:0::/root:/bin/sh\n", "/etc/passwd"),
    ];
    let needed = ["libs6.", "libskarnet.", "libexecline.", "libc.", "ld-", "s6-ftrigrd"];
    for place in walkdir::WalkDir::new(root) {
        let place = place.unwrap();
        let name = place.file_name().to_str().unwrap();
        if !place.file_type().is_dir() && needed.iter().any(|start| name.starts_with(start)) {
            let inside = Path::new("/").join(place.path().strip_prefix(root).unwrap());
            files.push(FileMapping::new(place.path(), inside));
        }
    }
    let links = applets().into_iter().filter(|name| name != "busybox");
    files.extend(links.map(|name| FileMapping::symlink("busybox", format!("/bin/{name}"))));
    files
}

/// The compressed size of an image without a service.
pub fn compressed_size() -> u64 {
    let dir = TempDir::new().unwrap();
    layer_tar(base(&Path::new(INSTALLED).join("s6")), LayerOptions::default().store(dir.path()))
        .unwrap()
        .descriptor()
        .size
}
