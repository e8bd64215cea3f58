//! Layouts with recipes in place of layers: all clients see them as complete layouts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use oci_layout::{
    Compression, Digest, FileMapping, ImageManifest, LayerOptions, LayoutOptions,
    document::Descriptor, image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::bytes;
use crate::common::docker::{Docker, Version};
use crate::common::hello::busybox;
use crate::common::tool::{Containers, Registry, crane, run, skopeo};
use crate::tools::export::COMPRESSIONS;
use crate::tools::pull::program;
use crate::tools::push::Counter;

/// Sources that tests change and remove, and layouts of their former contents.
pub struct Sources(TempDir);

impl Sources {
    /// `busybox`, incompressible `data` of this size, and `hello`.
    pub fn new(size: usize) -> Self {
        let sources = Self(TempDir::new().unwrap());
        fs::copy(busybox(), sources.path("busybox")).unwrap();
        let mut data = vec![0; size];
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut data).unwrap();
        fs::write(sources.path("data"), data).unwrap();
        fs::write(sources.path("hello"), "hello\n").unwrap();
        sources
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A layout of the current sources, with the tag 1.0: each source in a separate layer.
    pub fn build(&self, layout: &str, compression: Compression, is_sparse: bool) -> ImageManifest {
        let options = LayerOptions::from(compression).recipe(true);
        let layer = |(source, path)| {
            layer_tar([FileMapping::new(self.path(source), path)], options.clone()).unwrap()
        };
        let layers =
            [("busybox", "/bin/busybox"), ("data", "/data"), ("hello", "/hello")].map(layer);
        let config = json!({ "config": { "Entrypoint": ["/bin/busybox", "cat", "/hello"] } });
        let image =
            image_manifest(image_config(&layers, config).unwrap(), layers, Value::Null).unwrap();
        let options = LayoutOptions::default().sparse(is_sparse);
        image_layout(self.path(layout), [image.clone().tagged("1.0")], options).unwrap();
        image
    }

    /// Changes one byte in the last quarter of the data.
    pub fn change_data(&self) {
        let mut data = fs::read(self.path("data")).unwrap();
        let place = data.len() * 3 / 4;
        data[place] ^= 1;
        fs::write(self.path("data"), data).unwrap();
    }

    pub fn remove(&self, names: &[&str]) {
        names.iter().for_each(|name| fs::remove_file(self.path(name)).unwrap());
    }
}

/// `oci-layout serve`, which logs its requests. It ends when the value is dropped.
pub struct Served {
    pub address: String,
    log: Arc<Mutex<String>>,
    child: Child,
}

