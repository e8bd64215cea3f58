//! Defects of the table of contents of zstd:chunked layers.

use std::process::Command;

use oci_layout::{Blob, Compression, Digest, FileMapping, Layer, document::MediaType, layer_tar};
use serde_json::{Value, json};

use super::layout::{Expected, Layout, verify};
use crate::common::{bytes, random::text, rich::tabled_tree, run};

const PLACE: &str = "index.json, manifests[0], layers[2]";
const PREFIX: &str = "io.github.containers.zstd-chunked.";

/// A layer in parts.
#[derive(Clone)]
struct Parts {
    /// The blob up to the skippable frames.
    tar: Vec<u8>,
    table: Value,
    tar_split: String,
    diff_id: Digest,
}

impl Parts {
    fn of(files: Vec<FileMapping>) -> Self {
        let layer = layer_tar(files, Compression::ZSTD_CHUNKED).unwrap();
        let blob = bytes(&layer);
        let text = |key: &str| {
            let place = &layer.descriptor().annotations[&format!("{PREFIX}{key}")];
            let numbers: Vec<usize> =
                place.split(':').map(|number| number.parse().unwrap()).collect();
            (numbers[0], zstd::decode_all(&blob[numbers[0]..numbers[0] + numbers[1]]).unwrap())
        };
        let (table_at, table) = text("manifest-position");
        Self {
            tar: blob[..table_at - 8].to_vec(),
            table: serde_json::from_slice(&table).unwrap(),
            tar_split: String::from_utf8(text("tarsplit-position").1).unwrap(),
            diff_id: layer.diff_id(),
        }
    }

    /// The blob and its annotations. The digest of tar-split in the table is right, if it has one.
    fn join(mut self) -> (Vec<u8>, Value) {
        let zstd = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
        let tar_split = zstd(self.tar_split.as_bytes());
        if let Some(digest) = self.table.get_mut("tarSplitDigest") {
            *digest = Digest::of(&tar_split).to_string().into();
        }
        let text = self.table.to_string();
        let table = zstd(text.as_bytes());
        let mut blob = self.tar;
        let mut add = |frame: &[u8]| {
            blob.extend([0x50, 0x2a, 0x4d, 0x18]);
            blob.extend((frame.len() as u32).to_le_bytes());
            blob.extend(frame);
            blob.len() - frame.len()
        };
        let (table_at, split_at) = (add(&table), add(&tar_split));
        let annotations = json!({
            format!("{PREFIX}manifest-checksum"): Digest::of(&table),
            format!("{PREFIX}manifest-position"): format!("{table_at}:{}:{}:1", table.len(), text.len()),
            format!("{PREFIX}tarsplit-position"):
                format!("{split_at}:{}:{}", tar_split.len(), self.tar_split.len()),
        });
        (blob, annotations)
    }
}

/// What `verify` finds in a layout with this layer, without its place.
fn found(blob: &[u8], diff_id: Digest, annotations: &Value) -> Vec<(String, String)> {
    let layout = Layout::good();
    let digest = layout.replace_layer(MediaType::LAYER_ZSTD, blob, diff_id);
    layout.edit_json(&["/manifests/0"], |manifest| {
        manifest["layers"][2]["annotations"] = annotations.clone();
    });
    let found: Vec<Expected> = verify(layout.path());
    let found = found.into_iter().map(|finding| {
        assert_eq!(finding.1, Some(digest));
        (finding.0.strip_prefix(PLACE).unwrap().to_owned(), finding.2)
    });
    found.collect()
}

fn files() -> Vec<FileMapping> {
    vec![
        FileMapping::directory("/dir"),
        FileMapping::bytes(text(5 << 20, 1), "/dir/large"),
        FileMapping::text("", "/empty"),
        FileMapping::text("one", "/one").xattr("user.a", "b").mtime(77),
        FileMapping::symlink("one", "/two"),
    ]
}

#[test]
fn a_table_that_equals_its_tar_is_right() {
    for files in [files(), tabled_tree(), vec![]] {
        let layer = layer_tar(files.clone(), Compression::ZSTD_CHUNKED).unwrap();
        let annotations = json!(layer.descriptor().annotations);
        assert_eq!(found(&bytes(&layer), layer.diff_id(), &annotations), []);
        let parts = Parts::of(files);
        let diff_id = parts.diff_id;
        let (blob, annotations) = parts.join();
        assert_eq!(found(&blob, diff_id, &annotations), []);
    }
}

