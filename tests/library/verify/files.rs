//! Defects of the files in a layout's folder.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use oci_layout::Digest;

use crate::common::{as_nobody, child, child_argument, run};

use super::layout::{Expected, Layout, expected, verify};

const LAYER: &str = "index.json, manifests[0], layers[1]";

/// Breaks a layout, with the expected findings.
type Case = (&'static str, fn(&Layout) -> Vec<Expected>);

fn layer(layout: &Layout) -> Digest {
    layout.digest(&["/manifests/0", "/layers/1"])
}

const CASES: &[Case] = &[
    ("no oci-layout", |layout| {
        fs::remove_file(layout.path().join("oci-layout")).unwrap();
        vec![expected("oci-layout", None, "is missing: an image layout requires it")]
    }),
    ("another version", |layout| {
        fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        vec![expected("oci-layout, imageLayoutVersion", None, "is \"2.0.0\" and must be \"1.0.0\"")]
    }),
    ("no version", |layout| {
        fs::write(layout.path().join("oci-layout"), "{}").unwrap();
        vec![expected("oci-layout, imageLayoutVersion", None, "is missing and must be \"1.0.0\"")]
    }),
    ("oci-layout is no JSON", |layout| {
        fs::write(layout.path().join("oci-layout"), "1.0.0").unwrap();
        let sentence = "is not valid JSON: trailing characters at line 1 column 4";
        vec![expected("oci-layout", None, sentence)]
    }),
    ("oci-layout is a number", |layout| {
        fs::write(layout.path().join("oci-layout"), "1").unwrap();
        vec![expected("oci-layout", None, "is 1 and must be an object")]
    }),
    ("no index.json", |layout| {
        fs::remove_file(layout.path().join("index.json")).unwrap();
        vec![expected("index.json", None, "is missing: an image layout requires it")]
    }),
    ("index.json is a link", |layout| {
        let index = layout.path().join("index.json");
        fs::rename(&index, layout.path().join("index")).unwrap();
        symlink("index", index).unwrap();
        vec![expected("index.json", None, NO_LINK)]
    }),
    ("blobs is a link", |layout| {
        fs::rename(layout.path().join("blobs"), layout.path().join("b")).unwrap();
        symlink("b", layout.path().join("blobs")).unwrap();
        vec![expected("blobs", None, NO_FOLDER)]
    }),
    ("blobs/sha256 is a link", |layout| {
        fs::rename(layout.path().join("blobs/sha256"), layout.path().join("b")).unwrap();
        symlink("../b", layout.path().join("blobs/sha256")).unwrap();
        vec![expected("blobs/sha256", None, NO_FOLDER)]
    }),
    ("blobs is a file, and the index is empty", |layout| {
        layout.edit_json(&[], |index| index["manifests"] = serde_json::json!([]));
        fs::remove_dir_all(layout.path().join("blobs")).unwrap();
        fs::write(layout.path().join("blobs"), "").unwrap();
        let not_there = "cannot be read: Not a directory (os error 20)";
        let sentence =
            "is a file and must be a folder: tools refuse it; replace it with the folder itself";
        vec![expected("blobs", None, sentence), expected("blobs/sha256", None, not_there)]
    }),
    ("no blobs, and the index is empty", |layout| {
        layout.edit_json(&[], |index| index["manifests"] = serde_json::json!([]));
        fs::remove_dir_all(layout.path().join("blobs")).unwrap();
        vec![expected("blobs", None, "is missing: an image layout requires it")]
    }),
    ("a missing layer", |layout| {
        fs::remove_file(layout.blob(layer(layout))).unwrap();
        vec![expected(LAYER, layer(layout), "is missing: fetch or build the whole image again")]
    }),
    ("a missing configuration", |layout| {
        let config = layout.digest(&["/manifests/0", "/config"]);
        fs::remove_file(layout.blob(config)).unwrap();
        let sentence = "is missing: fetch or build the whole image again";
        vec![expected("index.json, manifests[0], config", config, sentence)]
    }),
    ("a missing manifest in an index", |layout| {
        let manifest = layout.digest(&["/manifests/1", "/manifests/1"]);
        fs::remove_file(layout.blob(manifest)).unwrap();
        let sentence = "is missing: fetch or build the whole image again";
        vec![expected("index.json, manifests[1], manifests[1]", manifest, sentence)]
    }),
    ("a blob that is a link", |layout| {
        let blob = layout.blob(layer(layout));
        fs::rename(&blob, layout.path().join("layer")).unwrap();
        symlink("../../layer", &blob).unwrap();
        vec![expected(LAYER, layer(layout), NO_LINK)]
    }),
    ("a blob that is a folder", |layout| {
        fs::remove_file(layout.blob(layer(layout))).unwrap();
        fs::create_dir(layout.blob(layer(layout))).unwrap();
        let sentence = "is a folder and must be a regular file: tools refuse it; replace it with \
            the file itself";
        vec![expected(LAYER, layer(layout), sentence)]
    }),
    ("a blob that is a fifo", |layout| {
        fs::remove_file(layout.blob(layer(layout))).unwrap();
        assert!(Command::new("mkfifo").arg(layout.blob(layer(layout))).status().unwrap().success());
        let sentence = "is a fifo and must be a regular file: tools refuse it; replace it with \
            the file itself";
        vec![expected(LAYER, layer(layout), sentence)]
    }),
    ("a layer cut off", |layout| {
        let bytes = fs::read(layout.blob(layer(layout))).unwrap();
        damage(layout, &["/manifests/0", "/layers/1"], LAYER, &bytes[..bytes.len() - 1])
    }),
    ("a layer with a flipped bit", |layout| {
        let mut bytes = fs::read(layout.blob(layer(layout))).unwrap();
        bytes[100] ^= 1;
        damage(layout, &["/manifests/0", "/layers/1"], LAYER, &bytes)
    }),
    ("a damaged manifest in an index", |layout| {
        damage(
            layout,
            &["/manifests/1", "/manifests/0"],
            "index.json, manifests[1], manifests[0]",
            b"{}",
        )
    }),
    ("a damaged configuration", |layout| {
        damage(layout, &["/manifests/0", "/config"], "index.json, manifests[0], config", b"")
    }),
    ("a damaged artifact blob", |layout| {
        damage(layout, &["/manifests/2", "/layers/0"], "index.json, manifests[2], layers[0]", b"x")
    }),
    ("a document of more than 16 MiB", |layout| {
        let spaces = vec![b' '; (16 << 20) + 1];
        layout.replace(&["/manifests/0", "/config"], &spaces);
        let sentence = "has 16777217 bytes, more than the limit of 16777216: it was not checked";
        let digest = layout.digest(&["/manifests/0", "/config"]);
        vec![expected("index.json, manifests[0], config", digest, sentence)]
    }),
    ("files among the blobs that are none", |layout| {
        let good = Digest::of("x");
        for name in [".DS_Store", &good.hex().to_uppercase(), &good.hex()[1..]] {
            fs::write(layout.path().join("blobs/sha256").join(name), "x").unwrap();
        }
        let sentence = "is not a blob: a blob is named by its sha256 in 64 lower-case hexadecimal \
            digits; remove it";
        [".DS_Store", &good.hex().to_uppercase(), &good.hex()[1..]]
            .map(|name| expected(format!("blobs/sha256/{name}"), None, sentence))
            .to_vec()
    }),
    ("a damaged blob that nothing refers to", |layout| {
        let digest = Digest::of("x");
        fs::write(layout.blob(digest), "yy").unwrap();
        vec![expected(format!("blobs/sha256/{}", digest.hex()), digest, damaged(b"yy"))]
    }),
    ("a folder that nothing refers to", |layout| {
        let digest = Digest::of("x");
        fs::create_dir(layout.blob(digest)).unwrap();
        let sentence = "is a folder and must be a regular file: tools refuse it; replace it with \
            the file itself";
        vec![expected(format!("blobs/sha256/{}", digest.hex()), digest, sentence)]
    }),
];

const NO_LINK: &str = "is a symbolic link and must be a regular file: tools refuse it; replace it \
    with the file itself";
const NO_FOLDER: &str =
    "is a symbolic link and must be a folder: tools refuse it; replace it with the folder itself";

fn damaged(bytes: &[u8]) -> String {
    let (size, digest) = (bytes.len(), Digest::of(bytes));
    format!("is damaged: its {size} bytes have the digest {digest}; fetch or build it again")
}

/// Replaces the bytes of a blob.
fn damage(layout: &Layout, way: &[&str], place: &str, bytes: &[u8]) -> Vec<Expected> {
    let digest = layout.digest(way);
    fs::write(layout.blob(digest), bytes).unwrap();
    vec![expected(place, digest, damaged(bytes))]
}

#[test]
fn each_defect_is_found_alone() {
    for (name, break_it) in CASES {
        let layout = Layout::good();
        let expected = break_it(&layout);
        assert_eq!(verify(layout.path()), expected, "{name}");
    }
}

#[test]
fn all_defects_are_found_at_once() {
    let layout = Layout::good();
    let [gzip, zstd, tar] =
        [0, 1, 2].map(|n| layout.digest(&["/manifests/0", &format!("/layers/{n}")]));
    fs::remove_file(layout.blob(gzip)).unwrap();
    fs::write(layout.blob(zstd), "").unwrap();
    fs::write(layout.blob(tar), "x").unwrap();
    fs::write(layout.path().join("oci-layout"), "{}").unwrap();
    fs::write(layout.path().join("blobs/sha256/x"), "").unwrap();
    let places: Vec<String> = verify(layout.path()).into_iter().map(|(place, ..)| place).collect();
    let layers = [0, 1, 2].map(|n| format!("index.json, manifests[0], layers[{n}]"));
    assert_eq!(places[..2], ["oci-layout, imageLayoutVersion", "blobs/sha256/x"]);
    assert_eq!(places[2..], layers);
}

/// Damage belongs to the blob, not to each of the many places that refer to it.
#[test]
fn a_blob_is_reported_once() {
    let layout = Layout::good();
    layout.edit_json(&[], |index| {
        // Without a tag, the layout may list it once.
        let mut entry = index["manifests"][0].clone();
        entry["annotations"] = serde_json::json!({});
        let entries = index["manifests"].as_array_mut().unwrap();
        entries.extend((0..50).map(|_| entry.clone()));
    });
    let expected = damage(&layout, &["/manifests/0", "/layers/1"], LAYER, b"x");
    assert_eq!(verify(layout.path()), expected);
}

/// Root can read everything, so another user runs the check if root runs the test.
#[test]
fn unreadable_files_are_findings() {
    if let Some(folder) = child_argument() {
        for (place, digest, sentence) in verify(folder) {
            println!("FOUND {place} ({}): {sentence}", digest.unwrap());
        }
        return;
    }
    let layout = Layout::good();
    fs::set_permissions(layout.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(layout.blob(layer(&layout)), fs::Permissions::from_mode(0o000)).unwrap();
    let mut this = child(unreadable_files_are_findings, layout.path());
    let output = String::from_utf8(run(&mut as_nobody(&mut this, layout.path()))).unwrap();
    let found: Vec<_> =
        output.lines().filter_map(|line| line.split_once("FOUND ")).map(|(_, line)| line).collect();
    let expected =
        format!("{LAYER} ({}): cannot be read: Permission denied (os error 13)", layer(&layout));
    assert_eq!(found, [expected], "{output}");
}
