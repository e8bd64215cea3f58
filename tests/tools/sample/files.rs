//! The files of the sample: each mapping with the expected entry.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, lchown, symlink as make_link};
use std::path::{Path, PathBuf};

use oci_layout::{Attribute, FileMapping};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::common::hello::busybox;
use crate::common::tool::{run, tool};
use crate::tools::entry::{Entry, Kind, directory, file, hard_link, special, symlink};

/// A mapping, and its entry.
pub type Row = (FileMapping, Vec<Entry>);

/// The mappings of the sample's lower layer. Creates their files in this folder.
pub fn lower(dir: &Path) -> Vec<Row> {
    let made = [modes_and_owners(), times(), paths(), links(), sizes(), xattrs(), to_be_removed()]
        .concat();
    [programs(), made, from_folder(&make_tree(dir)), from_tar(&make_tar(dir))].concat()
}

fn programs() -> Vec<Row> {
    let busybox = busybox();
    let content = fs::read(&busybox).unwrap();
    let mut rows = vec![
        (FileMapping::new(busybox, "/bin/busybox"), vec![file("bin/busybox", content).mode(0o755)]),
        (
            FileMapping::text(REPORT, "/bin/report").mode(0o755),
            vec![file("bin/report", REPORT).mode(0o755)],
        ),
    ];
    for applet in ["cat", "id", "ls", "sh"] {
        let path = format!("bin/{applet}");
        rows.push((FileMapping::symlink("busybox", &path), vec![symlink(&path, "busybox")]));
    }
    rows
}

/// The program of the image prints its arguments, working directory, user and environment.
const REPORT: &str = r#"#!/bin/sh
for arg; do echo "arg $arg"; done
echo "in $(pwd)"
echo "$(id -u):$(id -g)"
echo "$GREETING"
"#;

fn modes_and_owners() -> Vec<Row> {
    let file_with = |path: &str, mode, uid, gid| {
        (
            FileMapping::text(path, path).mode(mode).owner(uid, gid),
            vec![file(path, path).mode(mode).owner(uid, gid)],
        )
    };
    let folder_with = |path: &str, mode, uid, gid| {
        let mapping = FileMapping::directory(path).mode(mode).owner(uid, gid);
        (mapping, vec![directory(path).mode(mode).owner(uid, gid)])
    };
    vec![
        (FileMapping::text("default", "/modes/default"), vec![file("modes/default", "default")]),
        file_with("modes/none", 0o000, 0, 0),
        file_with("modes/secret", 0o600, 1000, 1001),
        file_with("modes/setuid", 0o4755, 0, 50),
        file_with("modes/setgid", 0o2711, 5, 6),
        // The maximum of ustar's fields is 2,097,151.
        file_with("modes/owner-below-limit", 0o644, 2_097_151, 2_097_151),
        file_with("modes/owner-above-limit", 0o644, 2_097_152, 3_000_000_000),
        folder_with("tmp", 0o1777, 0, 0),
        folder_with("modes/private", 0o700, 1000, 1001),
        folder_with("modes/setgid-folder", 0o2775, 1000, 1001),
        (
            FileMapping::symlink("/", "/modes/link").owner(3_000_000, 4),
            vec![symlink("modes/link", "/").owner(3_000_000, 4)],
        ),
        (
            FileMapping::text("k", "/rules/a/b/x.key"),
            vec![file("rules/a/b/x.key", "k").mode(0o600).owner(7, 0)],
        ),
        (FileMapping::text("t", "/rules/a/b/x.txt"), vec![file("rules/a/b/x.txt", "t")]),
    ]
}

fn times() -> Vec<Row> {
    // The last two are the maximum of ustar's field, and one more.
    [-86_400, -1, 0, 1, 1_234_567_890, 8_589_934_591, 8_589_934_592]
        .into_iter()
        .map(|time| {
            let path = format!("times/{time}");
            (FileMapping::text(&path, &path).mtime(time), vec![file(&path, &path).mtime(time)])
        })
        .chain([
            (
                FileMapping::directory("/times/folder").mtime(99),
                vec![directory("times/folder").mtime(99)],
            ),
            (
                FileMapping::symlink("1", "/times/link").mtime(98),
                vec![symlink("times/link", "1").mtime(98)],
            ),
        ])
        .collect()
}

