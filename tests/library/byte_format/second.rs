//! A second implementation of the byte format, written only from `docs/byte-format.md`.

use std::{
    collections::BTreeMap, ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, process::Command,
};

use oci_layout::{
    Attribute, Blob, Compression, FileMapping, HardLinks, LayerOptions, Source, image_config,
    image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};

use crate::common::{bytes, rich::rich_tree, run};

/// The contents of the layer and the expected result: the mapping, and the entry in the other
/// implementation.
fn cases() -> (Vec<FileMapping>, Vec<Value>) {
    let mut mappings = Vec::new();
    let mut entries = vec![entry("directory", "implied", 0o755)];
    let mut add = |mapping: FileMapping, entry: Value| {
        mappings.push(mapping);
        // Two equal mappings become one entry.
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    };

    add(FileMapping::text("hello\n", "/implied/file"), file("implied/file", "hello\n"));
    add(FileMapping::text("", "/empty"), file("empty", ""));
    add(FileMapping::text("x".repeat(512), "/block"), file("block", &"x".repeat(512)));
    add(FileMapping::text("x".repeat(513), "/block-more"), file("block-more", &"x".repeat(513)));
    add(FileMapping::directory("/").mode(0o711), entry("directory", "", 0o711));
    add(FileMapping::directory("/tmp").mode(0o1777), entry("directory", "tmp", 0o1777));

    // Paths are ordered by components, not by their bytes.
    add(FileMapping::directory("/tmp-dir"), entry("directory", "tmp-dir", 0o755));
    add(FileMapping::text("", "/tmp/z"), file("tmp/z", ""));
    // By bytes, U+0001 would come before whiteouts, and `.wh.!` before `.wh..wh..opq`.
    add(FileMapping::text("", "/tmp/\u{1}"), file("tmp/\u{1}", ""));
    add(FileMapping::whiteout("/tmp/old"), entry("whiteout", "tmp/.wh.old", 0o644));
    add(FileMapping::whiteout("/tmp/!"), entry("whiteout", "tmp/.wh.!", 0o644));
    add(FileMapping::opaque_whiteout("/tmp"), entry("whiteout", "tmp/.wh..wh..opq", 0o644));

    // Names around the sizes of ustar's fields, with components that are not text.
    for size in [99, 100, 101, 155, 255] {
        let name = "n".repeat(size);
        add(FileMapping::text("", &name), file(&name, ""));
        let name = "d".repeat(size);
        add(FileMapping::directory(&name), entry("directory", &name, 0o755));
    }
    for (prefix, name) in [(154, 100), (155, 99), (155, 100), (156, 100), (155, 101), (50, 100)] {
        let directory = "p".repeat(prefix);
        let path = format!("{directory}/{}", "q".repeat(name));
        add(FileMapping::directory(&directory), entry("directory", &directory, 0o755));
        add(FileMapping::text("", &path), file(&path, ""));
    }
    let bytes = Path::new(OsStr::from_bytes(b"\xff \n:=\xc3"));
    add(FileMapping::text("", bytes), file("\u{ff} \n:=\u{c3}", ""));

    for size in [1, 100, 101, 300] {
        let (name, target) = (format!("link-{size}"), "t".repeat(size));
        let mut symlink = entry("symlink", &name, 0o777);
        symlink["target"] = json!(target);
        add(FileMapping::symlink(target, name), symlink);
    }

    for (name, uid, gid, mtime) in [
        ("largest", 0o7777777, 0o7777777, 0o77777777777),
        ("larger", 0o10000000, 0o10000000, 0o100000000000),
        ("largest-of-all", i64::MAX as u64, i64::MAX as u64, i64::MAX),
        ("negative", 1, 2, -1),
        ("most-negative", 1, 2, i64::MIN),
    ] {
        let mut numbers = file(name, "");
        for (key, value) in [
            ("uid", json!(uid)),
            ("gid", json!(gid)),
            ("mtime", json!(mtime)),
            ("mode", json!(0o4755)),
        ] {
            numbers[key] = value;
        }
        add(FileMapping::text("", name).owner(uid, gid).mtime(mtime).mode(0o4755), numbers);
    }

    let mut attributes = file("with-attributes", "");
    attributes["xattrs"] =
        json!({ "user.b": "\u{0}\n=\u{ff}", "security.capability": "c", "user.a": "" });
    let mapping = FileMapping::text("", "/with-attributes").xattr("user.b", *b"\0\n=\xff");
    add(mapping.xattr("user.a", "").xattr("security.capability", "c"), attributes);

    let mut hard_link = entry("hardlink", "same-two", 0o755);
    hard_link["target"] = json!("same-one");
    add(FileMapping::text("same", "/same-one").mode(0o755), {
        let mut first = file("same-one", "same");
        first["mode"] = json!(0o755);
        first
    });
    add(FileMapping::text("same", "/same-two").mode(0o755), hard_link);
    (mappings, entries)
}

fn entry(kind: &str, path: &str, mode: u32) -> Value {
    json!({ "type": kind, "path": path, "mode": mode, "uid": 0, "gid": 0, "mtime": 1 })
}

fn file(path: &str, content: &str) -> Value {
    let mut file = entry("file", path, 0o644);
    file["content"] = json!(content);
    file
}

