//! Layers that attack who unpacks them, and what this program, umoci and GNU tar make of them.
//! Where those differ, a comment says whom we follow, and why.

use std::path::Path;

use self::{
    Ours::{Fails, Makes},
    Theirs::{Differs, NotAsked, Same},
};
use crate::common::raw_tar::{directory, entry, file, hard_link, pax, symlink, with_checksum};

/// What this program makes of an attack.
pub enum Ours {
    /// These files, as [`lines`] writes them.
    Makes(&'static [&'static str]),
    /// An error that contains this, and no folder.
    Fails(&'static str),
}

/// What another program makes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Theirs {
    Same,
    Differs,
    Fails,
    /// It would fill the disk, does not know several layers, or does one thing or another.
    NotAsked,
}

pub struct Attack {
    pub name: &'static str,
    /// The members of each layer, without the end of a tar.
    pub layers: Vec<Vec<u8>>,
    pub ours: Ours,
    pub umoci: Theirs,
    pub tar: Theirs,
}

/// Attacks on a folder next to that of the image.
#[rustfmt::skip]
pub fn attacks(canary: &Path) -> Vec<Attack> {
    let canary = canary.to_str().unwrap();
    let secret = &*format!("{canary}/secret");
    let wrong = Theirs::Fails;
    let link = || symlink("link", canary);
    let one = |name, members: &[Vec<u8>], ours, umoci, tar| {
        Attack { name, layers: vec![members.concat()], ours, umoci, tar }
    };
    let two = |name, lower: Vec<u8>, upper: &[Vec<u8>], ours, umoci| {
        Attack { name, layers: vec![lower, upper.concat()], ours, umoci, tar: NotAsked }
    };
    let text = |name: &str| file(name, b"x");
    let whiteout = |name: &str| file(name, b"");
    vec![
        // umoci treats the folder as the root of the system, where `..` is the root itself.
        one("names with ..", &[text("../escaped"), text("a/../../escaped"), text("ok")],
            Makes(&["- ok"]), Differs, wrong),
        one("an absolute name", &[text("/etc/x")], Makes(&["d etc", "- etc/x"]), Same, Same),

        // The directory that the member needs replaces the link, as in the layers of an overlay, if
        // the link is in a layer below. umoci and podman's plain folders follow the link inside of
        // the folder. `verify` reports members below a link of their own layer.
        one("a file through a link", &[link(), text("link/secret")],
            Makes(&["d link", "- link/secret"]), Differs, wrong),
        one("a file through a link that leads up", &[symlink("link", "../../canary"), text("link/a/b")],
            Makes(&["d link", "d link/a", "- link/a/b"]), Differs, wrong),
        two("a file through a link of the layer below", link(), &[text("link/secret")],
            Makes(&["d link", "- link/secret"]), Differs),
        two("a directory in the place of a link", link(), &[directory("link/")], Makes(&["d link"]), Same),
        // GNU tar makes the link after all if the file gets the inode number of its placeholder, which
        // depends on the file system and on what else runs.
        one("a file in the place of a link to a file", &[symlink("link", secret), text("link")],
            Makes(&["- link"]), Same, NotAsked),
        one("links that lead to each other", &[symlink("a", "b"), symlink("b", "a"), text("a/x")],
            Makes(&["d a", "- a/x", "l b"]), wrong, wrong),

        one("a whiteout through a link", &[link(), whiteout("link/.wh.secret")],
            Makes(&["l link"]), Same, wrong),
        two("a whiteout through a link of the layer below", link(),
            &[whiteout("link/.wh.secret"), whiteout("link/.wh.below")], Makes(&["l link"]), Same),
        two("an opaque whiteout through a link", link(), &[whiteout("link/.wh..wh..opq")],
            Makes(&["l link"]), Same),
        // umoci refuses the image. We leave out a whiteout without a name, and all others work.
        one("whiteouts and files without a name",
            &[whiteout(".wh..."), whiteout(".wh.."), whiteout(".wh."), text(".."), text("."), text("")],
            Makes(&[]), wrong, wrong),
        two("a whiteout of everything", text("a"), &[whiteout(".wh..wh..opq")], Makes(&[]), Same),

        // Like GNU tar, we leave out a hard link without a target, and name it.
        one("a hard link outside", &[hard_link("hard", "../../canary/secret")], Makes(&[]), wrong, wrong),
        one("an absolute hard link outside", &[hard_link("hard", secret)], Makes(&[]), wrong, wrong),
        one("a hard link through a link", &[link(), hard_link("hard", "link/secret")],
            Makes(&["l link"]), wrong, wrong),
        two("a hard link through a link of the layer below", link(), &[hard_link("hard", "link/secret")],
            Makes(&["l link"]), wrong),
        // Here too, GNU tar makes the link over the file on some file systems.
        one("a file over a hard link to a link",
            &[symlink("link", secret), hard_link("hard", "link"), text("hard")],
            Makes(&["- hard", "l link"]), Same, NotAsked),
        one("hard links to themselves, to directories and below files",
            &[directory("d/"), hard_link("d", "d"), hard_link("e", "d"), text("f"), hard_link("f", "f"),
              hard_link("f/x", "f")],
            Makes(&["d d", "- f"]), wrong, wrong),

        one("a link as the root", &[symlink("./", canary), text("secret")],
            Makes(&["- secret"]), wrong, wrong),
        one("a file over a pipe", &[entry("pipe", b'6', "", b""), text("pipe")],
            Makes(&["- pipe"]), Same, Same),
        one("a file below a pipe", &[entry("pipe", b'6', "", b""), text("pipe/x")],
            Makes(&["d pipe", "- pipe/x"]), Same, wrong),
        one("a file over a device", &[null("null"), text("null")], Makes(&["- null"]), Same, Same),
        one("a device", &[null("null"), hard_link("zero", "null")],
            Makes(&["c null", "c zero"]), Same, Same),
        two("a whiteout of a device", null("null"), &[whiteout(".wh.null")], Makes(&[]), Same),
        one("an unknown type", &[entry("a", b'Z', "", b"x"), text("ok")], Makes(&["- ok"]), wrong, Differs),

        // The largest number would leave the owner as it is, and larger ones would lose bits. Both
        // would leave a setuid program that belongs to the user who unpacks it.
        one("programs for owners that cannot be", &[setuid("a", u32::MAX.into()), setuid("b", 1 << 32)],
            Makes(&["- a", "- b"]), Same, wrong),
        // We and GNU tar leave the attributes out.
        one("attributes that no file system stores",
            &[pax(&[("SCHILY.xattr.user.a", &"x".repeat(100_000))], &text("a")),
              pax(&[(&*format!("SCHILY.xattr.user.{}", "n".repeat(300)), "x")], &text("b")),
              pax(&[("SCHILY.xattr.", "x")], &text("c"))],
            Makes(&["- a", "- b", "- c"]), wrong, Same),
        one("a name that no file system stores", &[pax(&[("path", &"n".repeat(256))], &text("a"))],
            Fails("File name too long"), wrong, wrong),
        // Its ancestors would take gigabytes of memory.
        one("a path that no system call takes", &[pax(&[("path", &"d/".repeat(200_000))], &text("a"))],
            Makes(&[]), wrong, wrong),

        one("a terabyte that is not there", &[large(b"0")], Fails("is truncated"), wrong, wrong),
        one("headers of many gigabytes", &[large(b"x")], Fails("the maximum is 1048576"), wrong, wrong),
        one("holes of a terabyte", &[holes("1099511627776")], Makes(&["- a"]), NotAsked, Same),
        one("holes of exabytes", &[holes("9223372036854775808")], Fails("GNU.sparse.realsize"), NotAsked, wrong),
    ]
}