fn paths() -> Vec<Row> {
    let names: [&[u8]; 21] = [
        b"with space",
        b" at either end ",
        b"co:lon",
        b"comma,",
        b"new\nline",
        b"tab\t",
        b"control \x01\x1b\x7f",
        b"equals=sign",
        b"-rf",
        b"back\\slash \\n \\061",
        b"\"quoted\" 'twice'",
        b"glob*[a]?{b,c}",
        b"#comment %20 %s $HOME ~ & ; |",
        "gr\u{fc}n".as_bytes(),
        "gru\u{308}n, decomposed".as_bytes(),
        b"latin-1 gr\xfcn",
        b"\xff\xfe\x80",
        b"...",
        b".hidden",
        b".wh",
        b"a.wh.b",
    ];
    // ustar's name and prefix have 100 and 155 bytes, including a folder's trailing slash. The
    // maximum length of a name is 255.
    let lengths =
        [99, 100, 101, 155, 156, 157, 255, 256, 257, 1000].map(|length| path_of(length, 60));
    let long_names = [100, 101, 160, 260].map(|length| path_of(length, 255));
    let odd = names.map(|name| OsString::from_vec([b"names/", name].concat()));
    let files = odd
        .into_iter()
        .chain(lengths.into_iter().chain(long_names).map(OsString::from))
        .map(|path| {
            let content = path.as_bytes();
            (FileMapping::bytes(content, &path), vec![file(&path, content)])
        });
    let folders = [99, 100, 101, 256].map(|length| format!("{}/", path_of(length, 61)));
    files
        .chain(folders.map(|path| {
            (FileMapping::directory(&path), vec![directory(path.trim_end_matches('/'))])
        }))
        .collect()
}

/// A path with this many bytes, of names with at most this many.
fn path_of(length: usize, longest: usize) -> String {
    let mut path = format!("long/{length}-{longest}");
    while path.len() < length {
        let rest = length - path.len() - 1;
        // The rest must not consist of a slash only.
        let name = if rest == longest + 1 { longest - 1 } else { rest.min(longest) };
        path = format!("{path}/{}", "n".repeat(name));
    }
    path
}

fn links() -> Vec<Row> {
    let far = "../".repeat(60) + "bin/busybox";
    let dangling = OsStr::from_bytes(b"to no\nwhere \xff");
    let first = file("links/first", "one content")
        .mode(0o640)
        .owner(3, 4)
        .mtime(5)
        .xattr("user.of", b"both");
    let text = |path: &str| {
        FileMapping::text("one content", path)
            .mode(0o640)
            .owner(3, 4)
            .mtime(5)
            .xattr("user.of", "both")
    };
    let long = file(path_of(150, 120), "linked from afar");
    vec![
        (FileMapping::symlink(&far, "/links/long"), vec![symlink("links/long", &far)]),
        (
            FileMapping::symlink(dangling, "/links/dangling"),
            vec![symlink("links/dangling", dangling)],
        ),
        (
            FileMapping::symlink("/etc/../bin/", "/links/absolute"),
            vec![symlink("links/absolute", "/etc/../bin/")],
        ),
        (text("/links/first"), vec![first.clone()]),
        (text("/links/second"), vec![hard_link("links/second", &first)]),
        (text("/links/z/third"), vec![hard_link("links/z/third", &first)]),
        // The same content with another mode is a separate file.
        (
            text("/links/other").mode(0o600),
            vec![
                file("links/other", "one content")
                    .mode(0o600)
                    .owner(3, 4)
                    .mtime(5)
                    .xattr("user.of", b"both"),
            ],
        ),
        // The target of a hard link with more than 100 bytes.
        (FileMapping::text("linked from afar", &long.path), vec![long.clone()]),
        (FileMapping::text("linked from afar", "/zz/link"), vec![hard_link("zz/link", &long)]),
    ]
}

