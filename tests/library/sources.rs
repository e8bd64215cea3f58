//! Sources of unusual kinds, that change while they are read, or that cannot be read.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    time::SystemTime,
};

use crate::common::{as_nobody, child, child_argument, lines, message, run};
use oci_layout::{Compression, FileMapping, LayerOptions, Pool, Progress, layer_tar};
use tempfile::TempDir;

/// One thread reads the tar in blocks, one after the other. After the first block, nothing of the
/// file after it has been read. A change then is found, with its name.
#[test]
fn a_source_changes_while_it_is_read() {
    type Change = fn(&Path);
    let rows: [(&str, Change); 8] = [
        ("shrank", |path| File::options().write(true).open(path).unwrap().set_len(5).unwrap()),
        ("shrank", |path| File::options().write(true).open(path).unwrap().set_len(0).unwrap()),
        ("grew", |path| {
            File::options().append(true).open(path).unwrap().write_all(b"more").unwrap()
        }),
        ("vanished", |path| fs::remove_file(path).unwrap()),
        ("changed", |path| fs::write(path, "CONTENTS").unwrap()),
        ("changed", |path| {
            // Another file of the same size and time.
            let (new, time) =
                (path.with_extension("new"), path.metadata().unwrap().modified().unwrap());
            fs::write(&new, "CONTENTS").unwrap();
            File::open(&new).unwrap().set_modified(time).unwrap();
            fs::rename(&new, path).unwrap();
        }),
        ("changed", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("changed", |path| {
            let other = path.with_extension("other");
            fs::rename(path, &other).unwrap();
            fs::write(&other, "CONTENTS").unwrap();
            symlink(other, path).unwrap();
        }),
    ];
    for (n, (expected, change)) in rows.into_iter().enumerate() {
        for compression in [Compression::None, Compression::default()] {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("source");
            fs::write(&path, "contents").unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            let source = path.clone();
            let first = std::sync::Once::new();
            let progress = Progress::new(move |_, _| first.call_once(|| change(&source)));
            let options = LayerOptions::from(compression).progress(progress);
            let files = [FileMapping::bytes(vec![0; 9 << 20], "/a"), FileMapping::new(&path, "/b")];
            let said = message(layer_tar(files, options.pool(&Pool::new(1))));
            let expected = format!(
                "source {path:?} {expected} while it was being read: build again when nothing \
                 writes to it"
            );
            assert_eq!(said, expected, "row {n}, {compression}");
        }
    }
}

/// A described layer reads its sources again when it is opened, and never returns other bytes.
#[test]
fn a_source_changes_before_it_is_read_again() {
    use std::io::Read;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("source");
    fs::write(&path, "contents").unwrap();
    let layer = layer_tar([FileMapping::new(&path, "/b")], Compression::None).unwrap();
    fs::write(&path, "contents and more").unwrap();
    let mut bytes = Vec::new();
    let error = oci_layout::Blob::open(&layer).unwrap().read_to_end(&mut bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "source {path:?} grew while it was being read: build again when nothing writes to it"
        )
    );
    assert_eq!(bytes, b"");
}

#[test]
fn an_unreadable_source_is_an_error() {
    if let Some(dir) = child_argument() {
        for (source, unreadable) in [
            ("file", "file"),
            ("folder", "folder/unreadable"),
            ("folder/unreadable", "folder/unreadable"),
        ] {
            let said =
                message(layer_tar([FileMapping::new(dir.join(source), "/x")], Compression::None));
            assert_eq!(
                said,
                format!(
                    "cannot read source {:?}: Permission denied (os error 13)",
                    dir.join(unreadable)
                )
            );
        }
        // Excluded files need not be readable.
        let rest =
            FileMapping::new(&dir, "/").exclude("file").exclude("folder").exclude("test-of-nobody");
        return assert_eq!(lines([rest], LayerOptions::default()), ["-0644 0:0 1 rest \"\""]);
    }
    let dir = TempDir::new().unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    fs::write(dir.path().join("file"), "secret").unwrap();
    fs::write(dir.path().join("rest"), "").unwrap();
    fs::create_dir_all(dir.path().join("folder/unreadable/below")).unwrap();
    let mut command =
        as_nobody(&mut child(an_unreadable_source_is_an_error, dir.path()), dir.path());
    mode("file", 0o000);
    mode("folder/unreadable", 0o000);
    run(&mut command);
    mode("folder/unreadable", 0o755);
}