/// A change of the table, and the finding: the entry and the sentence.
type Case = (fn(&mut Parts), &'static str, &'static str);

const CASES: &[Case] = &[
    (|parts| parts.table["entries"][2]["size"] = 1.into(), "empty", "size"),
    (|parts| parts.table["entries"][3]["mode"] = 0o777.into(), "one", "mode"),
    (|parts| parts.table["entries"][3]["uid"] = 1.into(), "one", "owner"),
    (|parts| parts.table["entries"][3]["gid"] = 1.into(), "one", "group"),
    (|parts| parts.table["entries"][3]["type"] = "fifo".into(), "one", "type"),
    (|parts| parts.table["entries"][3]["modtime"] = Value::Null, "one", "time"),
    (|parts| parts.table["entries"][3]["modtime"] = "1970-01-01T00:01:18Z".into(), "one", "time"),
    (
        |parts| parts.table["entries"][3]["xattrs"]["user.a"] = "Yw==".into(),
        "one",
        "list of extended attributes",
    ),
    (|parts| parts.table["entries"][3]["devMajor"] = 1.into(), "one", "device number"),
    (|parts| parts.table["entries"][4]["linkName"] = "three".into(), "two", "link target"),
    (
        |parts| parts.table["entries"][3]["digest"] = Digest::of("two").to_string().into(),
        "one",
        "digest",
    ),
    (|parts| parts.table["entries"][2]["digest"] = "x".into(), "empty", "kind of contents"),
    (
        |parts| {
            let at = parts.table["entries"][3]["offset"].as_u64().unwrap();
            parts.table["entries"][3]["offset"] = (at + 1).into();
        },
        "one",
        "offset",
    ),
    (
        |parts| {
            // The frame of something else.
            parts.table["entries"][3]["offset"] = parts.table["entries"][1]["offset"].clone();
        },
        "one",
        "offset",
    ),
    (
        |parts| {
            let at = parts.table["entries"][1]["endOffset"].as_u64().unwrap();
            parts.table["entries"][1]["endOffset"] = (at - 1).into();
        },
        "dir/large",
        "end",
    ),
    (
        |parts| {
            let entries = parts.table["entries"].as_array_mut().unwrap();
            entries.insert(2, json!({ "type": "chunk", "name": "dir/large", "chunkOffset": 9 }));
        },
        "dir/large",
        "list of chunks",
    ),
];

#[test]
fn each_difference_from_the_tar_is_found() {
    let parts = Parts::of(files());
    for (change, entry, what) in CASES {
        let mut parts = parts.clone();
        change(&mut parts);
        let diff_id = parts.diff_id;
        let (blob, annotations) = parts.join();
        let sentence = format!("has another {what} in the table of contents");
        let expected = [(format!(", entry {entry:?}"), sentence)];
        assert_eq!(found(&blob, diff_id, &annotations), expected);
    }
}

#[test]
fn missing_and_additional_entries_are_found() {
    let parts = Parts::of(files());
    let check = |change: &dyn Fn(&mut Parts), entry: &str, sentence: &str| {
        let mut parts = parts.clone();
        change(&mut parts);
        let diff_id = parts.diff_id;
        let (blob, annotations) = parts.join();
        let place = if entry.is_empty() { String::new() } else { format!(", entry {entry:?}") };
        assert_eq!(found(&blob, diff_id, &annotations), [(place, sentence.to_owned())]);
    };
    let entries = |parts: &mut Parts, change: &dyn Fn(&mut Vec<Value>)| {
        change(parts.table["entries"].as_array_mut().unwrap());
    };
    check(
        &|parts| entries(parts, &|entries| drop(entries.pop())),
        "two",
        "is in the layer, but not in its table",
    );
    check(
        &|parts| entries(parts, &|entries| entries.push(json!({ "type": "dir", "name": "more" }))),
        "more",
        "is in the table of contents, but not in the layer",
    );
    check(
        &|parts| parts.table["entries"][2]["name"] = "other".into(),
        "empty",
        "is \"other\" in the table of contents",
    );
    check(
        &|parts| drop(parts.table.as_object_mut().unwrap().remove("tarSplitDigest")),
        "",
        "has a tar-split from which its tar cannot be made: the table of contents does not have \
         its digest",
    );
    for (from, to, reason) in [
        ("\"size\":3,", "\"size\":4,", "it differs from entry \"one\" of the layer"),
        ("\"name\":\"one\"", "\"name\":\"own\"", "it differs from entry \"one\" of the layer"),
        (
            "\"type\":1,\"name\":\"two\"",
            "\"type\":3,\"name\":\"two\"",
            "\"two\" is not in the layer",
        ),
        ("\"payload\":\"ZGly", "\"payload\":\"ZGlz", "it is not the rest of the tar"),
    ] {
        check(
            &|parts| {
                assert!(parts.tar_split.contains(from), "{from}");
                parts.tar_split = parts.tar_split.replacen(from, to, 1);
            },
            "",
            &format!("has a tar-split from which its tar cannot be made: {reason}"),
        );
    }
}