fn sizes() -> Vec<Row> {
    // The last one is longer than a block of either compression, and is compressible only in part.
    [0, 1, 511, 512, 513, 5 << 20]
        .into_iter()
        .map(|size: u32| {
            let path = format!("sizes/{size}");
            let content: Vec<u8> =
                (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 19) as u8).collect();
            (FileMapping::bytes(content.clone(), &path), vec![file(&path, content)])
        })
        .collect()
}

/// The capability to bind ports below 1024, as the kernel stores it: revision 2, effective, bit 10
/// permitted.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn xattrs() -> Vec<Row> {
    let odd = b"=\0\xff 12";
    let lines = b"\n12 user.c=1\n";
    vec![
        (
            FileMapping::text("server", "/xattrs/server")
                .mode(0o755)
                .xattr("security.capability", CAPABILITY),
            vec![
                file("xattrs/server", "server")
                    .mode(0o755)
                    .xattr("security.capability", CAPABILITY),
            ],
        ),
        (
            FileMapping::text("odd", "/xattrs/odd")
                .xattr("user.a", odd)
                .xattr("user.b.c", b"")
                .xattr("user.n", lines),
            vec![
                file("xattrs/odd", "odd")
                    .xattr("user.a", odd)
                    .xattr("user.b.c", b"")
                    .xattr("user.n", lines),
            ],
        ),
        (
            FileMapping::directory("/xattrs/folder").xattr("user.of", b"folder"),
            vec![directory("xattrs/folder").xattr("user.of", b"folder")],
        ),
    ]
}

