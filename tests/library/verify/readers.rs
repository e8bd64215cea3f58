//! Layers that some readers refuse, and layers that are unusual on purpose.

use oci_layout::{
    Digest,
    document::MediaType,
    verify::{Severity, VerifyOptions},
};
use serde_json::json;

use crate::common::{
    gzip,
    raw_tar::{entry, file, pax, tar, with_checksum},
};

use super::layout::Layout;

/// The names of the findings for a layer with these bytes.
fn defects(media_type: MediaType, bytes: &[u8], tar: &[u8]) -> Vec<&'static str> {
    let layout = Layout::good().copy();
    layout.replace_layer(media_type, bytes, Digest::of(tar));
    let found = oci_layout::verify::verify(layout.path(), &VerifyOptions::default()).unwrap();
    found.iter().map(|finding| finding.defect.name()).collect()
}

fn changed(mut bytes: Vec<u8>, at: usize, text: &[u8]) -> Vec<u8> {
    bytes[at..at + text.len()].copy_from_slice(text);
    let header = with_checksum(bytes[..512].try_into().unwrap());
    bytes[..512].copy_from_slice(&header);
    bytes
}

/// A pax header of another type before an entry.
fn extended(kind: u8, records: &[u8], of: &[u8]) -> Vec<u8> {
    [entry("pax", kind, "", records), of.to_vec()].concat()
}

/// umoci and podman report "archive/tar: invalid tar header", "unknown typeflag" or "unhandled tar
/// header type" for these.
#[test]
fn headers_that_go_refuses_are_found() {
    let good = file("f", b"abc");
    let refused = ["header-refused"];
    for (what, bytes, found) in [
        ("a plain file", good.clone(), &[][..]),
        ("a pax header of Solaris", extended(b'X', b"11 mtime=5\n", &good), &refused[..]),
        ("a device number in a file", changed(good.clone(), 329, b"abc"), &refused),
        (
            "a minor number in a directory",
            changed(entry("d/", b'5', "", b""), 337, b"xyz"),
            &refused,
        ),
        ("a NUL in a keyword", pax(&[("a\0b", "c")], &good), &refused),
        ("a NUL in an owner's name", pax(&[("uname", "a\0")], &good), &refused),
        ("a time that is none", pax(&[("atime", "yesterday")], &good), &refused),
        ("a comment", pax(&[("comment", "hello"), ("ctime", "1.5"), ("atime", "-1")], &good), &[]),
        (
            "a NUL in an attribute",
            pax(&[("SCHILY.xattr.user.a\0", "v")], &good),
            &["header-refused", "xattr-invalid"],
        ),
        ("an attribute without a name", pax(&[("SCHILY.xattr.", "v")], &good), &["xattr-invalid"]),
        (
            "a long attribute",
            pax(&[(&format!("SCHILY.xattr.user.{}", "a".repeat(251)), "v")], &good),
            &["xattr-invalid"],
        ),
        ("an attribute", pax(&[("SCHILY.xattr.user.a", "v")], &good), &[]),
        ("a global header", extended(b'g', b"11 mtime=5\n", &good), &["global-header"]),
    ] {
        let tar = tar(&[bytes]);
        assert_eq!(defects(MediaType::LAYER, &tar, &tar), found, "{what}");
    }
}

/// GNU tar's `--format=v7` has no magic.
#[test]
fn a_tar_without_a_magic_is_accepted() {
    let mut old = file("f", b"abc");
    old[257..512].fill(0);
    let old = tar(&[changed(old, 0, b"f")]);
    assert_eq!(defects(MediaType::LAYER, &old, &old), [""; 0]);
    assert_eq!(defects(MediaType::LAYER_GZIP, &gzip(&old), &old), [""; 0]);
    let mut wrong = old.clone();
    wrong[148] ^= 1;
    assert_eq!(defects(MediaType::LAYER, &wrong, &wrong), ["compression-differs"]);
}

/// After the end of the tar, BuildKit writes the table of contents and a footer, which is an empty
/// gzip member.
#[test]
fn the_index_of_estargz_is_not_reported() {
    let mut plain = tar(&[file("f", b"abc")]);
    plain.resize(10240, 0);
    let index = file("stargz.index.json", &vec![b' '; 70_000]);
    let whole = tar(&[plain.clone(), index.clone()]);
    let stream = [gzip(&plain), gzip(&whole[plain.len()..]), gzip(b"")].concat();
    assert_eq!(defects(MediaType::LAYER_GZIP, &stream, &whole), [""; 0]);
    for (more, what) in [(file("other.json", b"{}"), "another file"), (index, "a second index")] {
        let whole = tar(&[whole.clone(), more]);
        assert_eq!(
            defects(MediaType::LAYER_GZIP, &gzip(&whole), &whole),
            ["tar-trailing"],
            "{what}"
        );
    }
}

/// The JSON schemas refuse these, and so do other commands.
#[test]
fn the_index_of_the_layout_is_checked_like_others() {
    let layout = Layout::good().copy();
    layout.edit_json(&[], |index| index["subject"] = "nope".into());
    let found = |layout: &Layout| {
        let found = oci_layout::verify::verify(layout.path(), &VerifyOptions::default()).unwrap();
        found.into_iter().map(|finding| (finding.defect.name(), finding.place)).collect::<Vec<_>>()
    };
    assert_eq!(found(&layout), [("member-wrong", "index.json, subject".to_owned())]);
    let layout = Layout::good().copy();
    layout
        .edit_json(&["/manifests/0"], |manifest| manifest["layers"][0]["urls"] = json!(["value"]));
    assert_eq!(
        found(&layout),
        [("member-wrong", "index.json, manifests[0], layers[0].urls[0]".to_owned())]
    );
}

/// umoci: "tag is ambiguous"; skopeo: "more than one image in oci".
#[test]
fn an_image_is_listed_once() {
    let layout = Layout::good().copy();
    layout.edit_json(&[], |index| {
        index["manifests"][0]["annotations"] =
            json!({ "org.opencontainers.image.ref.name": "once" });
        let first = index["manifests"][0].clone();
        index["manifests"].as_array_mut().unwrap().push(first);
    });
    let found = oci_layout::verify::verify(layout.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(
        found.iter().map(|finding| finding.defect.name()).collect::<Vec<_>>(),
        ["listed-twice"]
    );
    assert_eq!(found[0].severity(), Severity::Error);
}
