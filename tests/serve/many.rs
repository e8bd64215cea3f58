//! A layout with very many entries, and one that is read again while others ask.

use std::{fs, path::Path};

use oci_layout::{Digest, ImageLayout, registry::Endpoint};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Served, image};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An index of so many entries. None of their manifests is there.
fn write_index(dir: &Path, entries: impl Iterator<Item = Value>) {
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": entries.collect::<Vec<_>>() });
    fs::write(dir.join("new"), index.to_string()).unwrap();
    fs::rename(dir.join("new"), dir.join("index.json")).unwrap();
}

fn entry(number: u32, tag: Option<String>) -> Value {
    let annotations = tag.map(|tag| json!({ "org.opencontainers.image.ref.name": tag }));
    json!({ "mediaType": MANIFEST, "digest": Digest::of(number.to_le_bytes()), "size": 4, "annotations": annotations })
}

const COUNT: u32 = 60_000;

/// An endpoint for such a layout. A step for each pair of two entries would be billions, and take minutes.
fn served(entries: impl Iterator<Item = Value>) -> (TempDir, Served) {
    let dir = TempDir::new().unwrap();
    write_index(dir.path(), entries);
    let layout = ImageLayout::open(dir.path()).unwrap();
    let references = Endpoint::new([("a", layout.clone())]).unwrap().references();
    assert_eq!(references.len() as u32, COUNT);
    (dir, Served::new([("a", layout)]))
}

#[test]
fn sixty_thousand_entries_without_tags() {
    let (_dir, served) = served((0..COUNT).map(|n| entry(n, None)));
    assert_eq!(served.get("/v2/a/tags/list").json()["tags"], json!([]));
}

#[test]
fn sixty_thousand_tags() {
    let (_dir, served) = served((0..COUNT).map(|n| entry(n, Some(format!("t{n:05}")))));
    let tags = served.get("/v2/a/tags/list").json()["tags"].as_array().unwrap().len();
    assert_eq!(tags as u32, COUNT);
    let mut target = "/v2/a/tags/list?n=20000".to_owned();
    for page in 0..3 {
        let answer = served.get(&target);
        assert_eq!(answer.json()["tags"][0], format!("t{:05}", page * 20_000));
        let link = answer.headers.get("link").map_or("", |link| link);
        target = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(target, "");
}

/// Each is of two images, and so of none.
#[test]
fn thirty_thousand_ambiguous_tags() {
    let (_dir, served) = served((0..COUNT).map(|n| entry(n, Some(format!("a{:05}", n / 2)))));
    assert_eq!(served.get("/v2/a/tags/list").json()["tags"], json!([]));
    let answer = served.get("/v2/a/manifests/a00000");
    assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("several images have this tag"));
}

/// As many signatures of one image.
#[test]
fn sixty_thousand_referrers() {
    let dir = TempDir::new().unwrap();
    let image = image("text", "linux/amd64");
    let mut entries = Vec::new();
    let subject = json!({ "mediaType": MANIFEST, "digest": image.digest(), "size": image.bytes().len() });
    // Some thousand files suffice: an index in an index says the same again.
    let layout = crate::layout(dir.path(), image.clone());
    for n in 0..COUNT / 30 {
        let referrer = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "subject": subject, "layers": [],
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 },
            "annotations": { "n": n.to_string() },
        });
        let bytes = referrer.to_string();
        fs::write(dir.path().join("blobs/sha256").join(Digest::of(&bytes).hex()), &bytes).unwrap();
        entries.push(json!({ "mediaType": MANIFEST, "digest": Digest::of(&bytes), "size": bytes.len() }));
    }
    entries.push(subject.clone());
    let all = entries.len() - 1;
    // Each thirty times: the list has each once.
    let again = entries.clone();
    write_index(dir.path(), (0..30).flat_map(|_| again.clone()));
    let served = Served::new([("a", layout)]);
    let list = served.get(format!("/v2/a/referrers/{}", image.digest()));
    assert_eq!(list.json()["manifests"].as_array().unwrap().len(), all);
}