/// A folder of the file system with every attribute that can be kept.
fn make_tree(dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("run"), "#!/bin/sh\n").unwrap();
    fs::write(tree.join("data"), "data").unwrap();
    fs::write(tree.join("sub/skipped.tmp"), "").unwrap();
    make_link("data", tree.join("link")).unwrap();
    for (name, mode, uid, gid, mtime) in [
        ("run", 0o750, 11, 12, 1_111),
        ("data", 0o440, 13, 14, -2_222),
        ("link", 0, 15, 16, 3_333),
        ("sub", 0o2770, 17, 18, 4_444),
        ("", 0o711, 19, 20, 5_555),
    ] {
        let path = tree.join(name);
        // In this order, because a new owner removes set-id bits and capabilities.
        lchown(&path, Some(uid), Some(gid)).expect("the tests of real tools run as root");
        if name != "link" {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        if name == "run" {
            xattr::set(&path, "security.capability", CAPABILITY).unwrap();
            xattr::set(&path, "user.kept", b"yes").unwrap();
        }
        let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    tree
}

fn from_folder(tree: &Path) -> Vec<Row> {
    let followed = file("srv/followed", "data");
    vec![
        (
            FileMapping::new(tree, "/srv/normal").exclude("**/*.tmp"),
            vec![
                directory("srv/normal"),
                // This is the second file with this content and these attributes.
                hard_link("srv/normal/data", &followed),
                symlink("srv/normal/link", "data"),
                file("srv/normal/run", "#!/bin/sh\n").mode(0o755),
                directory("srv/normal/sub"),
            ],
        ),
        (
            FileMapping::new(tree, "/srv/kept").exclude("**/*.tmp").keep(),
            vec![
                directory("srv/kept").mode(0o711).owner(19, 20).mtime(5_555),
                file("srv/kept/data", "data").mode(0o440).owner(13, 14).mtime(-2_222),
                symlink("srv/kept/link", "data").owner(15, 16).mtime(3_333),
                file("srv/kept/run", "#!/bin/sh\n")
                    .mode(0o750)
                    .owner(11, 12)
                    .mtime(1_111)
                    .xattr("security.capability", CAPABILITY)
                    .xattr("user.kept", b"yes"),
                directory("srv/kept/sub").mode(0o2770).owner(17, 18).mtime(4_444),
            ],
        ),
        (FileMapping::new(tree.join("link"), "/srv/followed"), vec![followed]),
        (
            FileMapping::new(tree.join("link"), "/srv/link").follow(false),
            vec![symlink("srv/link", "data")],
        ),
        {
            let mut mapping = FileMapping::new(tree.join("run"), "/srv/mode-kept");
            mapping.attributes.mode = Attribute::Keep;
            (mapping, vec![file("srv/mode-kept", "#!/bin/sh\n").mode(0o750)])
        },
    ]
}

/// A tar of GNU tar, with entries that a source folder cannot have: devices, fifos, separate hard
/// links, a sparse file.
fn make_tar(dir: &Path) -> PathBuf {
    let script = "mkdir for-tar; cd for-tar
        echo linked >b; ln b a; printf end | dd of=hole bs=1 seek=1000000 status=none
        mkfifo pipe; mknod null c 1 3; mknod disk b 259 300; mkdir sub; ln -s no/where sub/link
        chown -h 4000000:9 b pipe sub/link; chmod 4710 b; chmod 0620 pipe; chmod 0666 null; chmod \
        0660 disk
        chmod 0640 hole; chmod 2750 sub; touch -h -d @77 * sub/*
        tar --create --format=gnu --sparse --file ../source.tar *";
    run(tool("bash").args(["-euc", script]).current_dir(dir));
    dir.join("source.tar")
}

fn from_tar(tar: &Path) -> Vec<Row> {
    let a = file("tar/a", "linked\n").mode(0o4710).owner(4_000_000, 9);
    let hole = [&[0; 1_000_000][..], b"end"].concat();
    let entries = [
        a.clone(),
        hard_link("tar/b", &a),
        special("tar/disk", Kind::BlockDevice(259, 300)).mode(0o660),
        file("tar/hole", hole).mode(0o640),
        special("tar/null", Kind::CharDevice(1, 3)).mode(0o666),
        special("tar/pipe", Kind::Fifo).mode(0o620).owner(4_000_000, 9),
        directory("tar/sub").mode(0o2750),
        symlink("tar/sub/link", "no/where").owner(4_000_000, 9),
    ];
    vec![(FileMapping::tar(tar, "/tar"), entries.map(|entry| entry.mtime(77)).to_vec())]
}

/// Entries of the lower layer that the upper one removes.
pub const REMOVED: &[&str] =
    &["removed/file", "removed/folder", "removed/emptied/old", "removed/again"];

fn to_be_removed() -> Vec<Row> {
    [
        "removed/file",
        "removed/folder/a/b",
        "removed/emptied/old/c",
        "removed/again/d",
        "removed/kept",
        "removed/turned",
        "replaced",
    ]
    .map(|path| (FileMapping::text(path, path), vec![file(path, path)]))
    .to_vec()
}

/// The mappings of the sample's upper layer, with this default owner and time.
pub fn upper((uid, gid): (u64, u64), mtime: i64) -> Vec<Row> {
    let plain = |entry: Entry| entry.owner(uid, gid).mtime(mtime);
    vec![
        (FileMapping::whiteout("/removed/file"), vec![plain(file("removed/.wh.file", ""))]),
        (FileMapping::whiteout("/removed/folder"), vec![plain(file("removed/.wh.folder", ""))]),
        (
            FileMapping::opaque_whiteout("/removed/emptied"),
            vec![plain(file("removed/emptied/.wh..wh..opq", ""))],
        ),
        (
            FileMapping::text("new", "/removed/emptied/new"),
            vec![plain(file("removed/emptied/new", "new"))],
        ),
        (FileMapping::whiteout("/removed/again"), vec![plain(file("removed/.wh.again", ""))]),
        (
            FileMapping::text("a file now", "/removed/again"),
            vec![plain(file("removed/again", "a file now"))],
        ),
        (
            FileMapping::text("a folder now", "/removed/turned/in"),
            vec![plain(file("removed/turned/in", "a folder now"))],
        ),
        (
            FileMapping::text("over", "/replaced").mode(0o600),
            vec![plain(file("replaced", "over")).mode(0o600)],
        ),
        (FileMapping::directory("/upper").owner(0, 0).mtime(7), vec![directory("upper").mtime(7)]),
    ]
}