#[test]
fn annotations_that_lead_nowhere_are_found() {
    let parts = Parts::of(files());
    let diff_id = parts.diff_id;
    let (blob, right) = parts.join();
    let misplaced = |change: &dyn Fn(&mut Value)| {
        let mut annotations = right.clone();
        change(&mut annotations);
        let mut found = found(&blob, diff_id, &annotations);
        assert_eq!((found.len(), &*found[0].0), (1, ""));
        found.remove(0).1
    };
    let key = |name: &str| format!("{PREFIX}{name}");
    let lead_nowhere = "has annotations of zstd:chunked that do not lead to a table of contents: ";
    for (name, value, reason) in [
        ("manifest-position", json!("1:2:3"), "the positions are \"1:2:3\" and "),
        ("manifest-position", json!("8:20:30:1"), "the position of the table is not that of"),
        ("manifest-position", json!("1:2:200000000:1"), "the table is larger than the 150 MiB"),
        ("tarsplit-position", json!("8:20:30"), "the position of the tar-split is not that of"),
        ("tarsplit-position", json!("-1:20:30"), "the annotation io.github.containers."),
        ("tarsplit-position", json!("18446744073709551615:2:3"), "a position is outside of the"),
        ("manifest-checksum", json!("x"), "digest \"x\" has no algorithm"),
    ] {
        let found = misplaced(&|annotations| annotations[key(name)] = value.clone());
        let reason = format!("{lead_nowhere}{reason}");
        assert!(found.starts_with(&reason), "{found}, {reason}");
    }
    let found = misplaced(&|annotations| {
        annotations.as_object_mut().unwrap().remove(&key("tarsplit-position"));
    });
    assert_eq!(
        found,
        format!("{lead_nowhere}the annotation {} is missing", key("tarsplit-position"))
    );
    let found = misplaced(&|annotations| {
        annotations[key("manifest-checksum")] = json!(Digest::of("other"));
    });
    assert!(found.starts_with("has a table of contents that cannot be used: it does not have the"));
    let found = misplaced(&|annotations| {
        let position = annotations[key("manifest-position")].as_str().unwrap().to_owned();
        let parts: Vec<&str> = position.split(':').collect();
        annotations[key("manifest-position")] = json!(format!("{}:{}:7:1", parts[0], parts[1]));
    });
    assert!(found.ends_with("it does not have 7 bytes, as its annotation says"), "{found}");
}

/// Contents that are not a whole frame cannot be fetched alone.
#[test]
fn files_that_share_a_frame_are_found() {
    let parts = Parts::of(files());
    let diff_id = parts.diff_id;
    let layer = layer_tar(files(), Compression::None).unwrap();
    let mut whole = parts.clone();
    whole.tar = zstd::encode_all(&bytes(&layer)[..], 3).unwrap();
    let (blob, annotations) = whole.join();
    let found = found(&blob, diff_id, &annotations);
    let offsets = ["dir/large", "one"].map(|entry| {
        (format!(", entry {entry:?}"), "has another offset in the table of contents".to_owned())
    });
    assert_eq!(found, offsets);
    // To others, this is a layer like any other.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("blob");
    std::fs::write(&file, &blob).unwrap();
    assert_eq!(Digest::of(run(Command::new("zstd").arg("-dcq").arg(file))), diff_id);
}
