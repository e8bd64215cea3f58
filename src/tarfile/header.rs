//! Tar headers. Entries become ustar blocks, with a pax record only for values that ustar cannot
//! represent.
//!
//! Formats: POSIX.1-2017,
//! [pax](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), "ustar Interchange
//! Format" and "pax Interchange Format". `docs/byte-format.md` documents every choice.

use std::borrow::Cow;

use tar::{EntryType, Header};

use crate::tarfile::{blocks, path::LayerPath, xattrs::Xattrs};

pub(crate) const BLOCK: usize = 512;

/// Two blocks of zeros end the archive, without further padding.
pub(crate) const END_OF_ARCHIVE: u64 = 2 * BLOCK as u64;

/// The name of every header with pax records. Readers do not show it, and a constant name depends
/// on no entry.
const PAX_NAME: &[u8] = b"././@PaxHeader";

/// The largest number with this many octal digits.
const fn octal_max(digits: u32) -> u64 {
    8u64.pow(digits) - 1
}

/// The largest size and time in ustar.
const SIZE_MAX: u64 = octal_max(11);

/// The largest user or group ID in ustar.
const ID_MAX: u64 = octal_max(7);

/// The longest name in ustar without a prefix.
const NAME_MAX: usize = 100;

/// The longest prefix in ustar.
const PREFIX_MAX: usize = 155;

/// The longest link target in ustar.
const TARGET_MAX: usize = 100;

/// The values in the headers of an entry.
pub(crate) struct Fields<'a> {
    pub(crate) path: &'a LayerPath,
    pub(crate) kind: HeaderKind<'a>,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    /// The part of the time after its whole seconds. Layers have none.
    pub(crate) nanoseconds: u32,
    /// The size of the contents.
    pub(crate) size: u64,
    pub(crate) xattrs: &'a Xattrs,
}

/// The type of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderKind<'a> {
    Directory,
    File,
    /// A link to this target.
    Symlink(&'a [u8]),
    /// A link to this entry.
    HardLink(&'a LayerPath),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

/// The header of a file of this size, or of a directory, outside of layers. It has the default
/// attributes of entries in a layer.
pub(crate) fn plain_header(path: &LayerPath, size: Option<u64>) -> Vec<u8> {
    let (kind, mode) =
        if size.is_some() { (HeaderKind::File, 0o644) } else { (HeaderKind::Directory, 0o755) };
    let xattrs = &Xattrs::default();
    let size = size.unwrap_or(0);
    let fields =
        Fields { path, kind, mode, uid: 0, gid: 0, mtime: 1, nanoseconds: 0, size, xattrs };
    header(&fields)
}

/// The size of [`header`] in bytes, which is needed long before the header is made.
pub(crate) fn header_size(entry: &Fields<'_>) -> u64 {
    PaxRecords::of(entry).size_in_blocks() + BLOCK as u64
}

/// The key of the entry at the end of a [block](crate::tarfile::blocks).
pub(crate) fn block_key(entry: &Fields<'_>) -> u32 {
    let (prefix, name) = name_fields(&name(entry));
    blocks::key(&name, &prefix)
}

/// The size of the pax records of this entry, with their header, in whole blocks.
pub(crate) fn pax_size(entry: &Fields<'_>) -> u64 {
    // Only extended attributes can make them large.
    if entry.xattrs.is_empty() {
        0
    } else {
        PaxRecords::of(&Fields { size: 0, ..*entry }).size_in_blocks()
    }
}

/// All blocks before the contents of this entry.
pub(crate) fn header(entry: &Fields<'_>) -> Vec<u8> {
    let name = name(entry);
    let mut header = Header::new_ustar();
    header.set_mode(entry.mode);
    header.set_entry_type(match &entry.kind {
        HeaderKind::Directory => EntryType::Directory,
        HeaderKind::File => EntryType::Regular,
        HeaderKind::Symlink(_) => EntryType::Symlink,
        HeaderKind::HardLink(_) => EntryType::Link,
        HeaderKind::CharDevice(..) => EntryType::Char,
        HeaderKind::BlockDevice(..) => EntryType::Block,
        HeaderKind::Fifo => EntryType::Fifo,
    });
    // A value that does not fit is zero here and goes into a pax record.
    header.set_size(fitting(entry.size, SIZE_MAX).unwrap_or(0));
    header.set_uid(fitting(entry.uid, ID_MAX).unwrap_or(0));
    header.set_gid(fitting(entry.gid, ID_MAX).unwrap_or(0));
    header.set_mtime(fitting(entry.mtime, SIZE_MAX).unwrap_or(0));
    let (major, minor) = match entry.kind {
        HeaderKind::CharDevice(major, minor) | HeaderKind::BlockDevice(major, minor) => {
            (major, minor)
        }
        _ => (0, 0),
    };
    let ustar = header.as_ustar_mut().expect("made as ustar");
    ustar.set_device_major(major);
    ustar.set_device_minor(minor);
    (ustar.prefix, ustar.name) = name_fields(&name);
    let target = target(entry);
    let room = target.len().min(ustar.linkname.len());
    ustar.linkname[..room].copy_from_slice(&target[..room]);
    header.set_cksum();
    let mut blocks = PaxRecords::of(entry).into_blocks();
    blocks.extend_from_slice(header.as_bytes());
    blocks
}

/// The path of the entry, as in a header.
fn name(entry: &Fields<'_>) -> Vec<u8> {
    let mut name = entry.path.to_bytes();
    if entry.path.is_root() {
        name.push(b'.');
    }
    if entry.kind == HeaderKind::Directory {
        name.push(b'/');
    }
    name
}

/// The name of the entry, if it does not fit into ustar.
fn long_name(entry: &Fields<'_>) -> Option<Vec<u8>> {
    // Most names are short, which is known without building them. A slash may follow the path.
    if entry.path.len_at_most() < NAME_MAX {
        return None;
    }
    Some(name(entry)).filter(|name| split_name(name).is_none())
}

/// The target of the entry, if it is a link.
fn target<'a>(entry: &Fields<'a>) -> Cow<'a, [u8]> {
    match entry.kind {
        HeaderKind::Symlink(target) => target.into(),
        HeaderKind::HardLink(path) => path.to_bytes().into(),
        _ => Cow::Borrowed(&[]),
    }
}

