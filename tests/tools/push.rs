//! Images that are pushed to registries of other programs arrive unchanged, and other programs pull
//! them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use oci_layout::registry::{Client, Reference};
use oci_layout::{
    Blob, Compression, ConfigOptions, Digest, FileMapping, Image, ImageLayout, Layer, LayerOptions,
    LayoutOptions, MemoryBlob, TarLayer, artifact_manifest,
    document::{Descriptor, MediaType},
    image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::hello::{busybox, hello};
use crate::common::tool::{Containers, Registry, crane, oras, skopeo};
use crate::tools::pull::program;
use crate::tools::sample::{Sample, for_each_compression};
use crate::tools::transport::assert_same_blobs;

for_each_compression! { others_take_what_was_pushed, it_runs }

fn others_take_what_was_pushed(compression: Compression) {
    for registry in [Registry::start(), Registry::of_crane()] {
        let sample = Sample::new(compression);
        let reference = format!("{}/a/sample:latest", registry.address);
        let named = format!("{}/a/sample@{}", registry.address, sample.digest);
        let output = program(&["push", "layout", &reference], sample.folder(), |_| {});
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{named}\n"));
        assert_eq!(crane(["digest", "--insecure", &reference]).trim(), sample.digest.to_string());
        if compression == Compression::GZIP {
            crane(["validate", "--insecure", "--remote", &reference]);
        }

        let by_crane = sample.folder().join("crane");
        crane(["pull", "--insecure", "--format=oci", &named, by_crane.to_str().unwrap()]);
        assert_same_blobs(&sample.layout(), &by_crane);
        let by_skopeo = sample.folder().join("skopeo");
        let to = format!("oci:{}:latest", by_skopeo.display());
        skopeo([
            "copy",
            "--preserve-digests",
            "--src-tls-verify=false",
            &format!("docker://{reference}"),
            &to,
        ]);
        assert_same_blobs(&sample.layout(), &by_skopeo);
    }
}

fn it_runs(compression: Compression) {
    let (registry, dir) = (Registry::start(), TempDir::new().unwrap());
    let files = [
        FileMapping::new(busybox(), "/bin/busybox"),
        FileMapping::text("from a registry\n", "/hello"),
    ];
    // A described layer, whose bytes are made during the push.
    let layer = layer_tar(files, LayerOptions::from(compression)).unwrap();
    let config = json!({ "config": { "Entrypoint": ["/bin/busybox", "cat", "/hello"] } });
    let image =
        image_manifest(image_config([&layer], config).unwrap(), [layer], Value::Null).unwrap();
    let reference = format!("{}/a/hello:v1", registry.address);
    Client::default().push(&image.into(), &[reference.parse().unwrap()]).unwrap();
    let said = Containers::new(dir.path()).podman([
        "run",
        "--rm",
        "--quiet",
        "--tls-verify=false",
        &reference,
    ]);
    assert_eq!(said, "from a registry\n");
}

#[test]
fn an_image_for_two_platforms() {
    for registry in [Registry::start(), Registry::of_crane()] {
        let dir = TempDir::new().unwrap();
        let platforms = ["linux/amd64", "linux/arm64"];
        let images = platforms.map(|platform| {
            let layer =
                layer_tar([FileMapping::text(platform, "/platform")], LayerOptions::default())
                    .unwrap();
            let options = ConfigOptions::default().platform(platform.parse().unwrap());
            let config = image_config([&layer], options).unwrap();
            image_manifest(config, [layer], Value::Null).unwrap().tagged("latest")
        });
        let made = dir.path().join("made");
        let layout = image_layout(&made, images.clone(), LayoutOptions::default()).unwrap();
        let (whole, one) =
            (format!("{}/a/two:v1", registry.address), format!("{}/a/one:v1", registry.address));
        let output = program(&["push", "made:latest", &whole], dir.path(), |_| {});
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            crane(["digest", "--insecure", &whole]).trim(),
            layout.index().unwrap().manifests[0].digest.to_string()
        );
        for (platform, image) in platforms.iter().zip(&images) {
            let digest = crane(["digest", "--insecure", "--platform", platform, &whole]);
            assert_eq!(digest.trim(), image.digest().to_string());
        }
        let pulled = dir.path().join("pulled");
        crane(["pull", "--insecure", "--format=oci", &whole, pulled.to_str().unwrap()]);
        assert_same_blobs(&made, &pulled);
        let output =
            program(&["push", "made", &one, "--platform", "linux/arm64"], dir.path(), |_| {});
        assert!(output.status.success(), "{output:?}");
        assert_eq!(crane(["digest", "--insecure", &one]).trim(), images[1].digest().to_string());
    }
}

