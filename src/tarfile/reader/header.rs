//! Header blocks: fields as bytes and numbers, in all supported formats.

use std::ops::Range;

use tar::EntryType;

use crate::tarfile::reader::block::{BLOCK, text};

pub(crate) struct Header(Box<tar::Header>);

const MAGIC: Range<usize> = 257..263;

/// Fields that star, which identifies itself as ustar, uses for other values.
const STAR_PREFIX: Range<usize> = 345..345 + 131;
const STAR_MAGIC: Range<usize> = 508..512;

/// Whether these bytes start with the header of a tar, according to its checksum. Tars before POSIX
/// (v7) have no magic.
pub(crate) fn is_tar_header(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(has_checksum)
}

fn has_checksum(block: &[u8; BLOCK]) -> bool {
    let field = 148..156;
    let sum = |as_number: fn(u8) -> i64| -> i64 {
        let bytes = block.iter().enumerate();
        bytes.map(|(at, &byte)| if field.contains(&at) { 32 } else { as_number(byte) }).sum()
    };
    let expected = number(&block[field.clone()]);
    // Some old writers summed signed bytes.
    [sum(i64::from), sum(|byte| (byte as i8).into())].map(Ok).contains(&expected)
}

impl Header {
    /// Parses a block and verifies its checksum.
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Self, String> {
        match has_checksum(block) {
            true => Ok(Self(Box::new(tar::Header::from_byte_slice(block).clone()))),
            false => Err("this is not the header of a tar: its checksum is wrong".into()),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8; BLOCK] {
        self.0.as_bytes()
    }

    pub(crate) fn kind(&self) -> EntryType {
        if self.is_solaris() { EntryType::XHeader } else { self.0.entry_type() }
    }

    /// Whether this is a pax header in the form of Solaris.
    pub(crate) fn is_solaris(&self) -> bool {
        self.0.as_old().linkflag == [b'X']
    }

    /// Whether this is a file in the form of tars before POSIX, which also represent directories as
    /// files.
    pub(crate) fn is_old(&self) -> bool {
        self.0.as_old().linkflag == [0]
    }

    /// Whether a number is in base 256.
    pub(crate) fn is_gnu(&self) -> bool {
        let old = self.0.as_old();
        [&old.mode[..], &old.uid, &old.gid, &old.size, &old.mtime]
            .iter()
            .any(|field| field[0] & 0x80 != 0)
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        let name = text(&self.0.as_old().name);
        let bytes = self.as_bytes();
        // Without the magic of POSIX, the format has other values in place of the prefix.
        let prefix = match &bytes[MAGIC] {
            b"ustar\0" if &bytes[STAR_MAGIC] == b"tar\0" => text(&bytes[STAR_PREFIX]),
            b"ustar\0" => text(&bytes[345..500]),
            _ => Vec::new(),
        };
        if prefix.is_empty() { name } else { [&prefix, &b"/"[..], &name].concat() }
    }

    pub(crate) fn link(&self) -> Vec<u8> {
        text(&self.0.as_old().linkname)
    }

    pub(crate) fn size(&self) -> Result<u64, String> {
        unsigned("size", &self.0.as_old().size)
    }

    pub(crate) fn mode(&self) -> Result<u32, String> {
        let mode = unsigned("mode", &self.0.as_old().mode)?;
        u32::try_from(mode).map_err(|_| format!("the mode {mode:o} is too large"))
    }

    pub(crate) fn uid(&self) -> Result<u64, String> {
        unsigned("owner", &self.0.as_old().uid)
    }

    pub(crate) fn gid(&self) -> Result<u64, String> {
        unsigned("group", &self.0.as_old().gid)
    }

    pub(crate) fn mtime(&self) -> Result<i64, String> {
        number(&self.0.as_old().mtime).map_err(|reason| format!("the modification time {reason}"))
    }

    /// Whether the fields of device numbers are not empty and malformed, which only matters to
    /// strict readers.
    pub(crate) fn has_odd_device(&self) -> bool {
        self.as_bytes()[MAGIC].starts_with(b"ustar")
            && (self.device_major().is_err() || self.device_minor().is_err())
    }

    pub(crate) fn device_major(&self) -> Result<u64, String> {
        unsigned("major device number", &self.as_bytes()[329..337])
    }

    pub(crate) fn device_minor(&self) -> Result<u64, String> {
        unsigned("minor device number", &self.as_bytes()[337..345])
    }
}

pub(crate) fn unsigned(what: &str, field: &[u8]) -> Result<u64, String> {
    let number = number(field).map_err(|reason| format!("the {what} {reason}"))?;
    u64::try_from(number).map_err(|_| format!("the {what} is negative: {number}"))
}

/// Reads octal digits surrounded by spaces, up to a NUL, or a number in base 256, which is a two's
/// complement whose highest bit is set as a mark and does not count.
fn number(field: &[u8]) -> Result<i64, &'static str> {
    let Some(&first) = field.first() else { return Ok(0) };
    if first & 0x80 != 0 {
        let negative = first & 0x40 != 0;
        let first = if negative { first } else { first & 0x7f };
        let mut number = i128::from(first as i8);
        for &byte in &field[1..] {
            number = number << 8 | i128::from(byte);
        }
        return i64::try_from(number).map_err(|_| "does not fit 64 bits");
    }
    let digits = text(field);
    let digits = digits.trim_ascii();
    if !digits.iter().all(|byte| (b'0'..=b'7').contains(byte)) {
        return Err("is not an octal number");
    }
    Ok(digits.iter().fold(0, |number, digit| number << 3 | i64::from(digit - b'0')))
}