/// The number, if it fits into the field of ustar.
fn fitting(number: impl TryInto<u64>, max: u64) -> Option<u64> {
    number.try_into().ok().filter(|&number| number <= max)
}

/// Seconds and the nanoseconds after them, as a decimal number.
pub(crate) fn decimal(seconds: i64, nanoseconds: u32) -> String {
    let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (sign, time) = if time < 0 { ("-", -time) } else { ("", time) };
    let text = format!("{sign}{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The number of bytes that pad contents of this size to a whole block.
pub(crate) fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

/// The fields for the prefix and the name. A name that cannot be split is cut off, because a pax
/// record contains it.
fn name_fields(name: &[u8]) -> ([u8; PREFIX_MAX], [u8; NAME_MAX]) {
    let (prefix, name) = split_name(name).unwrap_or_else(|| (b"", &name[..NAME_MAX]));
    let (mut prefix_field, mut name_field) = ([0; PREFIX_MAX], [0; NAME_MAX]);
    prefix_field[..prefix.len()].copy_from_slice(prefix);
    name_field[..name.len()].copy_from_slice(name);
    (prefix_field, name_field)
}

/// Splits a name into the prefix (at most 155 bytes) and name (at most 100 bytes, with at least one
/// before a trailing slash) of ustar, at the first slash that leaves a short enough name. A name of
/// up to 100 bytes has no prefix.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_MAX {
        return Some((b"", name));
    }
    let from = name.len() - NAME_MAX - 1;
    let slash = from + name[from..name.len() - 1].iter().position(|&byte| byte == b'/')?;
    (1..=PREFIX_MAX).contains(&slash).then(|| (&name[..slash], &name[slash + 1..]))
}

/// The records of a pax extended header, in the order in which they are added.
#[derive(Default)]
struct PaxRecords(Vec<u8>);

impl PaxRecords {
    /// The values of an entry that do not fit into ustar.
    fn of(entry: &Fields<'_>) -> Self {
        let mut pax = Self::default();
        pax.number("size", entry.size, SIZE_MAX);
        pax.number("uid", entry.uid, ID_MAX);
        pax.number("gid", entry.gid, ID_MAX);
        if entry.nanoseconds == 0 {
            pax.number("mtime", entry.mtime, SIZE_MAX);
        } else {
            pax.add("mtime", decimal(entry.mtime, entry.nanoseconds).as_bytes());
        }
        if let Some(name) = long_name(entry) {
            pax.add("path", &name);
        }
        let target = target(entry);
        if target.len() > TARGET_MAX {
            pax.add("linkpath", &target);
        }
        for (name, value) in entry.xattrs.iter() {
            pax.add_bytes(&[b"SCHILY.xattr.", name].concat(), value);
        }
        pax
    }