/// A proxy counts the bytes.
#[test]
fn only_missing_blobs_are_sent() {
    let (registry, dir) = (Registry::start(), TempDir::new().unwrap());
    let counter = Counter::before(&registry);
    let reference = format!("{}/a/app:v1", counter.address);
    let random = dir.path().join("random");
    io::copy(
        &mut fs::File::open("/dev/urandom").unwrap().take(20 << 20),
        &mut fs::File::create(&random).unwrap(),
    )
    .unwrap();
    let build = |line: &str, layout: &Path| {
        let options = LayerOptions::default().store(layout);
        let large = layer_tar([FileMapping::new(&random, "/large")], options.clone()).unwrap();
        let small = layer_tar([FileMapping::text(line, "/small")], options).unwrap();
        let config = image_config([&large, &small], Value::Null).unwrap();
        let image = image_manifest(config, [large, small], Value::Null).unwrap();
        image_layout(layout, [image.tagged("latest")], LayoutOptions::default()).unwrap();
    };
    let push = |layout: &str, references: &[&str]| {
        let before = counter.bytes();
        let output = program(&[&["push", layout], references].concat(), dir.path(), |_| {});
        assert!(output.status.success(), "{output:?}");
        counter.bytes() - before
    };
    build("one line", &dir.path().join("first"));
    build("another", &dir.path().join("second"));
    let first = push("first", &[&reference]);
    assert!((20 << 20..21 << 20).contains(&first), "{first} bytes for 20 MiB");
    let again = push("first", &[&reference]);
    assert!(again < 1_000, "{again} bytes for nothing");
    let changed = push("second", &[&reference]);
    assert!(changed < 10_000, "{changed} bytes for a line");
    let elsewhere = push("second", &[&reference, &format!("{}/another/app:v1", counter.address)]);
    assert!(elsewhere < 10_000, "{elsewhere} bytes for what is in another repository");
    let digest =
        ImageLayout::open(dir.path().join("second")).unwrap().index().unwrap().manifests[0].digest;
    for repository in ["a/app", "another/app"] {
        let found =
            crane(["digest", "--insecure", &format!("{}/{repository}:v1", registry.address)]);
        assert_eq!(found.trim(), digest.to_string());
    }
}

#[test]
fn oras_finds_an_artifact_by_its_subject() {
    // This registry does not list referrers on its own: oras finds the list under a tag.
    let registry = Registry::start();
    let dir = TempDir::new().unwrap();
    let image = Image::from(hello(dir.path(), "hello", "linux/amd64"));
    let text = MemoryBlob::new(MediaType::new("text/plain"), *b"a bill of materials");
    let bill =
        artifact_manifest("text/bill", [Arc::new(text) as _], Some(image.descriptor()), json!({}))
            .unwrap();
    let reference: Reference = format!("{}/a/hello:v1", registry.address).parse().unwrap();
    Client::default().push(&image, std::slice::from_ref(&reference)).unwrap();
    let by_digest = format!("{}/a/hello@{}", registry.address, bill.digest()).parse().unwrap();
    Client::default().push(&bill, &[by_digest]).unwrap();
    let found = oras(["discover", "--format", "json", "--plain-http", &reference.to_string()]);
    assert!(found.contains(&bill.digest().to_string()) && found.contains("text/bill"), "{found}");
}

