//! Registries behind a proxy that refuses some requests: the image arrives completely, and other
//! clients pull it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use oci_layout::registry::{Client, Reference};
use oci_layout::{
    Blob, Compression, Digest, FileMapping, Image, LayerOptions, MemoryBlob,
    document::{Descriptor, MediaType},
    image_config, image_manifest, layer_tar,
};
use serde_json::{Value, json};

use crate::common::tool::{Registry, crane, tool};

/// Passes requests on to a registry, except for those that it refuses.
struct Proxy {
    address: String,
    /// The method and the body length of each request that was passed on.
    passed: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Proxy {
    /// `refuses` returns the status for a method and a body length, if they are refused.
    fn before(registry: &Registry, refuses: fn(&str, u64) -> Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (target, passed): (_, Arc<Mutex<Vec<_>>>) = (registry.address.clone(), Arc::default());
        let passing = Arc::clone(&passed);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, target, passing) =
                    (client.unwrap(), target.clone(), Arc::clone(&passing));
                thread::spawn(move || pass(client, &target, refuses, &passing));
            }
        });
        Self { address, passed }
    }
}

/// One request. The connection is closed afterwards.
fn pass(
    mut client: TcpStream,
    target: &str,
    refuses: fn(&str, u64) -> Option<u16>,
    passed: &Mutex<Vec<(String, u64)>>,
) -> io::Result<()> {
    let (mut reader, mut head, mut length) = (BufReader::new(client.try_clone()?), Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 || line == b"\r\n" {
            break;
        }
        let text = String::from_utf8_lossy(&line).to_lowercase();
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if !text.starts_with("connection:") {
            head.extend(line);
        }
    }
    let method = String::from_utf8_lossy(&head).split(' ').next().unwrap_or_default().to_owned();
    if let Some(status) = refuses(&method, length) {
        write!(client, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
        client.shutdown(Shutdown::Write)?;
        return io::copy(&mut reader, &mut io::sink()).map(drop);
    }
    passed.lock().unwrap().push((method, length));
    let mut server = TcpStream::connect(target)?;
    server.write_all(&head)?;
    server.write_all(b"Connection: close\r\n\r\n")?;
    io::copy(&mut reader.take(length), &mut server)?;
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// A layer of more than five megabytes, and a small one.
fn image() -> Image {
    let contents: Vec<u8> =
        (0..5_300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files = [FileMapping::bytes(contents, "/large"), FileMapping::text("small", "/small")];
    let layers =
        files.map(|file| layer_tar([file], LayerOptions::from(Compression::None)).unwrap());
    image_manifest(image_config(&layers, Value::Null).unwrap(), layers, Value::Null).unwrap().into()
}

#[test]
fn blobs_arrive_in_every_manner() {
    let image = image();
    for start in [Registry::start, Registry::of_crane] {
        let manners: [fn(&str, u64) -> Option<u16>; 3] = [
            // The default limit of nginx.
            |_, length| (length > 1 << 20).then_some(413),
            // A registry that requires PATCH.
            |method, length| (method == "PUT" && length > 10_000).then_some(400),
            |method, length| match method {
                "PUT" if length > 10_000 => Some(405),
                _ => (length > 3_000_000).then_some(413),
            },
        ];
        for (number, refuses) in manners.into_iter().enumerate() {
            // crane has one place for the blobs of all repositories.
            let registry = start();
            let proxy = Proxy::before(&registry, refuses);
            let reference: Reference =
                format!("{}/a/large-{number}:v1", proxy.address).parse().unwrap();
            Client::default().push(&image, &[reference]).unwrap();
            let passed = proxy.passed.lock().unwrap();
            let parts = passed
                .iter()
                .filter(|(method, length)| method == "PATCH" && *length > 10_000)
                .count();
            // In parts of one MiB, completely, and in two parts of at most 2^22/2 bytes and a rest.
            let (least, most) = [(6, 6), (1, 1), (2, 6)][number];
            assert!((least..=most).contains(&parts), "{number}: {parts} of {passed:?}");
            let there = format!("{}/a/large-{number}", registry.address);
            assert_eq!(
                crane(["digest", "--insecure", &format!("{there}:v1")]).trim(),
                image.digest().to_string()
            );
            for blob in
                image.blobs().iter().filter(|blob| !blob.descriptor().media_type.is_manifest())
            {
                let digest = blob.descriptor().digest;
                let output = tool("crane")
                    .args(["blob", "--insecure"])
                    .arg(format!("{there}@{digest}"))
                    .output()
                    .unwrap();
                assert_eq!(Digest::of(output.stdout), digest);
            }
        }
    }
}

/// By default, docker-registry refuses images with foreign layers.
#[test]
fn layers_of_windows() {
    let registry = Registry::start();
    let config = json!({ "os": "windows", "architecture": "amd64",
                         "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"y")] } });
    let config = MemoryBlob::new(MediaType::CONFIG, config.to_string().into_bytes());
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json",
                    "digest": config.descriptor().digest, "size": config.descriptor().size },
        "layers": [{ "mediaType": foreign, "digest": Digest::of(b"x"), "size": 1, "urls": ["https://a.b/x"] }],
    });
    let blob = |descriptor: &Descriptor| match descriptor.size {
        1 => Ok(Arc::new(MemoryBlob::new(MediaType::new(foreign), *b"y")) as Arc<dyn Blob>),
        _ => Ok(Arc::new(config.clone()) as Arc<dyn Blob>),
    };
    let image = Image::from_manifest(manifest.to_string().into_bytes(), blob).unwrap();
    let reference: Reference = format!("{}/a/windows:v1", registry.address).parse().unwrap();
    let said = Client::default().push(&image, &[reference]).unwrap_err().to_string();
    assert!(said.contains("because of non-distributable layers, which are not pushed"), "{said}");
}
