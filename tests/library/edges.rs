//! Names, sizes and numbers at and beyond the limits of tar.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
};

use crate::common::{
    bytes, decoded, files_in, lines, members, message, rich::long_path, run, text,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use oci_layout::{Blob, Compression, FileMapping, Layer, LayerOptions, layer_tar};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The members that Python's `tarfile` finds in this uncompressed tar.
fn python_lists(tar: &Path) -> Vec<Value> {
    const SCRIPT: &str = r#"
import base64, json, sys, tarfile
b64 = lambda text: base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
with tarfile.open(sys.argv[1], "r:") as tar:
    for member in tar:
        print(json.dumps([b64(member.name), member.type.decode(), b64(member.linkname), member.size]))
"#;
    let output = run(Command::new("python3").args(["-c", SCRIPT]).arg(tar).env("PYTHONUTF8", "1"));
    serde_json::Deserializer::from_slice(&output).into_iter().map(Result::unwrap).collect()
}

/// Files, directories and links with such names, and links with such targets, are read back
/// unchanged.
#[test]
fn names_of_every_length_and_kind() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    let mut names: Vec<PathBuf> =
        [99, 100, 101, 155, 156, 255, 256, 257, 1000].into_iter().map(long_path).collect();
    for name in [
        &b"\xff\xfe\x80"[..],
        b"\xe4",
        b" ",
        b"  a  b  ",
        b"a:b",
        b"a\nb",
        b"\n",
        b"a\\b",
        b"a\tb",
        b"-rf",
        b"...",
        b"~",
        b"a=b",
        b"*",
        b"?[x]",
        b"%s",
        b"'\"$`!",
        b"\x01",
        b"\x7f",
        "\u{e9}".as_bytes(),
        "e\u{301}".as_bytes(),
        "\u{202e}".as_bytes(),
        b"wh.x",
        b".w",
        b"NUL.txt",
    ] {
        names.push(PathBuf::from(OsStr::from_bytes(name)));
        // The same, with names that are too long for a header.
        names.push(PathBuf::from(OsStr::from_bytes(&[&b"long"[..], &[b'-'; 100], name].concat())));
    }
    for name in &names {
        for (folder, kind) in [("files", 0), ("directories", 1), ("links", 2)] {
            let path = source.join(folder).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match kind {
                0 => fs::write(&path, "x").unwrap(),
                1 => fs::create_dir(&path).unwrap(),
                _ => symlink(name, &path).unwrap(),
            }
        }
    }
    let mut expected = Vec::new();
    for path in files_in(&source) {
        let file = source.join(&path);
        let metadata = fs::symlink_metadata(&file).unwrap();
        let target = fs::read_link(&file).unwrap_or_default();
        let kind = if metadata.is_dir() {
            "5"
        } else if metadata.is_symlink() {
            "2"
        } else {
            "0"
        };
        let base64 = |path: &Path| BASE64_STANDARD.encode(path.as_os_str().as_bytes());
        expected.push(json!([base64(&path), kind, base64(&target), u64::from(metadata.is_file())]));
    }
    let layer = layer_tar(
        [FileMapping::new(&source, "/")],
        LayerOptions::from(Compression::None).store(dir.path().join("layout")),
    );
    let mut found = python_lists(layer.unwrap().file().unwrap());
    // Another test checks the order.
    let key = |value: &Value| value[0].as_str().unwrap().to_owned();
    expected.sort_by_key(key);
    found.sort_by_key(key);
    assert_eq!(found, expected);
    assert_eq!(found.iter().filter(|member| member[1] == "2").count(), names.len());
}

#[test]
fn destinations_are_paths_from_the_root() {
    for (destination, expected) in [
        ("/etc/x", "etc/x"),
        ("etc/x", "etc/x"),
        ("./etc//x", "etc/x"),
        ("/etc/./x", "etc/x"),
        ("//etc/x", "etc/x"),
    ] {
        let lines = lines([FileMapping::text("", destination)], LayerOptions::default());
        assert_eq!(
            lines,
            ["d0755 0:0 1 etc/".to_owned(), format!("-0644 0:0 1 {expected} \"\"")],
            "{destination}"
        );
    }
    for root in ["/", ".", "./", "//"] {
        assert_eq!(
            lines([FileMapping::directory(root)], LayerOptions::default()),
            ["d0755 0:0 1 ./"],
            "{root}"
        );
    }
}

#[test]
fn invalid_destinations_are_errors() {
    let text = |destination: &str| FileMapping::text("", destination);
    for (mapping, reason) in [
        (text(""), "is empty: write a path in the image, for example /bin/app"),
        (text(".."), "has `..`: write the path in the image without it"),
        (text("/a/../b"), "has `..`: write the path in the image without it"),
        (text("a\0b"), "has a NUL byte, which a path cannot contain: remove it"),
        (
            text("/a/.wh.b"),
            "starts with `.wh.`, which would remove a file of the layers below: rename or exclude \
             it, or use a whiteout mapping",
        ),
        (
            FileMapping::directory("/.wh..wh..opq/b"),
            "starts with `.wh.`, which would remove a file of the layers below: rename or exclude \
             it, or use a whiteout mapping",
        ),
        (
            FileMapping::whiteout("/"),
            "is the root, which cannot be removed: use an opaque whiteout to empty it",
        ),
        (text("/"), "is the root, which is a directory: use a path in it"),
        (FileMapping::symlink("x", "./"), "is the root, which is a directory: use a path in it"),
    ] {
        let expected = format!("destination {:?} {reason}", mapping.destination);
        assert_eq!(message(layer_tar([mapping], LayerOptions::default())), expected);
    }
}

