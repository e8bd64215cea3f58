//! Usual clients pull from served layouts, transfer only missing layers, and run the images.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use oci_layout::registry::{Endpoint, Event, Repository, Serving};
use oci_layout::{
    Blob, Compression, Digest, FileMapping, ImageLayout, ImageManifest, LayerOptions,
    LayoutOptions, MemoryBlob, TarLayer, artifact_manifest,
    document::{Descriptor, MediaType},
    image_config, image_index, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::hello::busybox;
use crate::common::tool::{Containerd, Containers, crane, oras, skopeo};
use crate::tools::sample::{Sample, for_each_compression};

for_each_compression! { crane_pulls, skopeo_copies, podman_pulls_and_runs, buildah_pulls, containerd_pulls_and_runs }

/// An endpoint, and its requests.
struct Served {
    address: String,
    events: Arc<Mutex<Vec<String>>>,
    _serving: Serving,
}

impl Served {
    fn new<N: Into<String>, R: Into<Repository>>(
        repositories: impl IntoIterator<Item = (N, R)>,
    ) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let endpoint = Endpoint::new(repositories).unwrap();
        let endpoint =
            endpoint.log(move |event: &Event| told.lock().unwrap().push(event.to_string()));
        let serving = endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: serving.address().to_string(), events, _serving: serving }
    }

    fn sample(sample: &Sample) -> Self {
        Self::new([("a/sample", ImageLayout::open(sample.layout()).unwrap())])
    }

    /// How often the bytes of a blob were requested. Checks that there was no error.
    #[track_caller]
    fn asked_for(&self, digest: Digest) -> usize {
        let events = self.events.lock().unwrap();
        let count = |part: &str| events.iter().filter(|event| event.contains(part)).count();
        assert_eq!(count(" 500") + count("damaged"), 0, "{events:#?}");
        count(&format!("/blobs/{digest} 200"))
    }
}

fn crane_pulls(compression: Compression) {
    let sample = Sample::new(compression);
    let served = Served::sample(&sample);
    let reference = format!("{}/a/sample:latest", served.address);
    assert_eq!(crane(["catalog", "--insecure", &served.address]), "a/sample\n");
    assert_eq!(crane(["ls", "--insecure", &format!("{}/a/sample", served.address)]), "latest\n");
    assert_eq!(crane(["digest", "--insecure", &reference]).trim(), sample.digest.to_string());
    let config = crane(["config", "--insecure", &reference]);
    assert_eq!(Digest::of(config), sample.config.digest());
    let pulled = sample.folder().join("pulled");
    crane(["pull", "--insecure", "--format=oci", &reference, pulled.to_str().unwrap()]);
    for layer in &sample.tars {
        let digest = layer.descriptor().digest;
        let bytes = fs::read(pulled.join("blobs/sha256").join(digest.hex())).unwrap();
        assert_eq!(Digest::of(bytes), digest);
    }
    // It supports gzip only.
    if compression == Compression::GZIP {
        crane(["validate", "--insecure", "--remote", &reference]);
    }
}

fn skopeo_copies(compression: Compression) {
    let sample = Sample::new(compression);
    let served = Served::sample(&sample);
    let from = format!("docker://{}/a/sample:latest", served.address);
    let inspected =
        skopeo(["inspect", "--tls-verify=false", "--format", "{{.Digest}} {{.RepoTags}}", &from]);
    assert_eq!(inspected.trim(), format!("{} [latest]", sample.digest));
    let pulled = sample.folder().join("pulled");
    let to = format!("oci:{}:latest", pulled.display());
    skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &from, &to]);
    crate::tools::transport::assert_same_blobs(&sample.layout(), &pulled);
    // It does not pull a layer that it already has.
    skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &from, &to]);
    for layer in &sample.tars {
        assert_eq!(served.asked_for(layer.descriptor().digest), 1);
    }
}

const SAID: &str = "arg one\narg two words\nin /srv/kept\n1000:1001\na = b\n";

fn podman_pulls_and_runs(compression: Compression) {
    let sample = Sample::new(compression);
    let served = Served::sample(&sample);
    let containers = Containers::new(sample.folder());
    let reference = format!("{}/a/sample:latest", served.address);
    for _ in 0..2 {
        let id = containers.podman(["pull", "--quiet", "--tls-verify=false", &reference]);
        assert_eq!(id.trim(), sample.config.digest().hex());
    }
    assert_eq!(containers.podman(["run", "--rm", "--quiet", &reference]), SAID);
    for layer in &sample.tars {
        assert_eq!(served.asked_for(layer.descriptor().digest), 1);
    }
}