    fn number<N: TryInto<u64> + ToString + Copy>(&mut self, key: &str, value: N, max: u64) {
        if fitting(value, max).is_none() {
            self.add(key, value.to_string().as_bytes());
        }
    }

    fn add(&mut self, key: &str, value: &[u8]) {
        self.add_bytes(key.as_bytes(), value);
    }

    /// Adds `LENGTH KEY=VALUE\n`, where the length includes itself.
    fn add_bytes(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        for part in [key, b"=", value, b"\n"] {
            self.0.extend_from_slice(part);
        }
    }

    /// The size of [`PaxRecords::into_blocks`] in bytes.
    fn size_in_blocks(&self) -> u64 {
        if self.0.is_empty() { 0 } else { (BLOCK + self.0.len().next_multiple_of(BLOCK)) as u64 }
    }

    /// A header of type `x` and the padded records. Empty if there are no records.
    fn into_blocks(self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(self.0.len() as u64);
        let ustar = header.as_ustar_mut().expect("made as ustar");
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
        ustar.name[..PAX_NAME.len()].copy_from_slice(PAX_NAME);
        header.set_cksum();
        let mut blocks = header.as_bytes().to_vec();
        blocks.extend_from_slice(&self.0);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_numbers() {
        for (time, expected) in [
            ((1, 0), "1"),
            ((100, 0), "100"),
            ((1, 999_999_999), "1.999999999"),
            ((0, 1), "0.000000001"),
            ((-6, 250_000_000), "-5.75"),
            ((-1, 500_000_000), "-0.5"),
            ((i64::MIN, 0), "-9223372036854775808"),
        ] {
            assert_eq!(decimal(time.0, time.1), expected);
        }
    }

    #[test]
    fn names_are_split_where_both_halves_fit() {
        let name = |lengths: &[usize]| {
            lengths.iter().map(|&n| "x".repeat(n)).collect::<Vec<_>>().join("/").into_bytes()
        };
        let halves =
            |name: &[u8]| split_name(name).map(|(prefix, name)| (prefix.len(), name.len()));
        assert_eq!(halves(&name(&[100])), Some((0, 100)));
        assert_eq!(halves(&name(&[101])), None);
        assert_eq!(halves(&name(&[1, 100])), Some((1, 100)));
        assert_eq!(halves(&name(&[155, 100])), Some((155, 100)));
        assert_eq!(halves(&name(&[156, 99])), None);
        assert_eq!(halves(&name(&[60, 60, 60])), Some((121, 60)));
        // A name cannot be split at the trailing slash of a directory.
        assert_eq!(halves(&[&name(&[100])[..], b"/"].concat()), None);
    }

    #[test]
    fn headers_have_the_length_that_was_calculated() {
        let root = LayerPath::root();
        let mut entries: Vec<_> =
            (95..105).chain([254, 255, 256, 257, 300]).flat_map(places_of_length).collect();
        entries.extend([root.clone(), root.opaque_whiteout()]);
        for path in entries {
            for kind in [
                HeaderKind::Directory,
                HeaderKind::File,
                HeaderKind::Symlink(&[b'x'; 101]),
                HeaderKind::HardLink(&path),
            ] {
                for uid in [0, ID_MAX + 1] {
                    let (path, xattrs) = (&path, &Xattrs::default());
                    let entry = Fields {
                        path,
                        kind,
                        mode: 0,
                        uid,
                        gid: 0,
                        mtime: 1,
                        nanoseconds: 0,
                        size: 0,
                        xattrs,
                    };
                    assert_eq!(
                        header_size(&entry),
                        header(&entry).len() as u64,
                        "{:?}",
                        path.to_path()
                    );
                }
            }
        }
    }

    /// Paths of this length: with one name, with two, and of a whiteout.
    fn places_of_length(length: usize) -> [LayerPath; 3] {
        let place = |name: &str| LayerPath::parse_member(name.as_bytes()).unwrap();
        let (name, half) = ("x".repeat(length), "x".repeat(length - 51));
        let removed = "x".repeat(length - 4);
        [
            place(&name),
            place(&format!("{}/{half}", "y".repeat(50))),
            place(&format!(".wh.{removed}")),
        ]
    }

    #[test]
    fn a_pax_record_counts_its_own_length() {
        for size in 0..1200 {
            let mut pax = PaxRecords::default();
            pax.add("path", &vec![b'x'; size]);
            let text = String::from_utf8(pax.0).unwrap();
            assert_eq!(text.split_once(' ').unwrap().0, text.len().to_string());
        }
    }
}
