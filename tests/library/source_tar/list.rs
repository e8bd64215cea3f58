//! The entries of a tar, one per line, as the `tar` crate reads them, in the format of
//! `list_tar.py`.

use std::{collections::BTreeMap, io::Read};

pub fn tar_crate(tar: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let records: BTreeMap<Vec<u8>, Vec<u8>> = match entry.pax_extensions().unwrap() {
            Some(records) => records
                .map(|r| r.unwrap())
                .map(|r| (r.key_bytes().to_vec(), r.value_bytes().to_vec()))
                .collect(),
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
        let number = |key: &str| {
            records.get(key.as_bytes()).map(|value| String::from_utf8(value.clone()).unwrap())
        };
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