fn buildah_pulls(compression: Compression) {
    let sample = Sample::new(compression);
    let served = Served::sample(&sample);
    let containers = Containers::new(sample.folder());
    let reference = format!("docker://{}/a/sample@{}", served.address, sample.digest);
    let name = containers.buildah(["from", "--quiet", "--tls-verify=false", &reference]);
    let run =
        ["run", "--runtime", "runc", "--network", "none", name.trim(), "/bin/report", "other"];
    assert_eq!(containers.buildah(run), "arg other\nin /srv/kept\n1000:1001\na = b\n");
}

fn containerd_pulls_and_runs(compression: Compression) {
    let sample = Sample::new(compression);
    let served = Served::sample(&sample);
    let containerd = Containerd::start();
    let reference = format!("{}/a/sample:latest", served.address);
    for _ in 0..2 {
        containerd.ctr([
            "images",
            "pull",
            "--local",
            "--plain-http",
            "--snapshotter",
            "native",
            &reference,
        ]);
    }
    assert_eq!(containerd.run(&reference, &[]), SAID);
    for layer in &sample.tars {
        assert_eq!(served.asked_for(layer.descriptor().digest), 1);
    }
}

/// A described layer: none of its bytes are on disk before the pull.
fn described(files: impl IntoIterator<Item = FileMapping>) -> TarLayer {
    layer_tar(files, LayerOptions::default()).unwrap()
}

fn image_of(layers: &[TarLayer]) -> ImageManifest {
    let run = json!({ "config": { "Entrypoint": ["/bin/busybox", "cat", "/hello"] } });
    image_manifest(image_config(layers, run).unwrap(), layers.to_vec(), Value::Null).unwrap()
}

/// Two images that are in no layout and share a layer, which is built and pulled once.
#[test]
fn clients_pull_only_missing_layers() {
    let common = described([FileMapping::new(busybox(), "/bin/busybox")]);
    let own = ["one\n", "two\n"].map(|text| described([FileMapping::text(text, "/hello")]));
    let images = own.clone().map(|own| image_of(&[common.clone(), own]));
    let [one, two] = images.clone();
    let repository = || vec![one.clone().tagged("one"), two.clone().tagged("two")];

    let served = Served::new([("hello", repository())]);
    let containers = Containers::new("/");
    for (tag, said) in [("one", "one\n"), ("two", "two\n")] {
        let reference = format!("{}/hello:{tag}", served.address);
        containers.podman(["pull", "--quiet", "--tls-verify=false", &reference]);
        assert_eq!(containers.podman(["run", "--rm", "--quiet", &reference]), said);
    }
    for layer in own.iter().chain([&common]) {
        assert_eq!(served.asked_for(layer.descriptor().digest), 1);
    }

    let served = Served::new([("hello", repository())]);
    let containerd = Containerd::start();
    for (tag, said) in [("one", "one\n"), ("two", "two\n")] {
        let reference = format!("{}/hello:{tag}", served.address);
        containerd.ctr([
            "images",
            "pull",
            "--local",
            "--plain-http",
            "--snapshotter",
            "native",
            &reference,
        ]);
        assert_eq!(containerd.run(&reference, &[]), said);
    }
    for layer in own.iter().chain([&common]) {
        assert_eq!(served.asked_for(layer.descriptor().digest), 1);
    }
}

/// Its layer exists only as the file from which it is built.
#[test]
fn a_sparse_layout() {
    let dir = TempDir::new().unwrap();
    let layer =
        [FileMapping::new(busybox(), "/bin/busybox"), FileMapping::text("sparse\n", "/hello")];
    let layer = layer_tar(layer, LayerOptions::default().recipe(true)).unwrap();
    let image = image_of(std::slice::from_ref(&layer)).tagged("latest");
    let options = LayoutOptions::default().sparse(true);
    let served = Served::new([("sparse", image_layout(dir.path(), [image], options).unwrap())]);
    assert!(!dir.path().join("blobs/sha256").join(layer.descriptor().digest.hex()).exists());
    let reference = format!("{}/sparse:latest", served.address);
    crane(["validate", "--insecure", "--remote", &reference]);
    let containers = Containers::new("/");
    containers.podman(["pull", "--quiet", "--tls-verify=false", &reference]);
    assert_eq!(containers.podman(["run", "--rm", "--quiet", &reference]), "sparse\n");
    let containerd = Containerd::start();
    containerd.ctr([
        "images",
        "pull",
        "--local",
        "--plain-http",
        "--snapshotter",
        "native",
        &reference,
    ]);
    assert_eq!(containerd.run(&reference, &[]), "sparse\n");
}