/// In the order of the page; the library gets another order.
const CONFIG: &str = r#"{"User":"1","ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Env":["B=\"\\","A=\u0001\u007f/é<"],"Cmd":[],"Labels":{"a":"1","b":"2"},"Healthcheck":{"Interval":1000000,"Test":["NONE"]},"Shell":["sh"]}"#;
const SAME_CONFIG: &str = r#"{"Shell":["sh"],"Healthcheck":{"Test":["NONE"],"Interval":1000000},"labels":{"b":"2","a":"1"},"Cmd":[],"Env":["B=\"\\","A=\u0001\u007f/é<"],"ExposedPorts":{"80/tcp":{},"443/tcp":{}},"User":"1"}"#;

#[test]
fn a_second_implementation_makes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (mappings, entries) = cases();
    let created_by = format!(
        "oci-layout layer-tar /implied/file /empty /block /block-more / /tmp /tmp-dir /tmp/z and \
         {} more",
        mappings.len() - 8
    );
    let wanted = json!({ "entries": entries, "config": CONFIG, "created_by": created_by });
    second(dir.path(), &wanted);

    let out = dir.path().join("image");
    let options = LayerOptions::default()
        .compression(Compression::None)
        .hard_links(HardLinks::Merge)
        .store(&out);
    let layer = layer_tar(mappings, options).unwrap();
    let config = serde_json::from_str::<Value>(SAME_CONFIG).unwrap();
    let config = image_config([&layer], json!({ "config": config })).unwrap();
    let image = image_manifest(config, [layer.clone()], json!({})).unwrap();
    let (config, manifest) = (image.config().bytes().to_owned(), image.bytes().to_owned());
    image_layout(&out, [image.tagged("latest")], json!({})).unwrap();

    assert_same(&dir.path().join("layer.tar"), &fs::read(layer.file().unwrap()).unwrap());
    assert_same(&dir.path().join("config.json"), &config);
    assert_same(&dir.path().join("manifest.json"), &manifest);
    assert_same(&dir.path().join("index.json"), &fs::read(out.join("index.json")).unwrap());
}

/// The layer of the digests in `tests/golden.txt`.
#[test]
fn a_second_implementation_makes_the_golden_layer() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = BTreeMap::new();
    for mapping in rich_tree() {
        let (path, entry) = from_mapping(&mapping);
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            entries
                .entry(parent.to_owned())
                .or_insert_with(|| self::entry("directory", parent, 0o755));
            above = parent;
        }
        entries.insert(path, entry);
    }
    let entries: Vec<Value> = entries.into_values().collect();
    second(dir.path(), &json!({ "entries": entries, "config": "{}", "created_by": "" }));
    assert_same(
        &dir.path().join("layer.tar"),
        &bytes(&layer_tar(rich_tree(), Compression::None).unwrap()),
    );
}

/// The page's rules for a mapping that needs no file.
fn from_mapping(mapping: &FileMapping) -> (String, Value) {
    fn set<T: Clone>(attribute: &Attribute<T>, normal: T) -> T {
        if let Attribute::Set(value) = attribute { value.clone() } else { normal }
    }
    let latin = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect::<String>();
    let mut path = latin(mapping.destination.as_os_str().as_bytes()).trim_matches('/').to_owned();
    let (kind, mode) = match &mapping.source {
        Source::Bytes(_) => ("file", 0o644),
        Source::Symlink(_) => ("symlink", 0o777),
        Source::Directory => ("directory", 0o755),
        Source::Whiteout | Source::OpaqueWhiteout => ("whiteout", 0o644),
        other => panic!("{other:?} has a file"),
    };
    let marker = match &mapping.source {
        Source::Whiteout => Some(
            path.rsplit_once('/').map_or((String::new(), &*path), |(dir, name)| (dir.into(), name)),
        )
        .map(|(dir, name)| (dir, format!(".wh.{name}"))),
        Source::OpaqueWhiteout => Some((path.clone(), ".wh..wh..opq".to_owned())),
        _ => None,
    };
    if let Some((directory, name)) = marker {
        path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
    }
    let attributes = &mapping.attributes;
    let mut entry = entry(kind, &path, set(&attributes.mode, mode));
    entry["uid"] = set(&attributes.uid, 0).into();
    entry["gid"] = set(&attributes.gid, 0).into();
    entry["mtime"] = set(&attributes.mtime, 1).into();
    for (name, value) in set(&attributes.xattrs, BTreeMap::new()) {
        entry["xattrs"][latin(name.as_bytes())] = latin(&value).into();
    }
    match &mapping.source {
        Source::Bytes(bytes) => entry["content"] = latin(bytes).into(),
        Source::Symlink(target) => entry["target"] = latin(target.as_os_str().as_bytes()).into(),
        _ => {}
    }
    (path, entry)
}

/// Makes the image with the other implementation in this folder.
#[track_caller]
fn second(dir: &Path, wanted: &Value) {
    fs::write(dir.join("wanted.json"), wanted.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/byte_format/second.py");
    run(Command::new("python3").arg(script).arg(dir));
}

#[track_caller]
fn assert_same(theirs: &Path, ours: &[u8]) {
    let name = theirs.file_name().unwrap();
    let theirs = fs::read(theirs).unwrap();
    let at =
        ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 100)]).into_owned();
    assert!(
        ours == theirs,
        "{name:?}, from byte {at}: ours {:?}, by the page {:?}",
        text(ours),
        text(&theirs)
    );
}
