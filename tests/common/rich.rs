//! A layer with every kind of entry.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use oci_layout::{Attribute, FileMapping};

use super::text;

/// A path with this many bytes, in components of at most 60.
pub fn long_path(length: usize) -> PathBuf {
    let bytes: Vec<u8> =
        (1..=length).map(|n| if n % 60 == 0 && n != length { b'/' } else { b'x' }).collect();
    PathBuf::from(OsStr::from_bytes(&bytes))
}

/// What of the rich tree a table of contents can express.
pub fn tabled_tree() -> Vec<FileMapping> {
    let mut files = rich_tree();
    files.retain(|file| {
        let is_time = match file.attributes.mtime {
            Attribute::Set(time) => (-62_135_596_800..=253_402_300_799).contains(&time),
            _ => true,
        };
        is_time && file.destination.to_str().is_some()
    });
    files
}

/// Every kind of mapping that needs no file, with values on both sides of each limit of the format.
pub fn rich_tree() -> Vec<FileMapping> {
    let bytes = |content: &[u8], path: &[u8]| FileMapping::bytes(content, OsStr::from_bytes(path));
    let mut files = vec![
        FileMapping::directory("/").mode(0o711).owner(1, 2).mtime(3),
        FileMapping::directory("/tmp").mode(0o1777),
        FileMapping::directory("/empty/below/empty"),
        FileMapping::symlink("../a", "/b/link"),
        FileMapping::symlink("/nowhere at all", "/dangling").owner(7, 8).mtime(9),
        FileMapping::whiteout("/b/gone"),
        FileMapping::whiteout("/gone"),
        FileMapping::opaque_whiteout("/b"),
        FileMapping::opaque_whiteout("/"),
        FileMapping::bytes(text(5 << 20, 1), "/usr/lib/large"),
        FileMapping::text("x", "/attributes").xattr("user.text", "a text").xattr("user.empty", ""),
        FileMapping::directory("/attributes.d")
            .xattr("security.capability", *b"\x01\0\0\x02\0=\n\0\xff"),
    ];
    for size in [0, 1, 511, 512, 513, 1023, 1024] {
        files.push(FileMapping::bytes(text(size, 2), format!("/sizes/{size}")));
    }
    for length in [98, 99, 100, 101, 102, 154, 155, 156, 157, 254, 255, 256, 257, 258, 1000] {
        files.push(FileMapping::text("x", Path::new("/f").join(long_path(length - 2))));
        files.push(FileMapping::directory(Path::new("/d").join(long_path(length - 2))));
        files.push(FileMapping::symlink(long_path(length), format!("/links/{length}")));
    }
    for length in [99, 100, 101, 154, 155, 156, 255] {
        // One component, which has no slash to split at.
        files.push(FileMapping::text("x", Path::new("/n").join("n".repeat(length))));
        files.push(FileMapping::directory(Path::new("/N").join("n".repeat(length))));
        files.push(FileMapping::text("x", Path::new("/").join("p".repeat(length)).join("f")));
    }
    for name in [
        &b"a/b"[..],
        b"a-b",
        b"a.txt",
        b"A",
        b"\x01",
        b" ",
        b"b c",
        b"c:d",
        b"e\nf",
        b"g\\h",
        b"i\tj",
    ] {
        files.push(bytes(b"x", &[b"/names/", name].concat()));
    }
    for name in [
        &b"\xff\xfe"[..],
        "\u{e9}t\u{e9}".as_bytes(),
        b"e\xcc\x81",
        b"-rf",
        b"...",
        b"k=v",
        b"100%",
        b"'\"$`",
    ] {
        files.push(bytes(b"x", &[b"/names/", name].concat()));
    }
    for mode in [0, 0o200, 0o644, 0o755, 0o4755, 0o7777] {
        files.push(FileMapping::text("x", format!("/modes/{mode:o}")).mode(mode));
        files.push(FileMapping::directory(format!("/modes/{mode:o}.d")).mode(mode));
    }
    for (n, number) in [0, 2_097_151, 2_097_152, u64::from(u32::MAX)].into_iter().enumerate() {
        files.push(FileMapping::text("x", format!("/owners/{n}")).owner(number, 0));
        files.push(FileMapping::text("x", format!("/owners/{n}.group")).owner(0, number));
    }
    for (n, time) in
        [i64::MIN, -1, 0, 1, 8_589_934_591, 8_589_934_592, i64::MAX].into_iter().enumerate()
    {
        files.push(FileMapping::symlink("x", format!("/times/{n}")).mtime(time));
    }
    files
}
