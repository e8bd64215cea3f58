//! A layout with very many entries, which is read again while clients send requests.

use std::{fs, path::Path};

use oci_layout::{Digest, ImageLayout, registry::Endpoint};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::serve::{Served, image};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An index with this many entries. None of their manifests exists.
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

/// A step for each pair of entries would take billions of steps, and minutes.
#[test]
fn sixty_thousand_entries() {
    const COUNT: u32 = 20_000;
    let dir = TempDir::new().unwrap();
    let untagged = (0..COUNT).map(|n| entry(n, None));
    let tagged = (0..COUNT).map(|n| entry(COUNT + n, Some(format!("t{n:05}"))));
    // Two images share each tag, so no tag is served.
    let ambiguous = (0..COUNT).map(|n| entry(2 * COUNT + n, Some(format!("a{:05}", n / 2))));
    write_index(dir.path(), untagged.chain(tagged).chain(ambiguous));
    let endpoint = Endpoint::new([("a", ImageLayout::open(dir.path()).unwrap())]).unwrap();
    assert_eq!(endpoint.references().len() as u32, 3 * COUNT);
    let served = Served::of(endpoint);
    // The pages of a list.
    let (mut target, mut count) = ("/v2/a/tags/list?n=1000".to_owned(), 0);
    while !target.is_empty() {
        let answer = served.get(&target);
        assert_eq!(answer.json()["tags"][0], format!("t{count:05}"));
        count += answer.json()["tags"].as_array().unwrap().len();
        let link = answer.headers.get("link").map_or("", |link| link);
        target = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(count as u32, COUNT);
    let answer = served.get("/v2/a/manifests/a00000");
    assert!(
        answer.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("several images have this tag")
    );
}

/// Signatures of one image, each of which the index lists several times.
#[test]
fn many_referrers() {
    const COUNT: usize = 2_000;
    let dir = TempDir::new().unwrap();
    let image = image("text", "linux/amd64");
    let subject =
        json!({ "mediaType": MANIFEST, "digest": image.digest(), "size": image.bytes().len() });
    let layout = crate::registry::serve::layout(dir.path(), image.clone());
    let referrers = (0..COUNT).map(|n| {
        let referrer = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "subject": subject, "layers": [],
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 },
            "annotations": { "n": n.to_string() },
        });
        let bytes = referrer.to_string();
        fs::write(dir.path().join("blobs/sha256").join(Digest::of(&bytes).hex()), &bytes).unwrap();
        json!({ "mediaType": MANIFEST, "digest": Digest::of(&bytes), "size": bytes.len() })
    });
    let entries: Vec<Value> = referrers.chain([subject.clone()]).collect();
    write_index(dir.path(), (0..10).flat_map(|_| entries.clone()));
    let served = Served::new([("a", layout)]);
    let list = served.get(format!("/v2/a/referrers/{}", image.digest()));
    assert_eq!(list.json()["manifests"].as_array().unwrap().len(), COUNT);
}
