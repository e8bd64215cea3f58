//! Images with services, and containers of them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use oci_layout::{
    Blob, FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar, nix,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    hello::busybox,
    tool::{Containers, INSTALLED},
};

/// How long a test waits for what must happen. A loaded machine may need much of it.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let dir = TempDir::new().unwrap();
        let packages = packages(dir.path());
        let out = dir.path().join("out");
        let attributes = json!({
            "outputs": { "out": out },
            "path": [packages],
            "services": services,
        });
        nix::services(&nix::Attributes::from_value(attributes).unwrap()).unwrap();

        let layout = dir.path().join("image");
        let same = |path: &Path| FileMapping::new(path, path);
        let files = base().into_iter().chain([same(&packages), same(&out)]).chain(files);
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
        let run = ["run", "--detach", "--quiet"].iter().chain(options).chain(&["oci:image:latest"]);
        let id = self.containers.podman(run).trim().to_owned();
        Container { containers: &self.containers, id }
    }
}

/// A container that runs. It is removed when the value is dropped.
pub struct Container<'a> {
    containers: &'a Containers,
    id: String,
}

impl Container<'_> {
    /// Runs a script in the container, which must succeed, and returns its output.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.containers.podman(["exec", &self.id, "/bin/sh", "-c", script])
    }

    /// What the container wrote so far.
    pub fn logs(&self) -> String {
        let output = self.tool(["logs", &self.id]).output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        said.concat()
    }

    /// Waits until the container has written this line.
    #[track_caller]
    pub fn wait_for(&self, line: &str) {
        self.wait_until(line, || self.logs().lines().any(|written| written == line));
    }

    /// Waits until this is true, which the message describes.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_true: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_true() {
            assert!(start.elapsed() < PATIENCE, "waited for {what:?}:\n{}", self.logs());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the container has ended, and returns its exit code.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        self.containers.podman(["wait", &self.id]).trim().parse().unwrap()
    }

    /// Stops the container, and returns its exit code and how long that took.
    #[track_caller]
    pub fn stop(&self) -> (i32, Duration) {
        let start = Instant::now();
        self.containers.podman(["stop", "--time", "60", &self.id]);
        (self.wait(), start.elapsed())
    }

    /// podman with these arguments, and the container's name at the end of them.
    #[track_caller]
    pub fn podman(&self, arguments: &[&str]) -> String {
        self.containers.podman(arguments.iter().chain([&self.id.as_str()]))
    }

    fn tool<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut podman = self.containers.tool("podman");
        podman.args(arguments).stdin(Stdio::null());
        podman
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.tool(["rm", "--force", "--time", "0", &self.id]).output();
    }
}

/// Links to the programs of s6, execline and busybox, where Debian has them in the image.
fn packages(dir: &Path) -> PathBuf {
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
        for program in fs::read_dir(installed().join(place)).unwrap() {
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

/// Where `tests/install-tools` unpacks s6.
fn installed() -> PathBuf {
    Path::new(INSTALLED).join("s6")
}

/// The files of s6, execline, their libraries and busybox.
fn base() -> Vec<FileMapping> {
    let root = installed();
    let mut files = vec![
        FileMapping::new(busybox(), "/bin/busybox"),
        FileMapping::new(root.join("usr/bin"), "/usr/bin"),
        FileMapping::new(root.join("usr/lib/execline"), "/usr/lib/execline"),
        FileMapping::text("root:x:0:0::/root:/bin/sh\n", "/etc/passwd"),
    ];
    let needed = ["libs6.", "libskarnet.", "libexecline.", "libc.", "ld-"];
    for place in walkdir::WalkDir::new(&root) {
        let place = place.unwrap();
        let name = place.file_name().to_str().unwrap();
        if !place.file_type().is_dir() && needed.iter().any(|start| name.starts_with(start)) {
            let inside = Path::new("/").join(place.path().strip_prefix(&root).unwrap());
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
    layer_tar(base(), LayerOptions::default().store(dir.path())).unwrap().descriptor().size
}
