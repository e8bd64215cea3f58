//! Why two layers with the same files have different bytes.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{self, Read},
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    basics::error::{Error, Result},
    blob::traits::Layer,
    rootfs::diff::{BytesDiff, FieldDiff},
    tarfile::reader::{BLOCK, TarEntry, TarError, TarReader, header::Header, pax::Records},
};

/// The fields of a header, in their order, without the checksum, which follows from the others:
/// <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html>, "ustar Interchange
/// Format".
const FIELDS: [(&str, Range<usize>); 16] = [
    ("name", 0..100),
    ("mode", 100..108),
    ("uid", 108..116),
    ("gid", 116..124),
    ("size", 124..136),
    ("mtime", 136..148),
    ("typeflag", 156..157),
    ("linkname", 157..257),
    ("magic", 257..263),
    ("version", 263..265),
    ("uname", 265..297),
    ("gname", 297..329),
    ("devmajor", 329..337),
    ("devminor", 337..345),
    ("prefix", 345..500),
    ("padding", 500..512),
];

/// Compares the blobs of two layers, which are read side by side until their entries come in
/// another order.
pub(crate) fn differences_of_bytes(old: &dyn Layer, new: &dyn Layer) -> Result<Vec<BytesDiff>> {
    let mut found = Found::default();
    let (old_start, new_start) = (Start::read(old)?, Start::read(new)?);
    found.add(
        None,
        "compression",
        old_start.compression.to_owned(),
        new_start.compression.to_owned(),
    );
    if old_start.compression == new_start.compression {
        for ((field, old), (_, new)) in old_start.fields.into_iter().zip(new_start.fields) {
            found.add(None, field, old, new);
        }
    }
    if old.diff_id() != new.diff_id() {
        compare_tars(old, new, &mut found)?;
    } else if found.0.is_empty() {
        // Neither is in a header.
        let of = |layer: &dyn Layer| format!("{} bytes", layer.descriptor().size);
        let field = FieldDiff::new("compression level or program", of(old), of(new));
        found.0.push(BytesDiff { path: None, count: 1, field });
    }
    Ok(found.0)
}

/// The maximum number of fields in the differences of two layers.
const MAX_FIELDS: usize = 1000;

#[derive(Default)]
struct Found(Vec<BytesDiff>);

impl Found {
    fn add(&mut self, path: Option<&Path>, field: &str, old: String, new: String) {
        if old == new {
            return;
        }
        let is_full = self.0.len() >= MAX_FIELDS;
        match self.0.iter_mut().find(|found| found.field.field == field) {
            Some(found) => found.count += 1,
            // Only a hostile tar has that many.
            None if is_full => {}
            None => self.0.push(BytesDiff {
                path: path.map(PathBuf::from),
                count: 1,
                field: FieldDiff::new(field, old, new),
            }),
        }
    }
}

/// What the first bytes of a blob say of its compression: [RFC
/// 1952](https://www.rfc-editor.org/rfc/rfc1952#page-5), section 2.3, and [RFC
/// 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1), section 3.1.1.1.
struct Start {
    compression: &'static str,
    /// The fields of the header, which each compression has in the same order.
    fields: Vec<(&'static str, String)>,
}

impl Start {
    fn read(layer: &dyn Layer) -> Result<Self> {
        let mut start = Vec::new();
        let read = layer.open()?.take(10).read_to_end(&mut start);
        read.map_err(|cause| Error::blob(layer.descriptor().digest, cause))?;
        Ok(match start[..] {
            [0x1f, 0x8b, _, flags, t0, t1, t2, t3, level, system] => Self {
                compression: "gzip",
                fields: vec![
                    ("gzip header: flags", format!("{flags:#04x}")),
                    ("gzip header: time", u32::from_le_bytes([t0, t1, t2, t3]).to_string()),
                    ("gzip header: level", level.to_string()),
                    ("gzip header: system", system.to_string()),
                ],
            },
            [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] => {
                // A single segment has no window.
                let has_window = descriptor & 0x20 == 0;
                let window = if has_window { format!("{window:#04x}") } else { String::new() };
                Self {
                    compression: "zstd",
                    fields: vec![
                        ("zstd header: descriptor", format!("{descriptor:#04x}")),
                        ("zstd header: window", window),
                    ],
                }
            }
            _ => Self { compression: "none", fields: Vec::new() },
        })
    }
}

/// A tar, whose headers are compared with those of another.
struct Tar<'a> {
    layer: &'a dyn Layer,
    tar: TarReader<Box<dyn Read + Send>>,
}

impl<'a> Tar<'a> {
    fn open(layer: &'a dyn Layer) -> Result<Self> {
        Ok(Self { layer, tar: TarReader::new(layer.uncompressed()?) })
    }

