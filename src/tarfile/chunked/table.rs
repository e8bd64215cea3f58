//! The table of contents: an entry for each entry of the tar, with the place of its contents.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, civil::DateTime};
use serde::{Deserialize, Serialize};
use tar::EntryType;

use crate::tarfile::{header::BLOCK, reader::TarEntry};

/// The maximum size of the JSON. Readers fetch the whole layer if it is larger.
pub(crate) const MAX_TABLE: u64 = 150 << 20;

/// The type of a part of a file.
pub(crate) const CHUNK: &str = "chunk";

/// The type of a file.
pub(crate) const FILE: &str = "reg";

/// An entry of the table. Absent members are zero or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TableEntry {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) link_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) mode: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) uid: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) gid: u64,
    /// As in RFC 3339.
    pub(crate) modtime: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dev_major: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dev_minor: u64,
    /// The values in base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) xattrs: BTreeMap<String, String>,
    /// The digest of the contents.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) digest: String,
    /// The offset of the first frame of the contents in the blob.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    /// The end of the last one.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) end_offset: u64,

    /// If a file is in several chunks, its own entry and the following ones of the type [`CHUNK`]
    /// have these members. This library does not write them.
    #[serde(skip_serializing)]
    pub(crate) chunk_size: u64,
    #[serde(skip_serializing)]
    pub(crate) chunk_offset: u64,
    #[serde(skip_serializing)]
    pub(crate) chunk_digest: String,
    #[serde(skip_serializing)]
    pub(crate) chunk_type: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl TableEntry {
    /// The entry of the table for an entry of a tar with these headers, without the place and digest
    /// of its contents.
    ///
    /// Readers compare the table with the headers, as Go's archive/tar reads them, and refuse a
    /// layer if a value differs. The error says what of the entry would.
    pub(crate) fn new(entry: &TarEntry, headers: &[u8]) -> Result<Self, String> {
        let TarEntry { kind, size, mtime, .. } = *entry;
        let kind = match kind {
            EntryType::Regular => FILE,
            EntryType::Link => "hardlink",
            EntryType::Symlink => "symlink",
            EntryType::Char => "char",
            EntryType::Block => "block",
            EntryType::Directory => "dir",
            EntryType::Fifo => "fifo",
            _ => return Err("has a type that the table cannot contain".to_owned()),
        };
        let text = |what: &str, bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| format!("has {what} that is not UTF-8"))
        };
        if entry.sparse {
            return Err("is stored as a sparse file".to_owned());
        }
        if size != entry.stored_size {
            return Err("has a size, but cannot have contents".to_owned());
        }
        if !entry.oddities.is_empty() || has_odd_fields(headers, entry) {
            return Err("has headers that readers understand differently".to_owned());
        }
        let name = text("a path", &entry.path)?;
        if name.split('/').any(|name| name == "..") {
            return Err("has a path with \"..\"".to_owned());
        }
        let modtime = rfc3339(mtime, entry.nanoseconds);
        let modtime = modtime.ok_or("has a time outside of the years 0 to 9999")?;
        let xattrs = entry.xattrs.iter().map(|(name, value)| {
            Ok::<_, String>((
                text("the name of an extended attribute", name)?,
                STANDARD.encode(value),
            ))
        });
        Ok(Self {
            kind: kind.to_owned(),
            name,
            link_name: text("a link target", &entry.link)?,
            mode: entry.mode.into(),
            size,
            uid: entry.uid,
            gid: entry.gid,
            modtime: Some(modtime),
            dev_major: entry.device.0.into(),
            dev_minor: entry.device.1.into(),
            xattrs: xattrs.collect::<Result<_, _>>()?,
            ..Self::default()
        })
    }
}

/// A time since 1970, which RFC 3339 expresses in the years 0 to 9999.
fn rfc3339(seconds: i64, nanoseconds: u32) -> Option<String> {
    let since = SignedDuration::new(seconds, nanoseconds as i32);
    let time = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok()?;
    (time.year() >= 0).then(|| format!("{time}Z"))
}

/// Whether headers have values that [`TarEntry`] leaves out, and that Go's archive/tar reads.
fn has_odd_fields(headers: &[u8], entry: &TarEntry) -> bool {
    let Some(header) = headers.last_chunk::<BLOCK>() else { return true };
    let is_link = entry.kind.is_symlink() || entry.kind.is_hard_link();
    let is_device = matches!(entry.kind, EntryType::Char | EntryType::Block);
    let digits = |field: &[u8]| field.iter().any(|byte| !matches!(byte, 0 | b' ' | b'0'));
    let (magic, is_star) = (&header[257..265], header[508..] == *b"tar\0");
    // Times of access and change, in the header or in records.
    let has_times = is_star || magic == b"ustar  \0" && (header[345] != 0 || header[357] != 0);
    let records = &headers[..headers.len() - BLOCK];
    let record = |key: &[u8]| records.windows(key.len()).any(|window| window == key);
    (!is_link && header[157] != 0)
        || (!is_device && magic.starts_with(b"ustar") && digits(&header[329..345]))
        || has_times
        || !records.is_empty()
            && ([&b" atime="[..], b" ctime=", b" SCHILY.dev", b" LIBARCHIVE.xattr."]
                .iter()
                .any(|key| record(key))
                || !is_link && record(b" linkpath="))
}