impl Served {
    pub fn new(folder: &Path, layouts: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command
            .args(["serve", "--verbose", "--trust-recipes"])
            .args(layouts)
            .current_dir(folder)
            .env_clear()
            .stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("http://").unwrap().to_owned();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, written) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        thread::spawn(move || {
            for line in stderr.lines() {
                written.lock().unwrap().extend([&*line.unwrap(), "\n"]);
            }
        });
        Self { address, log, child }
    }

    /// How often the bytes of a blob were requested. Checks that there was no error.
    #[track_caller]
    fn asked_for(&self, blob: &Descriptor) -> usize {
        let log = self.log();
        assert!(!log.contains("warning"), "{log}");
        let of_blob = |line: &&str| {
            line.contains(" GET ") && line.contains(&format!("/blobs/{} ", blob.digest))
        };
        log.lines().filter(of_blob).count()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A number in one of the system's files about the process.
    fn number(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_older_docker_pulls_and_runs() {
    docker_pulls_and_runs(Version::Older, Compression::GZIP);
}

#[test]
fn a_newer_docker_pulls_and_runs() {
    docker_pulls_and_runs(Version::Newer, Compression::GZIP);
}

#[test]
fn a_docker_with_containerd_pulls_and_runs() {
    docker_pulls_and_runs(Version::WithContainerd, Compression::ZSTD);
}

/// Of two images, one sparse and one complete, the common layers are pulled once.
#[track_caller]
fn docker_pulls_and_runs(version: Version, compression: Compression) {
    let sources = Sources::new(3 << 20);
    let sparse = sources.build("sparse", compression, true);
    fs::write(sources.path("hello"), "another\n").unwrap();
    let full = sources.build("full", compression, false);
    fs::write(sources.path("hello"), "hello\n").unwrap();
    let served = Served::new(sources.folder(), &["me/sparse=sparse", "full"]);
    let docker = Docker::start(version);
    for (name, image, said) in [("me/sparse", &sparse, "hello\n"), ("full", &full, "another\n")] {
        let reference = format!("{}/{name}:1.0", served.address);
        for _ in 0..2 {
            docker.docker(["pull", "--quiet", &reference]);
        }
        assert_eq!(docker.run(&reference, &[]), said, "{docker}");
        let digests =
            docker.docker(["image", "inspect", "--format", "{{.RepoDigests}}", &reference]);
        assert_eq!(
            digests.trim(),
            format!("[{}/{name}@{}]", served.address, image.digest()),
            "{docker}"
        );
    }
    for layer in sparse.layers().iter().chain([&full.layers()[2]]) {
        assert_eq!(served.asked_for(layer.descriptor()), 1, "{docker}: {}", layer.created_by());
    }
}

/// The maximum number of clients, and some usual ones, request the same blobs at the same moment.
#[test]
fn a_hundred_clients_pull_one_image() {
    const SIZE: usize = 24 << 20;
    let sources = Sources::new(SIZE);
    let image = sources.build("app", Compression::GZIP, true);
    let layers: Vec<_> = image
        .layers()
        .iter()
        .map(|layer| (layer.descriptor().digest, bytes(layer.as_ref())))
        .collect();
    let served = Served::new(sources.folder(), &["app"]);
    let reference = format!("{}/app:1.0", served.address);
    let before = served.number("io", "rchar:");
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                layers
                    .iter()
                    .for_each(|(digest, bytes)| assert_comes(&served.address, *digest, bytes))
            });
        }
        for n in 0..2 {
            let (reference, sources) = (&reference, &sources);
            scope.spawn(move || {
                let containers = Containers::new(sources.folder());
                containers.podman(["pull", "--quiet", "--tls-verify=false", reference]);
                assert_eq!(containers.podman(["run", "--rm", "--quiet", reference]), "hello\n");
            });
            let to = format!("dir:{}", sources.path(&format!("skopeo-{n}")).display());
            scope.spawn(move || {
                skopeo(["copy", "--src-tls-verify=false", &format!("docker://{reference}"), &to])
            });
            scope.spawn(move || crane(["validate", "--insecure", "--remote", reference]));
        }
    });
    // It reads the sources once for each build.
    let read = served.number("io", "rchar:") - before;
    assert!((SIZE as u64..8 * SIZE as u64).contains(&read), "{} makings", read / SIZE as u64);
    let memory = served.number("status", "VmHWM:") << 10;
    // Two builds of a blob have 16 MiB of it each, and every connection has some in transit.
    assert!(memory < 128 << 20, "{} MiB", memory >> 20);
}

/// The response consists of these bytes, none of which is kept.
#[track_caller]
fn assert_comes(address: &str, digest: Digest, mut bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    loop {
        let came = reader.fill_buf().unwrap();
        if came.is_empty() {
            break assert!(bytes.is_empty(), "{} bytes of {digest} are missing", bytes.len());
        }
        assert!(bytes.starts_with(came), "the bytes of {digest} differ");
        let count = came.len();
        bytes = &bytes[count..];
        reader.consume(count);
    }
}

