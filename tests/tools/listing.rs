//! Three programs list the tar of each layer, and all see the entries of the mappings.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, str};

use jiff::{Timestamp, tz::TimeZone};
use oci_layout::{Compression, Layer};
use serde_json::Value;

use crate::common::tool::{decompress, run, tool};
use crate::tools::entry::{Entry, Kind, assert_same};
use crate::tools::sample::{Sample, for_each_compression};

for_each_compression! { three_programs_list_what_was_mapped }

fn three_programs_list_what_was_mapped(compression: Compression) {
    let sample = Sample::new(compression);
    for (layer, expected) in sample.tars.iter().zip(&sample.layers) {
        let tar = sample.folder().join("layer.tar");
        decompress(layer, &tar);
        let hashed = run(tool("sha256sum").arg("--zero").arg(&tar));
        assert_eq!(hashed.split(' ').next(), Some(&*layer.diff_id().hex()), "the diff ID");
        assert_eq!(gnu_tar(&tar), as_gnu_tar_writes(expected), "GNU tar");
        assert_same("Python", expected, &python(&tar));
        assert_same("the tar crate", &without_newlines(expected), &tar_crate(&tar));
    }
}

fn gnu_tar(tar: &Path) -> Vec<String> {
    let options = [
        "--list",
        "--verbose",
        "--full-time",
        "--utc",
        "--numeric-owner",
        "--quoting-style=c",
        "--file",
    ];
    let listing = run(tool("tar").env("LC_ALL", "C").args(options).arg(tar));
    // Columns are as wide as necessary.
    let narrow = |line: &str| {
        let (columns, names) = line.split_once('"').unwrap();
        format!("{} \"{names}", columns.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    listing.lines().map(narrow).collect()
}

fn as_gnu_tar_writes(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(as_gnu_tar_writes_one).collect()
}

fn as_gnu_tar_writes_one(entry: &Entry) -> String {
    let path = quoted(&entry.path);
    let none = String::from("0");
    let (kind, size, names) = match &entry.kind {
        Kind::Directory => ('d', none, quoted(&entry.path.join(""))),
        Kind::File(content) => ('-', content.len().to_string(), path),
        Kind::Symlink(target) => ('l', none, format!("{path} -> {}", quoted(target))),
        Kind::HardLink(first) => ('h', none, format!("{path} link to {}", quoted(first))),
        Kind::CharDevice(major, minor) => ('c', format!("{major},{minor}"), path),
        Kind::BlockDevice(major, minor) => ('b', format!("{major},{minor}"), path),
        Kind::Fifo => ('p', none, path),
    };
    let mut mode = String::from(kind);
    for (shift, set_id, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bit = |bit, letter| if entry.mode >> shift & bit != 0 { letter } else { '-' };
        mode.extend([bit(4, 'r'), bit(2, 'w')]);
        mode.push(match (entry.mode & set_id != 0, bit(1, 'x')) {
            (true, 'x') => letter,
            (true, _) => letter.to_ascii_uppercase(),
            (false, bit) => bit,
        });
    }
    let time = Timestamp::from_second(entry.mtime)
        .unwrap()
        .to_zoned(TimeZone::UTC)
        .strftime("%F %T")
        .to_string();
    format!("{mode} {}/{} {size} {time} {names}", entry.uid, entry.gid)
}

/// Like a string in C.
fn quoted(path: &Path) -> String {
    let mut text = String::from('"');
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\{byte:03o}").unwrap(),
        }
    }
    text + "\""
}

fn python(tar: &Path) -> Vec<Entry> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/listing.py");
    let members: Vec<Value> =
        serde_json::from_str(&run(tool("python3").arg(script).arg(tar))).unwrap();
    let bytes = |value: &Value| from_hexadecimal(value.as_str().unwrap());
    let entry = |member: &Value| Entry {
        path: to_path(&bytes(&member["path"])),
        kind: kind(
            member["type"].as_str().unwrap().as_bytes()[0],
            &bytes(&member["link"]),
            bytes(&member["content"]),
            [&member["devmajor"], &member["devminor"]]
                .map(|number| number.as_u64().unwrap().try_into().unwrap()),
        ),
        mode: member["mode"].as_u64().unwrap().try_into().unwrap(),
        uid: member["uid"].as_u64().unwrap(),
        gid: member["gid"].as_u64().unwrap(),
        mtime: member["mtime"].as_i64().unwrap(),
        nanoseconds: 0,
        xattrs: xattrs(
            member["records"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (&**key, bytes(value))),
        ),
    };
    members.iter().map(entry).collect()
}

fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2).map(|digits| str::from_utf8(digits).unwrap());
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn tar_crate(tar: &Path) -> Vec<Entry> {
    let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
    let entry = |member: Result<tar::Entry<fs::File>, _>| {
        let mut member = member.unwrap();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        let records = member.pax_extensions().unwrap().into_iter().flatten();
        // It treats a newline as the end of a record, and misreads everything after it.
        let records = records
            .map_while(Result::ok)
            .map(|r| (r.key().unwrap().to_owned(), r.value_bytes().to_owned()));
        let records: Vec<(String, Vec<u8>)> = records.collect();
        let header = member.header();
        // The crate leaves this record to its callers.
        let mtime = records
            .iter()
            .find(|(key, _)| key == "mtime")
            .map(|(_, value)| str::from_utf8(value).unwrap());
        let link = member.link_name_bytes().unwrap_or_default();
        let device = [header.device_major().unwrap(), header.device_minor().unwrap()];
        Entry {
            // Folders end with a slash, which the others omit.
            path: to_path(member.path_bytes().strip_suffix(b"/").unwrap_or(&member.path_bytes())),
            kind: kind(header.entry_type().as_byte(), &link, content, device.map(Option::unwrap)),
            mode: header.mode().unwrap(),
            uid: header.uid().unwrap(),
            gid: header.gid().unwrap(),
            mtime: mtime.map_or(header.mtime().unwrap().try_into().unwrap(), |mtime| {
                mtime.parse().unwrap()
            }),
            nanoseconds: 0,
            xattrs: xattrs(records.iter().map(|(key, value)| (&**key, value.clone()))),
        }
    };
    archive.entries().unwrap().map(entry).collect()
}

/// The extended attributes that the tar crate can read.
fn without_newlines(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.iter_mut().for_each(|entry| entry.xattrs.retain(|_, value| !value.contains(&b'\n')));
    entries
}

fn kind(entry_type: u8, link: &[u8], content: Vec<u8>, [major, minor]: [u32; 2]) -> Kind {
    match entry_type {
        b'0' => Kind::File(content),
        b'1' => Kind::HardLink(to_path(link)),
        b'2' => Kind::Symlink(to_path(link)),
        b'3' => Kind::CharDevice(major, minor),
        b'4' => Kind::BlockDevice(major, minor),
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => panic!("an entry of type {:?}", char::from(other)),
    }
}

fn xattrs<'a>(records: impl Iterator<Item = (&'a str, Vec<u8>)>) -> BTreeMap<OsString, Vec<u8>> {
    records
        .filter_map(|(key, value)| Some((key.strip_prefix("SCHILY.xattr.")?.into(), value)))
        .collect()
}

fn to_path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}
