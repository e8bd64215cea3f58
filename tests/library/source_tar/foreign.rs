//! Tars that other programs write.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use oci_layout::{Compression, FileMapping, Layer, LayerOptions, Warning, layer_tar};
use tempfile::TempDir;

use crate::common::gzip;

use super::{header, layer, layer_of, list::tar_crate, write};

fn padded(mut header: Vec<u8>, contents: &[u8]) -> Vec<u8> {
    header.extend_from_slice(contents);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

fn file(name: &str, contents: &[u8]) -> Vec<u8> {
    padded(header(name.as_bytes(), b'0', contents.len() as u64, |_| ()), contents)
}

fn options(dir: &TempDir) -> LayerOptions {
    LayerOptions::default().scratch(dir.path().join("scratch"))
}

/// The names that GNU tar and bsdtar extract, which must be equal.
fn extracted(path: &Path) -> Vec<String> {
    let [gnu, bsd] = ["tar", "bsdtar"].map(|program| {
        let dir = TempDir::new().unwrap();
        let output = Command::new(program).arg("-xf").arg(path).arg("-C").arg(dir.path()).output();
        let output = output.unwrap_or_else(|error| {
            panic!("{program}: {error}; tests/run installs what the tests need")
        });
        assert!(
            output.status.success(),
            "{program} {path:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let files = walkdir::WalkDir::new(&dir).min_depth(1).sort_by_file_name().into_iter();
        files
            .map(|file| file.unwrap().path().strip_prefix(&dir).unwrap().display().to_string())
            .collect::<Vec<_>>()
    });
    assert_eq!(gnu, bsd, "{path:?}");
    gnu
}

#[test]
fn tars_that_gnu_tar_and_bsdtar_read() {
    let (a, end) = (file("a", b"x"), vec![0; 1024]);
    let label = header(b"Volume", b'V', 0, |_| ());
    let dump = padded(header(b"dir", b'D', 4, |_| ()), b"Yf\0\0");
    for (name, tar, is_ended) in [
        ("label", [&label[..], &a, &end].concat(), true),
        ("dump", [&dump[..], &file("dir/f", b"y"), &end].concat(), true),
        ("padded", [&a[..], &[0; 10240]].concat(), true),
        ("unended", a.clone(), false),
        ("half ended", [&a[..], &[0; 512]].concat(), false),
        ("zeros", gzip(&[&a[..], &end].concat()).into_iter().chain([0; 10_000]).collect(), true),
        ("two members", [gzip(&a), gzip(&end)].concat(), true),
        ("unended gzip", gzip(&a), false),
    ] {
        let dir = TempDir::new().unwrap();
        let path = write(&dir, "x.tar", &tar);
        let expected = extracted(&path);
        let (made, bytes) = layer([FileMapping::tar(&path, "/")], options(&dir));
        let lines = tar_crate(&bytes);
        let names: Vec<_> = lines
            .iter()
            .map(|line| line.split(' ').nth(1).unwrap().trim_end_matches('/'))
            .collect();
        assert_eq!(names, expected, "{name}");
        let unended = [Warning::TarUnended { path: path.clone() }];
        assert_eq!(made.warnings(), if is_ended { &[][..] } else { &unended }, "{name}");
        let strict = layer_tar([FileMapping::tar(&path, "/")], options(&dir).strict(true));
        assert_eq!(strict.is_ok(), is_ended, "{name}");
    }
}

#[test]
fn tars_that_gnu_tar_or_bsdtar_refuse_are_errors() {
    let (a, end) = (file("a", b"x"), vec![0; 1024]);
    for (name, tar, reason) in [
        (
            "continued",
            [padded(header(b"c", b'M', 1, |_| ()), b"y"), end.clone()].concat(),
            "\"c\" is the rest of a file that starts in another volume",
        ),
        (
            "cut off",
            [&a[..], &header(b"big", b'0', 5000, |_| ()), &[1; 1024]].concat(),
            "extend beyond the end of the tar",
        ),
        ("empty", Vec::new(), "it is empty and therefore not a tar"),
        ("empty gzip", gzip(b""), "it is empty and therefore not a tar"),
        (
            "garbage behind gzip",
            [gzip(&[&a[..], &end].concat()), b"xyz".to_vec()].concat(),
            "data that is not gzip",
        ),
        ("cut-off gzip", gzip(&a)[..40].to_vec(), "it cannot be decompressed"),
        (
            "a whiteout of overlayfs",
            [header(b"gone", b'3', 0, |_| ()), end.clone()].concat(),
            "\"gone\" is a character device 0:0",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let path = write(&dir, "x.tar", &tar);
        let error =
            layer_tar([FileMapping::tar(&path, "/")], options(&dir)).unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    // An access control list of Solaris has the name of its file, so it cannot be excluded alone.
    let list = padded(header(b"a", b'A', 5, |_| ()), b"user:");
    let dir = TempDir::new().unwrap();
    let path = write(&dir, "x.tar", &[list, a.clone(), end.clone()].concat());
    let (made, bytes) = layer([FileMapping::tar(&path, "/")], options(&dir));
    assert_eq!(bytes, layer_of(&dir, &[a, end].concat()));
    assert!(
        made.warnings()[0]
            .to_string()
            .contains("the member \"a\" is an access control list of Solaris")
    );
}

#[test]
fn a_small_tar_does_not_become_a_large_one() {
    let dir = TempDir::new().unwrap();
    let script = "truncate -s 60G holes && tar --sparse -cf sparse.tar holes && tar --sparse \
         --format=posix -cf pax.tar holes
        head -c 3000000 /dev/zero > zeros && tar -cf zeros.tar zeros && gzip -k zeros.tar && zstd \
        -q zeros.tar";
    assert!(Command::new("sh").args(["-ec", script]).current_dir(&dir).status().unwrap().success());
    for name in ["sparse.tar", "pax.tar"] {
        let path = dir.path().join(name);
        assert!(fs::metadata(&path).unwrap().len() < 20_000);
        let error =
            layer_tar([FileMapping::tar(&path, "/")], options(&dir)).unwrap_err().to_string();
        assert!(
            error.contains("it unpacks to more than the limit of 17179869184 bytes: "),
            "{error}"
        );
        // Excluded members are not unpacked.
        let files = [FileMapping::tar(&path, "/").exclude("holes")];
        layer_tar(files, options(&dir).compression(Compression::None)).unwrap();
    }
    let mut compressed = vec!["zeros.tar.gz"];
    if cfg!(feature = "zstd") {
        compressed.push("zeros.tar.zst");
    }
    for name in compressed {
        let of = |limit| {
            layer_tar(
                [FileMapping::tar(dir.path().join(name), "/")],
                options(&dir).unpack_limit(limit),
            )
        };
        let size = fs::metadata(dir.path().join("zeros.tar")).unwrap().len();
        of(size).unwrap();
        let error = of(size - 1).unwrap_err().to_string();
        assert!(
            error.contains(&format!("it unpacks to more than the limit of {} bytes: ", size - 1)),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path().join("scratch")).unwrap().count(), 0);
    }
    // A file that is stored completely does not count, because its size is that of the tar.
    layer_tar([FileMapping::tar(dir.path().join("zeros.tar"), "/")], options(&dir).unpack_limit(0))
        .unwrap();
}

#[test]
fn a_pipe_is_read_once() {
    let dir = TempDir::new().unwrap();
    let tar = [file("a", b"x"), vec![0; 1024]].concat();
    let (expected, _) = layer([FileMapping::tar(write(&dir, "x.tar", &tar), "/")], options(&dir));
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for source in [write(&dir, "x.tar", &tar), write(&dir, "x.tar.gz", &gzip(&tar))] {
        let mut writer = Command::new("cp");
        let mut writer = writer.arg(source).arg(&pipe).stdin(Stdio::null()).spawn().unwrap();
        let (made, _) = layer([FileMapping::tar(&pipe, "/")], options(&dir).recipe(true));
        assert_eq!(made.diff_id(), expected.diff_id());
        assert!(oci_layout::Blob::recipe(&made).is_none());
        assert!(writer.wait().unwrap().success());
    }
    let twice = [FileMapping::tar(&pipe, "/"), FileMapping::new(&pipe, "/b")];
    let error = layer_tar(twice, options(&dir)).unwrap_err().to_string();
    assert!(error.contains("is a pipe and is given twice"), "{error}");
    let error =
        layer_tar([FileMapping::tar(&pipe, "/")], LayerOptions::default()).unwrap_err().to_string();
    assert!(
        error.contains("is a pipe, which can be read only once, and there is no folder"),
        "{error}"
    );
    let error =
        layer_tar([FileMapping::tar(dir.path(), "/")], options(&dir)).unwrap_err().to_string();
    assert!(error.contains("it is a folder: use it as a source of files"), "{error}");
}

#[test]
fn attributes_of_the_machine_are_omitted() {
    let dir = TempDir::new().unwrap();
    let script = r#"
import tarfile, io
tar = tarfile.open("x.tar", "w", format=tarfile.PAX_FORMAT)
names = ["trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque", "security.selinux", "security.ima",
    "security.evm", "system.nfs4_acl", "user.kept", "security.capability", "trusted.kept"]
member = tarfile.TarInfo("d"); member.type = tarfile.DIRTYPE; member.mode = 0o755
member.pax_headers = {"SCHILY.xattr." + name: "y" for name in names}
tar.addfile(member)
tar.close()
"#;
    assert!(
        Command::new("python3").args(["-c", script]).current_dir(&dir).status().unwrap().success()
    );
    let (made, bytes) =
        layer([FileMapping::tar(dir.path().join("x.tar"), "/").keep()], options(&dir));
    let line = tar_crate(&bytes).remove(0);
    assert!(line.ends_with(" security.capability=y trusted.kept=y user.kept=y"), "{line}");
    assert!(!line.contains("overlay") && !line.contains("selinux"), "{line}");
    // The marks have a meaning, so their omission is a warning.
    assert!(
        matches!(made.warnings(), [Warning::OverlayMark { path, .. }] if path == Path::new("/d"))
    );
}