#[test]
fn an_image_for_two_platforms() {
    let dir = TempDir::new().unwrap();
    let image = |platform: &str| {
        let layer =
            layer_tar([FileMapping::text(platform, "/platform")], LayerOptions::default()).unwrap();
        let (os, architecture) = platform.split_once('/').unwrap();
        let config =
            image_config([&layer], json!({ "os": os, "architecture": architecture })).unwrap();
        image_manifest(config, [layer], Value::Null).unwrap()
    };
    let platforms = ["linux/amd64", "linux/arm64"];
    let index = image_index(platforms.map(image), Value::Null).unwrap();
    let served = Served::new([("two", vec![index.clone().tagged("latest")])]);
    let reference = format!("{}/two:latest", served.address);
    assert_eq!(crane(["digest", "--insecure", &reference]).trim(), index.digest().to_string());
    for platform in platforms {
        let digest = crane(["digest", "--insecure", "--platform", platform, &reference]);
        assert_eq!(digest.trim(), image(platform).digest().to_string());
    }
    let to = format!("dir:{}", dir.path().display());
    skopeo([
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        &format!("docker://{reference}"),
        &to,
    ]);
    let blobs = platforms.iter().map(|platform| image(platform).layers()[0].descriptor().digest);
    for digest in blobs {
        assert!(dir.path().join(digest.hex()).exists());
    }
}

/// oras finds the referrers of an image, and pulls one.
#[test]
fn referrers_are_discovered() {
    const BILL: &str = "application/spdx+json";
    let dir = TempDir::new().unwrap();
    let image = image_of(&[described([FileMapping::text("hello\n", "/hello")])]);
    let subject = Descriptor::new(MediaType::MANIFEST, image.digest(), image.bytes().len() as u64);
    let text = MemoryBlob::new(MediaType::new(BILL), *b"a bill");
    let text: Arc<dyn Blob> =
        Arc::new(text.annotated("org.opencontainers.image.title", "bill.json"));
    let bill = artifact_manifest(BILL, [text], Some(&subject), json!({})).unwrap();
    let seal = artifact_manifest("text/seal", [], Some(bill.descriptor()), json!({})).unwrap();
    let digests = [bill.descriptor().digest, seal.descriptor().digest];
    let layout =
        image_layout(dir.path().join("layout"), [image.tagged("v1"), bill, seal], Value::Null)
            .unwrap();
    let served = Served::new([("a/hello", layout)]);
    let reference = format!("{}/a/hello:v1", served.address);

    let discover = [
        "discover",
        "--distribution-spec",
        "v1.1-referrers-api",
        "--format",
        "json",
        "--plain-http",
    ];
    let found: Value = serde_json::from_str(&oras(discover.iter().chain([&&*reference]))).unwrap();
    let bill = &found["referrers"][0];
    assert_eq!(
        (&bill["digest"], &bill["artifactType"]),
        (&json!(digests[0]), &json!(BILL)),
        "{found}"
    );
    assert_eq!(bill["referrers"][0]["digest"], json!(digests[1]), "{found}");
    for (artifact_type, count) in [(BILL, 1), ("text/other", 0)] {
        let only = oras(discover.iter().chain([&"--artifact-type", &artifact_type, &&*reference]));
        let only: Value = serde_json::from_str(&only).unwrap();
        assert_eq!(only["referrers"].as_array().map_or(0, Vec::len), count, "{only}");
    }

    let pulled = dir.path().join("pulled");
    let bill = format!("{}/a/hello@{}", served.address, digests[0]);
    oras(["pull", "--no-tty", "--plain-http", "--output", pulled.to_str().unwrap(), &bill]);
    assert_eq!(fs::read(pulled.join("bill.json")).unwrap(), b"a bill");
    let copy = format!("{}:v1", dir.path().join("copy").display());
    oras([
        "copy",
        "--recursive",
        "--no-tty",
        "--from-plain-http",
        "--to-oci-layout",
        &reference,
        &copy,
    ]);
    for digest in digests {
        assert!(dir.path().join("copy/blobs/sha256").join(digest.hex()).exists());
    }
}

/// The program exits when a client has pulled an image.
#[test]
fn once() {
    let sample = Sample::new(Compression::GZIP);
    let pull = |by: &dyn Fn(&str)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command
            .args(["serve", "--once", "layout"])
            .current_dir(sample.folder())
            .stdin(Stdio::null());
        let mut program = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        by(&format!("{}/layout:latest", line.trim().strip_prefix("http://").unwrap()));
        let mut said = String::new();
        program.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(program.wait().unwrap().success(), "{said}");
    };
    let containers = Containers::new(sample.folder());
    let to = |name: &str| sample.folder().join(name).display().to_string();
    pull(&|reference| {
        containers.podman(["pull", "--quiet", "--tls-verify=false", reference]);
    });
    pull(&|reference| {
        crane(["pull", "--insecure", reference, &to("crane.tar")]);
    });
    pull(&|reference| {
        let from = format!("docker://{reference}");
        skopeo(["copy", "--src-tls-verify=false", &from, &format!("dir:{}", to("skopeo"))]);
    });
    assert!(
        Path::new(&to("crane.tar")).exists()
            && Path::new(&to("skopeo")).join("manifest.json").exists()
    );
}