/// Files that end just before, at and just after the end of a tar block and of a compressed block.
#[test]
fn sizes_at_every_boundary() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("f");
    let mut sizes = vec![0, 1, 511, 512, 513];
    for block in [1 << 20, 4 << 20] {
        // The header and the end of the archive take 1536 bytes. With that many bytes less, the tar
        // has exactly one block.
        sizes.extend([block - 1537, block - 1536, block - 1535, block - 1, block, block + 1]);
    }
    for size in sizes {
        let contents = text(size, 5);
        fs::write(&source, &contents).unwrap();
        let tar_size = 512 + size.next_multiple_of(512) + 1024;
        for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
            let layer = layer_tar([FileMapping::new(&source, "/f")], compression).unwrap();
            let tar = decoded(&layer);
            assert_eq!(
                (tar.len(), layer.tar_size()),
                (tar_size, tar_size as u64),
                "{size} bytes, {compression}"
            );
            let [member] = &members(&tar)[..] else {
                panic!("one member of {size} bytes, {compression}")
            };
            assert!(member.content == contents, "{size} bytes, {compression}");
            assert!(tar[512 + size..].iter().all(|&byte| byte == 0), "{size} bytes, {compression}");
        }
    }
}

/// The maximum size in a header is 8 GiB minus one byte.
#[test]
fn a_file_above_eight_gibibytes() {
    // Holes take no space.
    let dir = TempDir::new_in("/dev/shm").unwrap();
    let size = (8_u64 << 30) + 1;
    let source = File::create(dir.path().join("sparse")).unwrap();
    source.set_len(size).unwrap();
    source.write_all_at(b"begin", 0).unwrap();
    let layer = layer_tar([FileMapping::new(dir.path(), "/")], Compression::None).unwrap();
    let tar_size = 3 * 512 + size.next_multiple_of(512) + 1024;
    assert_eq!((layer.tar_size(), layer.descriptor().size), (tar_size, tar_size));
    assert_eq!(layer.diff_id(), layer.descriptor().digest);
    // The first bytes of the tar suffice.
    let mut head = vec![0; 4 * 512];
    layer.open().unwrap().read_exact(&mut head).unwrap();
    let file = dir.path().join("head.tar");
    fs::write(&file, &head).unwrap();
    File::options().write(true).open(&file).unwrap().set_len(tar_size).unwrap();
    assert_eq!(python_lists(&file), [json!([BASE64_STANDARD.encode("sparse"), "0", "", size])]);
    assert!(head[3 * 512..].starts_with(b"begin\0"));
}

#[test]
fn an_empty_layer() {
    let layer = layer_tar(Vec::<FileMapping>::new(), Compression::None).unwrap();
    assert_eq!(bytes(&layer), [0; 1024]);
    // The result of `head -c 1024 /dev/zero | sha256sum`.
    let empty = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(layer.diff_id().to_string(), empty);
    for compression in [Compression::GZIP, Compression::ZSTD] {
        let layer = layer_tar(Vec::<FileMapping>::new(), compression).unwrap();
        assert_eq!(
            (decoded(&layer), layer.diff_id().to_string()),
            (vec![0; 1024], empty.to_owned())
        );
    }
    let dir = TempDir::new().unwrap();
    assert_eq!(
        lines([FileMapping::new(dir.path(), "/")], LayerOptions::default()),
        [] as [&str; 0]
    );
    assert_eq!(
        lines([FileMapping::new(dir.path(), "/e")], LayerOptions::default()),
        ["d0755 0:0 1 e/"]
    );
}

#[test]
fn a_hundred_thousand_files() {
    let dir = TempDir::new_in("/dev/shm").unwrap();
    for folder in 0..100 {
        let folder = dir.path().join(format!("folder-{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..1000 {
            File::create(folder.join(format!("file-{file}")))
                .unwrap()
                .write_all_at(b"x", 0)
                .unwrap();
        }
    }
    let layer = layer_tar([FileMapping::new(dir.path(), "/")], Compression::None).unwrap();
    assert_eq!(layer.tar_size(), 100 * 512 + 100_000 * 1024 + 1024);
    let tar = bytes(&layer);
    let mut count = 0;
    let mut last = Vec::new();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let path: Vec<Vec<u8>> =
            entry.unwrap().path_bytes().split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect();
        assert!(last < path, "{last:?} is before {path:?}");
        last = path;
        count += 1;
    }
    assert_eq!(count, 100_100);
}