    fn damaged(&self, error: TarError) -> Error {
        Error::blob(self.layer.descriptor().digest, io::Error::other(error.to_string()))
    }

    fn next(&mut self) -> Result<Option<TarEntry>> {
        self.tar.next_entry().map_err(|error| self.damaged(error))
    }

    /// How the tar ends.
    fn ending(&mut self) -> Result<String> {
        let ending = self.tar.ending().map_err(|error| self.damaged(error))?;
        let garbage = if ending.garbage.is_some() { ", and more after them" } else { "" };
        let size = self.tar.offset();
        Ok(format!("{} blocks of zeros{garbage}, {size} bytes in all", ending.zero_blocks))
    }
}

fn compare_tars(old: &dyn Layer, new: &dyn Layer, found: &mut Found) -> Result<()> {
    let (mut old, mut new) = (Tar::open(old)?, Tar::open(new)?);
    loop {
        let (one, other) = (old.next()?, new.next()?);
        let (Some(one), Some(other)) = (&one, &other) else {
            let name = |entry: Option<TarEntry>| entry.map(|entry| shown(&entry.path));
            let [one, other] = [one, other].map(|entry| name(entry).unwrap_or_default());
            let is_end = one.is_empty() && other.is_empty();
            found.add(None, "number of entries", one, other);
            if is_end {
                found.add(None, "end of the tar", old.ending()?, new.ending()?);
            }
            return Ok(());
        };
        let path = Path::new(OsStr::from_bytes(&one.path));
        // Names with and without a slash at the end are equal.
        if path != Path::new(OsStr::from_bytes(&other.path)) {
            found.add(Some(path), "order of entries", shown(&one.path), shown(&other.path));
            return Ok(());
        }
        compare_headers(path, &parts(old.tar.headers()), &parts(new.tar.headers()), found);
    }
}

/// The headers of an entry: each block, and the contents of an extended header.
fn parts(mut headers: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut parts = Vec::new();
    while let Some((block, rest)) = headers.split_first_chunk::<BLOCK>() {
        let is_extended = matches!(block[156], b'x' | b'g' | b'L' | b'K');
        let size = Header::parse(block).ok().and_then(|header| header.size().ok());
        let size = size.filter(|_| is_extended).unwrap_or(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        parts.push((&block[..], &rest[..size]));
        headers = &rest[size.next_multiple_of(BLOCK).min(rest.len())..];
    }
    parts
}

fn compare_headers(path: &Path, old: &[(&[u8], &[u8])], new: &[(&[u8], &[u8])], found: &mut Found) {
    let kinds = |parts: &[(&[u8], &[u8])]| {
        let extended = parts.iter().filter_map(|(block, _)| extended(block[156]));
        extended.collect::<Vec<_>>().join(", ")
    };
    if kinds(old) != kinds(new) || old.len() != new.len() {
        found.add(Some(path), "extended headers", kinds(old), kinds(new));
        if let (Some(old), Some(new)) = (old.last(), new.last()) {
            compare_blocks(path, "", old.0, new.0, found);
        }
        return;
    }
    for ((old, old_contents), (new, new_contents)) in old.iter().zip(new) {
        let of = extended(old[156]).map(|kind| format!("{kind} header: ")).unwrap_or_default();
        compare_blocks(path, &of, old, new, found);
        let [old, new] = [old_contents, new_contents].map(|contents| Records::parse(contents));
        if let (Ok(old), Ok(new)) = (old, new) {
            let keys: BTreeSet<_> = old.iter().chain(new.iter()).map(|(key, _)| key).collect();
            for key in keys {
                let value = |records: &Records| {
                    let mut values = records.iter().filter(|(other, _)| *other == key);
                    values.next_back().map(|(_, value)| shown(value)).unwrap_or_default()
                };
                found.add(Some(path), &format!("pax {}", shown(key)), value(&old), value(&new));
            }
        } else {
            found.add(
                Some(path),
                &format!("{of}contents"),
                shown(old_contents),
                shown(new_contents),
            );
        }
    }
}

fn extended(typeflag: u8) -> Option<&'static str> {
    Some(match typeflag {
        b'x' => "pax",
        b'g' => "global pax",
        b'L' => "GNU long name",
        b'K' => "GNU long link",
        _ => return None,
    })
}

fn compare_blocks(path: &Path, of: &str, old: &[u8], new: &[u8], found: &mut Found) {
    for (field, range) in FIELDS {
        let (old, new) = (&old[range.clone()], &new[range]);
        if old == new {
            continue;
        }
        let without_end = |value: &[u8]| {
            let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            shown(&value[..end])
        };
        found.add(Some(path), &format!("{of}{field}"), without_end(old), without_end(new));
    }
}

/// Text of unknown origin, shortened.
fn shown(text: &[u8]) -> String {
    crate::basics::json::shown(&String::from_utf8_lossy(text))
}