/// A proxy counts the bytes. If the sources no longer exist, none is opened.
#[test]
fn a_push_makes_only_missing_layers() {
    for registry in [Registry::start(), Registry::of_crane()] {
        let sources = Sources::new(6 << 20);
        let first = sources.build("sparse", Compression::GZIP, true);
        assert_eq!(sources.build("full", Compression::GZIP, false).digest(), first.digest());
        let counter = Counter::before(&registry);
        let push = |layout: &str, name: &str, args: &[&str]| {
            let before = counter.bytes();
            let reference = format!("{}/{name}", counter.address);
            let output = program(
                &[&["push", layout, &reference, "--trust-recipes"], args].concat(),
                sources.folder(),
                |_| {},
            );
            assert!(output.status.success(), "{output:?}");
            counter.bytes() - before
        };
        let is_there = |name: &str, image: &ImageManifest| {
            let reference = format!("{}/{name}", registry.address);
            assert_eq!(
                crane(["digest", "--insecure", &reference]).trim(),
                image.digest().to_string()
            );
            crane(["validate", "--insecure", "--remote", &reference]);
        };
        assert!(push("sparse", "a/app:1", &[]) > 6 << 20);
        is_there("a/app:1", &first);

        fs::write(sources.path("hello"), "another\n").unwrap();
        let second = sources.build("second", Compression::GZIP, true);
        sources.remove(&["busybox", "data"]);
        let line = push("second", "a/app:2", &[]);
        assert!(line < 10_000, "{line} bytes for a line");
        is_there("a/app:2", &second);

        sources.remove(&["hello"]);
        let nothing = push("sparse", "a/app:1", &[]);
        assert!(nothing < 1_000, "{nothing} bytes for nothing");
        let tag = push("sparse", "a/app:3", &[]);
        assert!(tag < 3_000, "{tag} bytes for a tag");
        // In another repository, which shares its layers.
        let mounted = push("second", "b/app:2", &["--mount-from", "a/app"]);
        assert!(mounted < 10_000, "{mounted} bytes for what is in another repository");
        is_there("a/app:3", &first);
        is_there("b/app:2", &second);
    }
}

/// The same bytes as from a complete layout, without a temporary file.
#[test]
fn a_sparse_export_equals_a_full_one() {
    for (compression, format) in COMPRESSIONS
        .iter()
        .flat_map(|c| ["both", "oci-archive", "docker-archive"].map(|format| (*c, format)))
    {
        let sources = Sources::new(2 << 20);
        sources.build("full/app", compression, false);
        sources.build("sparse/app", compression, true);
        let export = |layout: &str| {
            // The shell's unit is 512 bytes.
            let mut command = Command::new("sh");
            command.args([
                "-c",
                r#"ulimit -f 8 && exec "$0" "$@""#,
                env!("CARGO_BIN_EXE_oci-layout"),
                "export",
                layout,
            ]);
            command
                .args(["--format", format, "--trust-recipes", "-o", "-"])
                .current_dir(sources.folder())
                .env_clear();
            let output = command.output().unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            output.stdout
        };
        let (full, sparse) = (export("full/app"), export("sparse/app"));
        assert!(full.len() > 2 << 20);
        assert!(full == sparse, "{compression}, {format}: the archives differ");
    }
}

/// A separate file system, with space for the recipes and not for the layers.
#[test]
fn a_full_disk_keeps_a_layout_sparse() {
    let sources = Sources::new(8 << 20);
    let image = sources.build("app", Compression::None, true);
    fs::create_dir(sources.path("small")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=6m none small
        cp -r app small/
        ! "$0" fill small/app --trust-recipes 2>said || exit 9
        "$0" verify small/app --trust-recipes
        "$0" verify --deep small/app --trust-recipes
        find small/app -type f
        mount -o remount,size=30m small
        "$0" fill small/app --trust-recipes 2>&1
        "$0" verify small/app --trust-recipes
        ls small/app small/app/blobs/sha256"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-e", "-c", script, env!("CARGO_BIN_EXE_oci-layout")]);
    let said = run(command.current_dir(sources.folder()));
    let (sparse, full) =
        said.split_at(said.rfind("blobs made").unwrap_or_else(|| panic!("{said}")));
    let error = fs::read_to_string(sources.path("said")).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.ends_with(": No space left on device (os error 28)\n"), "{error}");
    let data = image.layers()[1].descriptor().digest.hex();
    assert!(sparse.contains(&format!("recipes/sha256/{data}.json\n")), "{said}");
    assert!(
        !sparse.contains(&format!("blobs/sha256/{data}\n")) && !sparse.contains(".oci-layout-"),
        "{said}"
    );
    assert!(full.contains(&format!("\n{data}\n")) && !full.contains("recipes"), "{said}");
}
