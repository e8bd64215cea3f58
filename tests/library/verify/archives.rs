//! `verify` on oci-archives.

use std::{fs, path::Path};

use crate::common::{gzip, raw_tar};

use super::layout::{Layout, expected, verify};

/// The entries of a tar of the layout, by name.
fn entries(layout: &Path) -> Vec<(String, Vec<u8>)> {
    let mut entries = Vec::new();
    for file in walkdir::WalkDir::new(layout)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
    {
        let name = file.path().strip_prefix(layout).unwrap().to_str().unwrap().to_owned();
        let entry = match file.file_type().is_dir() {
            true => raw_tar::directory(&format!("{name}/")),
            false => raw_tar::file(&name, &fs::read(file.path()).unwrap()),
        };
        entries.push((name, entry));
    }
    entries
}

fn pack(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    raw_tar::tar(&entries.iter().map(|(_, entry)| entry.clone()).collect::<Vec<_>>())
}

#[track_caller]
fn verify_bytes(tar: &[u8]) -> Vec<(String, Option<oci_layout::Digest>, String)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), tar).unwrap();
    verify(file.path())
}

#[test]
fn a_good_archive_has_no_findings() {
    let layout = Layout::good();
    assert_eq!(verify_bytes(&pack(&entries(layout.path()))), []);
    // Without entries for folders, and with a leading dot, as other tools pack them.
    let mut files = Vec::new();
    for (name, entry) in entries(layout.path()).into_iter().filter(|(_, entry)| entry[156] == b'0')
    {
        let contents = fs::read(layout.path().join(&name)).unwrap();
        assert!(entry.len() > contents.len());
        files.push(raw_tar::file(&format!("./{name}"), &contents));
    }
    assert_eq!(verify_bytes(&raw_tar::tar(&files)), []);
}

#[test]
fn archives_have_defects_of_their_own() {
    let layout = Layout::good();
    let digest = layout.digest(&["/manifests/0", "/layers/1"]);
    let blob = format!("blobs/sha256/{}", digest.hex());
    let place = "index.json, manifests[0], layers[1]";
    let good = entries(layout.path());
    let at = good.iter().position(|(name, _)| *name == blob).unwrap();

    let mut twice = good.clone();
    twice.push(good[at].clone());
    let sentence = "is in the archive twice: which of the two is read depends on the tool";
    assert_eq!(verify_bytes(&pack(&twice)), [expected(&blob, None, sentence)]);

    let mut linked = good.clone();
    linked[at].1 = raw_tar::symlink(&blob, "../../elsewhere");
    let sentence = "is a symbolic link and must be a regular file: tools refuse it; replace it \
        with the file itself";
    assert_eq!(verify_bytes(&pack(&linked)), [expected(place, digest, sentence)]);

    let mut without = good.clone();
    without.remove(at);
    let sentence = "is missing: fetch or build the whole image again";
    assert_eq!(verify_bytes(&pack(&without)), [expected(place, digest, sentence)]);

    let tar = pack(&good);
    let sentence = "is a tar without the two blocks of zeros at its end: it may be truncated";
    assert_eq!(verify_bytes(&tar[..tar.len() - 1024]), [expected("archive", None, sentence)]);

    let trailing = [&tar[..], b"\0\0x"].concat();
    let sentence = format!(
        "has bytes after the end of the tar, the first at {}: readers do not see them",
        tar.len() + 2
    );
    assert_eq!(verify_bytes(&trailing), [expected("archive", None, sentence)]);

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), gzip(&tar)).unwrap();
    let sentence =
        format!("is compressed with gzip: unpack it first, with `gzip -dk {:?}`", file.path());
    assert_eq!(verify(file.path()), [expected("archive", None, sentence)]);

    let (_, index) = good.iter().find(|(name, _)| name == "index.json").unwrap();
    let cut = [&index[..], &good[at].1[..600]].concat();
    let (place, _, sentence) = verify_bytes(&cut).swap_remove(0);
    assert_eq!(place, "archive");
    assert!(sentence.starts_with("is a damaged archive (at byte 1"), "{sentence}");

    let found = verify_bytes(b"no tar at all");
    assert_eq!(found[0].0, "archive");
    assert!(
        found[0].2.starts_with(
            "is neither the folder of an image layout, an oci-archive nor a docker-archive ("
        ),
        "{}",
        found[0].2
    );
    let missing = "is missing: an image layout requires it";
    assert_eq!(
        found[1..],
        ["blobs", "oci-layout", "index.json"].map(|name| expected(name, None, missing))
    );
}
