//! What is in a tar, one line an entry, as programs that others wrote read it.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    process::{Command, Stdio},
};

/// The tar that `make.py` writes.
pub fn make(format: &str) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/source_tar/make.py");
    let made = Command::new("python3").args([script, format]).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success());
    made.stdout
}

/// As `list.py` says.
#[track_caller]
pub fn python(tar: &[u8], args: &[&str]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/source_tar/list.py");
    let mut python = Command::new("python3");
    let mut python = python.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // All of it is read before the first line is written.
    python.stdin.take().unwrap().write_all(tar).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// As the `tar` crate reads it, in the same words.
pub fn tar_crate(tar: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let records: BTreeMap<Vec<u8>, Vec<u8>> = match entry.pax_extensions().unwrap() {
            Some(records) => {
                records.map(|r| r.unwrap()).map(|r| (r.key_bytes().to_vec(), r.value_bytes().to_vec())).collect()
            }
            None => BTreeMap::new(),
        };
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Regular => "file",
            tar::EntryType::Link => "hardlink",
            tar::EntryType::Symlink => "symlink",
            tar::EntryType::Char => "char",
            tar::EntryType::Block => "block",
            tar::EntryType::Directory => "dir",
            tar::EntryType::Fifo => "fifo",
            other => panic!("{other:?}"),
        };
        let number = |key: &str| records.get(key.as_bytes()).map(|value| String::from_utf8(value.clone()).unwrap());
        let mtime = number("mtime").unwrap_or_else(|| header.mtime().unwrap().to_string());
        let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
        let name = entry.path_bytes();
        let name = name.strip_suffix(b"/").unwrap_or(&name).escape_ascii();
        let mut line = format!("{kind} {name} {:04o} {uid}:{gid} {mtime}", header.mode().unwrap());
        if let Some(target) = entry.link_name_bytes() {
            line += &format!(" -> {}", target.escape_ascii());
        }
        if let "char" | "block" = kind {
            let (major, minor) = (header.device_major().unwrap(), header.device_minor().unwrap());
            line += &format!(" {},{}", major.unwrap(), minor.unwrap());
        }
        if kind == "file" {
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).unwrap();
            line += &format!(" {} {}", contents.len(), oci_layout::Digest::of(&contents).hex());
        }
        for (key, value) in &records {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                line += &format!(" {}={}", name.escape_ascii(), value.escape_ascii());
            }
        }
        lines.push(line);
    }
    lines
}
