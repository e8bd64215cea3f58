//! Members whose paths pass through links of earlier members land where extracting the tar puts
//! them.

use std::{fs, path::Path, process::Command};

use oci_layout::{FileMapping, LayerOptions, layer_tar};
use tempfile::TempDir;

use super::{header, layer, layer_of, write};

/// A member, in words: `d DIR`, `f FILE`, `l LINK TARGET`, `h LINK TARGET`.
fn tar(members: &[&str]) -> Vec<u8> {
    let member = |member: &&str| {
        let words: Vec<_> = member.split(' ').collect();
        let kind = match words[0] {
            "d" => b'5',
            "f" => b'0',
            "l" => b'2',
            "h" => b'1',
            other => panic!("{other}"),
        };
        let contents =
            if kind == b'0' && !words[1].contains(".wh.") { words[1].as_bytes() } else { b"" };
        let mut block = header(words[1].as_bytes(), kind, contents.len() as u64, |header| {
            header.set_mode(0o755);
            let target = words.get(2).unwrap_or(&"").as_bytes();
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        });
        block.extend_from_slice(contents);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    };
    let mut tar: Vec<u8> = members.iter().flat_map(member).collect();
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// The files that GNU tar extracts: every path with its kind, and its target or contents.
fn extracted(tar: &[u8]) -> Result<Vec<String>, String> {
    let dir = TempDir::new().unwrap();
    let archive = write(&dir, "x.tar", tar);
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let output = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&root).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut paths = Vec::new();
    for entry in walkdir::WalkDir::new(&root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&root).unwrap().display().to_string();
        paths.push(match entry.file_type() {
            kind if kind.is_dir() => format!("{path}/"),
            kind if kind.is_symlink() => {
                format!("{path} -> {}", fs::read_link(entry.path()).unwrap().display())
            }
            _ => format!("{path} {}", fs::read_to_string(entry.path()).unwrap()),
        });
    }
    Ok(paths)
}

#[test]
fn members_below_links_land_where_gnu_tar_puts_them() {
    for members in [
        &["d usr/lib", "l lib usr/lib", "f lib/x"][..],
        &["d usr/lib", "l lib64 lib", "l lib usr/lib", "f lib64/x"],
        &["f usr/lib/y", "l lib usr/lib", "f lib/x"],
        &["d usr/lib", "f usr/lib/y", "l lib usr/lib", "d lib", "f lib/x"],
        &["d usr/lib", "d lib", "l lib usr/lib", "f lib/x"],
        &["d usr/lib", "l lib usr/lib", "d lib/sub", "f lib/sub/x"],
        &["d usr/lib", "l lib usr/lib", "l lib/m x", "f lib/x"],
        &["d usr/a", "d usr/b", "l lib usr/a", "f lib/x", "l lib usr/b", "f lib/y"],
        &["d real/sub", "l l real", "l m l/sub", "f m/x"],
        &["d real/sub", "f real/up", "l l real/sub", "l m l/up", "f l/y"],
        &["l l .", "f l/x", "f l/l/y"],
        &["d usr/lib", "l lib usr/lib", "f usr/lib/a", "h b lib/a"],
        &["d usr/lib", "l lib usr/lib", "f a", "h lib/b a"],
        &["f a", "l l a", "h b l"],
        &["f a", "l l a", "f l"],
        &["d usr/lib", "l lib usr/lib", "f lib/.wh.x"],
        &["d usr/lib", "l ./lib usr/lib", "f ./lib//x"],
        &["d usr/lib", "f lib/x", "f usr/lib/y"],
    ] {
        let source = tar(members);
        let expected = extracted(&source).unwrap_or_else(|error| panic!("{members:?}: {error}"));
        let dir = TempDir::new().unwrap();
        assert_eq!(extracted(&layer_of(&dir, &source)).unwrap(), expected, "{members:?}");
    }
}