/// The device `/dev/null`.
fn null(name: &str) -> Vec<u8> {
    let mut header: [u8; 512] = entry(name, b'3', "", b"").try_into().unwrap();
    header[329..336].copy_from_slice(b"0000001");
    header[337..344].copy_from_slice(b"0000003");
    with_checksum(header).to_vec()
}

/// A setuid program of this owner.
fn setuid(name: &str, owner: u64) -> Vec<u8> {
    let mut header: [u8; 512] = entry(name, b'0', "", b"").try_into().unwrap();
    header[100..107].copy_from_slice(b"0004755");
    let owner = owner.to_string();
    pax(&[("uid", &owner), ("gid", &owner)], &with_checksum(header))
}

/// An entry of this type that declares eight terabytes and has none.
fn large(flag: &[u8; 1]) -> Vec<u8> {
    let mut header: [u8; 512] = entry("a", flag[0], "", b"").try_into().unwrap();
    header[124..136].copy_from_slice(b"\x80\0\0\0\0\0\x08\0\0\0\0\0");
    with_checksum(header).to_vec()
}

/// A file of this size without data.
fn holes(size: &str) -> Vec<u8> {
    let version = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    let file_of = [("GNU.sparse.name", "a"), ("GNU.sparse.realsize", size)];
    let mut map = b"0\n".to_vec();
    map.resize(512, 0);
    pax(&[version, file_of].concat(), &file("a", &map))
}