#[test]
fn a_registry_with_tls() {
    let (registry, sample) = (Registry::with_tls(), Sample::new(Compression::GZIP));
    let reference = format!("{}/a/sample:latest", registry.address);
    let output = program(&["push", "layout", &reference], sample.folder(), |command| {
        command.env("SSL_CERT_FILE", registry.certificate());
    });
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(&format!("@{}\n", sample.digest)));
    let output = program(&["push", "layout", &reference], sample.folder(), |_| {});
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is not trusted (invalid peer certificate: UnknownIssuer)"), "{said}");
}

#[test]
fn a_registry_with_a_password() {
    let (registry, sample) = (Registry::with_password(), Sample::new(Compression::GZIP));
    let reference = format!("{}/a/sample:latest", registry.address);
    let output = program(&["push", "layout", &reference], sample.folder(), |_| {});
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("pushing to a/sample requires a login"), "{said}");
    for (user, is_let_in) in [("bWU6c2VjcmV0", true), ("bWU6c2VzYW1l", false)] {
        let auths = format!(r#"{{"auths": {{"{}": {{"auth": "{user}"}}}}}}"#, registry.address);
        fs::write(sample.folder().join("config.json"), auths).unwrap();
        let output = program(&["push", "layout", &reference], sample.folder(), |command| {
            command.env("DOCKER_CONFIG", sample.folder());
        });
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), is_let_in, "{said}");
        assert!(
            is_let_in || said.contains("pushing to a/sample is denied for the current login"),
            "{said}"
        );
        assert!(
            !said.contains("sesame") && !said.contains("secret") && !said.contains(user),
            "{said}"
        );
    }
}

/// The registry crashes during the push of a layer, and is started again a second later.
#[test]
fn a_registry_that_dies_in_the_middle() {
    let registry = Arc::new(Mutex::new(Registry::start()));
    let address = registry.lock().unwrap().address.clone();
    let contents: Vec<u8> =
        (0..8_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let layer =
        layer_tar([FileMapping::bytes(contents, "/large")], LayerOptions::from(Compression::None))
            .unwrap();
    let layer: Arc<dyn Layer> = Arc::new(Deadly { layer, registry, has_killed: Arc::default() });
    let config = image_config([&layer], Value::Null).unwrap();
    let image = Image::from(image_manifest(config, [layer], Value::Null).unwrap());
    let reference: Reference = format!("{address}/a/large:v1").parse().unwrap();
    Client::default().push(&image, std::slice::from_ref(&reference)).unwrap();
    let there = reference.to_string();
    assert_eq!(crane(["digest", "--insecure", &there]).trim(), image.digest().to_string());
    let layer = format!("{address}/a/large@{}", image.blobs()[0].descriptor().digest);
    assert_eq!(
        Digest::of(crane_bytes(&["blob", "--insecure", &layer])),
        image.blobs()[0].descriptor().digest
    );
}

/// A connection that is closed in the middle. Afterwards, the registry reports how much of the
/// upload has arrived.
#[test]
fn a_connection_that_ends_in_the_middle() {
    for registry in [Registry::start(), Registry::of_crane()] {
        let counter = Counter::before(&registry);
        let contents: Vec<u8> =
            (0..8_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let layer = layer_tar(
            [FileMapping::bytes(contents, "/large")],
            LayerOptions::from(Compression::None),
        )
        .unwrap();
        let config = image_config([&layer], Value::Null).unwrap();
        let image = Image::from(image_manifest(config, [layer], Value::Null).unwrap());
        counter.after(3 << 20, || ());
        let reference: Reference = format!("{}/a/large:v1", counter.address).parse().unwrap();
        Client::default().push(&image, &[reference]).unwrap();
        assert!(counter.bytes() > 11 << 20, "nothing was cut");
        let layer = image.blobs()[0].descriptor().digest;
        let there =
            crane_bytes(&["blob", "--insecure", &format!("{}/a/large@{layer}", registry.address)]);
        assert_eq!(Digest::of(there), layer);
    }
}

fn crane_bytes(args: &[&str]) -> Vec<u8> {
    let output = crate::common::tool::tool("crane").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// A layer whose first read makes the registry crash in its middle.
struct Deadly {
    layer: TarLayer,
    registry: Arc<Mutex<Registry>>,
    has_killed: Arc<AtomicBool>,
}

impl Blob for Deadly {
    fn descriptor(&self) -> &Descriptor {
        self.layer.descriptor()
    }

    fn open(&self) -> oci_layout::Result<Box<dyn Read + Send>> {
        let half = self.descriptor().size / 2;
        let (mut first, second) = (self.layer.open()?, self.layer.open()?);
        let mut start = vec![0; usize::try_from(half).unwrap()];
        first.read_exact(&mut start).map_err(|cause| oci_layout::Error::BlobUnreadable {
            digest: self.descriptor().digest,
            cause,
        })?;
        let kill =
            Kill { registry: Arc::clone(&self.registry), has_killed: Arc::clone(&self.has_killed) };
        Ok(Box::new(second.take(half).chain(kill).chain(first)))
    }
}

impl Layer for Deadly {
    fn diff_id(&self) -> Digest {
        self.layer.diff_id()
    }
}

/// Returns no bytes, but makes the registry crash.
struct Kill {
    registry: Arc<Mutex<Registry>>,
    has_killed: Arc<AtomicBool>,
}

impl Read for Kill {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        if !self.has_killed.swap(true, Ordering::SeqCst) {
            self.registry.lock().unwrap().kill();
            let registry = Arc::clone(&self.registry);
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(1));
                registry.lock().unwrap().start_again();
            });
        }
        Ok(0)
    }
}

