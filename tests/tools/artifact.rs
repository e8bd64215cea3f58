//! Artifacts beside an image: oras finds the referrers, copies both to a registry, and extracts the
//! blobs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use oci_layout::{
    Digest, ImageLayout, MemoryBlob, artifact_manifest,
    document::{Descriptor, MediaType},
    image_layout,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::hello::hello;
use crate::common::tool::{Containers, Registry, crane, oras, schemas};

const BILL: &str = "application/spdx+json";
const SEAL: &str = "application/vnd.example.seal";
const TEXT: &[u8] = br#"{"spdxVersion":"SPDX-2.3"}"#;

/// A layout with an image `latest`, a bill of materials for it, and an empty seal for the bill.
fn image_bill_and_seal(layout: &Path) -> [Descriptor; 3] {
    let image = hello(layout, "hello", "linux/amd64");
    let subject = Descriptor::new(MediaType::MANIFEST, image.digest(), image.bytes().len() as u64);
    // oras writes a blob into the file that the title in its descriptor names.
    let text = MemoryBlob::new(MediaType::new(BILL), TEXT)
        .annotated("org.opencontainers.image.title", "bill.json");
    let bill = artifact_manifest(BILL, [Arc::new(text) as _], Some(&subject), json!({})).unwrap();
    let seal = artifact_manifest(SEAL, [], Some(bill.descriptor()), json!({})).unwrap();
    let digests = [subject, bill.descriptor().clone(), seal.descriptor().clone()];
    image_layout(layout, [image.tagged("latest"), bill.tagged("bill"), seal], json!({})).unwrap();
    digests
}

#[test]
fn oras_discovers_and_copies() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("layout");
    let [image, bill, seal] = image_bill_and_seal(&layout);
    schemas(&layout);
    let here = format!("{}:latest", layout.display());
    let found = oras(["discover", "--format", "json", "--oci-layout", &here]);
    assert_eq!(
        referrers(&found),
        [(bill.digest, BILL.to_owned()), (seal.digest, SEAL.to_owned())],
        "{found}"
    );

    let registry = Registry::start();
    let there = format!("{}/a/hello:v1", registry.address);
    oras([
        "copy",
        "--recursive",
        "--no-tty",
        "--from-oci-layout",
        "--to-plain-http",
        &here,
        &there,
    ]);
    assert_eq!(crane(["digest", "--insecure", &there]).trim(), image.digest.to_string());
    let found = oras(["discover", "--format", "json", "--plain-http", &there]);
    assert_eq!(
        referrers(&found),
        [(bill.digest, BILL.to_owned()), (seal.digest, SEAL.to_owned())],
        "{found}"
    );
    let manifest =
        crane(["manifest", "--insecure", &format!("{}/a/hello@{}", registry.address, seal.digest)]);
    assert_eq!(Digest::of(manifest), seal.digest);

    let pulled = dir.path().join("pulled");
    let bill = format!("{}:bill", layout.display());
    oras(["pull", "--no-tty", "--oci-layout", "--output", pulled.to_str().unwrap(), &bill]);
    assert_eq!(fs::read(pulled.join("bill.json")).unwrap(), TEXT);
}

#[test]
fn the_image_beside_it_runs() {
    let dir = TempDir::new().unwrap();
    image_bill_and_seal(&dir.path().join("layout"));
    let containers = Containers::new(dir.path());
    assert_eq!(containers.podman(["run", "--rm", "--quiet", "oci:layout:latest"]), "hello");
}

/// We find what oras attached to an image.
#[test]
fn oras_attaches() {
    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("layout");
    let [image, ..] = image_bill_and_seal(&layout);
    fs::write(dir.path().join("note"), "a note").unwrap();
    let note = dir.path().join("note:text/plain");
    let target = format!("{}:latest", layout.display());
    let said = oras(
        [
            "attach",
            "--no-tty",
            "--disable-path-validation",
            "--oci-layout",
            "--artifact-type",
            "text/x-note",
        ]
        .into_iter()
        .chain([&*target, note.to_str().unwrap()]),
    );
    let found = ImageLayout::open(&layout).unwrap().referrers(image.digest).unwrap();
    let types: Vec<_> =
        found.iter().map(|(_, manifest)| manifest.artifact_type.as_deref().unwrap()).collect();
    assert_eq!(types, [BILL, "text/x-note"], "{said}");
}

/// The digest and type of all referrers of an image, by oras.
fn referrers(found: &str) -> Vec<(Digest, String)> {
    fn collect(value: &Value, into: &mut Vec<(Digest, String)>) {
        for referrer in value["referrers"].as_array().into_iter().flatten() {
            let text = |key: &str| referrer[key].as_str().unwrap().to_owned();
            into.push((text("digest").parse().unwrap(), text("artifactType")));
            collect(referrer, into);
        }
    }
    let mut referrers = Vec::new();
    collect(&serde_json::from_str(found).unwrap(), &mut referrers);
    referrers
}