/// GNU tar and bsdtar fail on all of these. Each message names the member.
#[test]
fn dangling_links_on_the_way_to_a_member() {
    for (members, reason) in [
        (
            &["l lib usr/lib", "f lib/x"][..],
            "\"lib/x\" passes through a symbolic link to \"usr/lib\", which is not an earlier \
             directory",
        ),
        (
            &["f usr", "l lib usr", "f lib/x"],
            "\"lib/x\" passes through a symbolic link to \"usr\", which is not an earlier \
             directory",
        ),
        (&["l a b", "l b a", "f a/x"], "\"a/x\" passes through a loop of symbolic links"),
        (&["l a a", "f a/x"], "\"a/x\" passes through a loop of symbolic links"),
        (
            &["l a ../..", "f a/x"],
            "\"a/x\" passes through a symbolic link that leads out of the root",
        ),
        (
            &["d d", "l d/a ../../etc", "f d/a/x"],
            "\"d/a/x\" passes through a symbolic link that leads out of the root",
        ),
        (&["f a", "l b c", "h b/x a"], "\"b/x\" passes through a symbolic link to \"c\""),
        (&["d d", "l b c", "h d/x b/a"], "\"d/x\" passes through a symbolic link to \"c\""),
    ] {
        let source = tar(members);
        extracted(&source).unwrap_err();
        let dir = TempDir::new().unwrap();
        let path = write(&dir, "x.tar", &source);
        for policy in ["Error", "FirstWins", "LastWins"] {
            let policy = match policy {
                "Error" => oci_layout::OnConflict::Error,
                "FirstWins" => oci_layout::OnConflict::FirstWins,
                _ => oci_layout::OnConflict::LastWins,
            };
            let options = LayerOptions::default().on_conflict(policy);
            let error = layer_tar([FileMapping::tar(&path, "/")], options).unwrap_err().to_string();
            assert!(error.contains(reason), "{members:?}: {error}");
        }
    }
    // An excluded member may pass through any link.
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "x.tar", &tar(&["l a b", "l b a", "f a/x", "f c"]));
    layer([FileMapping::tar(path, "/").exclude("a/x")], LayerOptions::default());
}

/// An absolute link starts at the root of the image, as in a container. GNU tar creates such links
/// last, unless it is told to trust them (`-P`).
#[test]
fn absolute_links_and_links_to_parents() {
    let names = |members: &[&str], destination: &str| -> oci_layout::Result<Vec<_>> {
        let dir = TempDir::new().unwrap();
        let path = write(&dir, "x.tar", &tar(members));
        let made = layer_tar([FileMapping::tar(path, destination)], LayerOptions::default())?;
        let entries = oci_layout::layer_entries(&made)?.map(|entry| entry.unwrap().path);
        Ok(entries.collect())
    };
    let root = ["lib", "usr/", "usr/lib/", "usr/lib/x"].map(Path::new);
    assert_eq!(names(&["d usr/lib", "l lib /usr/lib", "f lib/x"], "/").unwrap(), root);
    assert_eq!(names(&["d usr/lib", "l lib usr/../usr/lib", "f lib/x"], "/").unwrap(), root);
    let below = ["a/", "a/lib", "usr/", "usr/lib/", "usr/lib/x"].map(Path::new);
    assert_eq!(
        names(&["d usr/lib", "d a", "l a/lib ../usr/lib", "f a/lib/x"], "/").unwrap(),
        below
    );
    // Below a destination, the link leads into it or out of it.
    let inside = ["opt/", "opt/lib", "opt/usr/", "opt/usr/lib/", "opt/usr/lib/x"].map(Path::new);
    assert_eq!(names(&["d usr/lib", "l lib /opt/usr/lib", "f lib/x"], "/opt").unwrap(), inside);
    let out = names(&["d usr/lib", "l lib /usr/lib", "f lib/x"], "/opt").unwrap_err().to_string();
    assert!(
        out.contains("a symbolic link to \"/usr/lib\", which is outside of the destination"),
        "{out}"
    );
}