#[test]
fn sockets_fifos_and_devices() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    run(Command::new("mkfifo").arg(at("fifo")));
    for (path, kind) in [(at("socket"), "socket"), (Path::new("/dev/zero").into(), "device")] {
        let said = message(layer_tar([FileMapping::new(&path, "/x")], Compression::None));
        let expected = format!(
            "source {path:?} is a {kind}, but a layer can only contain the bytes of files and \
             pipes: "
        );
        assert!(said.starts_with(&expected), "{said}");
    }
    // Opening a pipe without a writer would wait, so the missing folder is reported first.
    let said = message(layer_tar([FileMapping::new(at("fifo"), "/x")], Compression::None));
    assert!(
        said.starts_with(&format!(
            "source {:?} is a pipe, which can be read only once, and ",
            at("fifo")
        )),
        "{said}"
    );
    let null = [FileMapping::new("/dev/null", "/x")];
    assert_eq!(lines(null, LayerOptions::default()), ["-0644 0:0 1 x \"\""]);
    let folder = || FileMapping::new(dir.path(), "/x");
    let said = message(layer_tar([folder().exclude("fifo")], Compression::None));
    assert_eq!(
        said,
        format!(
            "source {:?} is a socket, which a layer cannot include from a folder: exclude it",
            at("socket")
        )
    );
    assert_eq!(
        lines([folder().exclude("{fifo,socket}")], LayerOptions::default()),
        ["d0755 0:0 1 x/"]
    );
    // A link to one is a link.
    symlink("/dev/null", at("link")).unwrap();
    let lines = lines([folder().include("link")], LayerOptions::default());
    assert_eq!(lines, ["d0755 0:0 1 x/", "l0777 0:0 1 x/link -> /dev/null"]);
}

/// The name would remove a file of the layers below.
#[test]
fn a_source_named_like_a_whiteout() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(".wh.x");
    fs::write(&path, "").unwrap();
    let said = message(layer_tar([FileMapping::new(dir.path(), "/d")], Compression::None));
    assert!(said.starts_with(&format!("destination {path:?} starts with `.wh.`, ")), "{said}");
    let excluded = FileMapping::new(dir.path(), "/d").exclude(".wh.*");
    assert_eq!(lines([excluded], LayerOptions::default()), ["d0755 0:0 1 d/"]);
    assert_eq!(
        lines([FileMapping::new(&path, "/x")], LayerOptions::default()),
        ["-0644 0:0 1 x \"\""]
    );
}

/// A link that is the source is followed by default. Links in a folder never are.
#[test]
fn links_as_sources() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("folder/file"), "x").unwrap();
    symlink("file", at("folder/to-file")).unwrap();
    symlink("..", at("folder/up")).unwrap();
    symlink("folder", at("to-folder")).unwrap();
    symlink("to-folder", at("to-link")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let of = |name: &str, follow| {
        lines([FileMapping::new(at(name), "/x").follow(follow)], LayerOptions::default())
    };
    let folder = [
        "d0755 0:0 1 x/",
        "-0644 0:0 1 x/file \"x\"",
        "l0777 0:0 1 x/to-file -> file",
        "l0777 0:0 1 x/up -> ..",
    ];
    for name in ["folder", "to-folder", "to-link"] {
        assert_eq!(of(name, true), folder, "{name}");
    }
    assert_eq!(of("folder", false), folder);
    assert_eq!(of("to-folder", false), ["l0777 0:0 1 x -> folder"]);
    assert_eq!(of("dangling", false), ["l0777 0:0 1 x -> nowhere"]);
    assert_eq!(of("folder/to-file", true), ["-0644 0:0 1 x \"x\""]);
    let said = message(layer_tar([FileMapping::new(at("dangling"), "/x")], Compression::None));
    assert_eq!(
        said,
        format!(
            "cannot read source {:?}: it is a link to \"nowhere\", which does not exist",
            at("dangling")
        )
    );
}