/// Passes everything on to a registry, and counts the bytes in each direction.
pub struct Counter {
    pub address: String,
    bytes: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// The action after a number of bytes, after which the connection that sent them is closed.
type Fault = (u64, Box<dyn FnOnce() + Send>);

impl Counter {
    pub fn before(registry: &Registry) -> Self {
        Self::of(&registry.address)
    }

    /// Before the server at this address.
    pub fn of(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let target = target.to_owned();
        let counter = Self {
            address,
            bytes: Arc::default(),
            answered: Arc::default(),
            fault: Arc::default(),
        };
        let (bytes, fault) = (Arc::clone(&counter.bytes), Arc::clone(&counter.fault));
        let answered = Arc::clone(&counter.answered);
        thread::spawn(move || {
            for client in listener.incoming() {
                // Without a registry, the connection is closed.
                let (client, Ok(registry)) = (client.unwrap(), TcpStream::connect(&target)) else {
                    continue;
                };
                let (client_too, registry_too) =
                    (client.try_clone().unwrap(), registry.try_clone().unwrap());
                let (bytes, fault) = (Arc::clone(&bytes), Arc::clone(&fault));
                let goes_on = move |count| {
                    let bytes = bytes.fetch_add(count, Ordering::SeqCst) + count;
                    let fault = fault.lock().unwrap().take_if(|(after, _)| bytes > *after);
                    fault.map(|(_, happens)| happens()).is_none()
                };
                thread::spawn(move || pass(client, registry, goes_on));
                let answered = Arc::clone(&answered);
                thread::spawn(move || {
                    pass(registry_too, client_too, |count| {
                        answered.fetch_add(count, Ordering::SeqCst);
                        true
                    });
                });
            }
        });
        counter
    }

    /// Closes a connection after this byte, when the action has run. This happens once.
    pub fn after(&self, byte: u64, happens: impl FnOnce() + Send + 'static) {
        *self.fault.lock().unwrap() = Some((byte, Box::new(happens)));
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// The number of bytes that the server sent.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, goes_on: impl Fn(u64) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !goes_on(read as u64) {
            // Both fail only if the other side has closed already.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The same as above.
    let _ = to.shutdown(Shutdown::Write);
}
