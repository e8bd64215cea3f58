//! The contents of a file as they pass: their digest, and what the file needs to be started.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use crate::{
    basics::{Digest, digest::Hasher},
    image::runnable::{elf::dynamic_segment, needs::Needs},
};

/// How much of a program is kept from its beginning, where the names of its libraries usually are,
/// and how much of the table that refers to them.
const HEAD: usize = 32 << 20;
const TABLE: u64 = 1 << 20;

/// The longest part of another file that is kept.
const LINE: usize = 256;

/// The contents so far.
pub(crate) struct Contents {
    size: u64,
    hasher: Hasher,
    kept: Kept,
}

impl Contents {
    /// Begins a file of this size.
    pub(crate) fn new(size: u64) -> Self {
        let kept = Kept { size, head: Vec::new(), table: Vec::new(), table_at: 0..0 };
        Self { size, hasher: Hasher::default(), kept }
    }

    /// The next part, and its place in the file.
    pub(crate) fn add(&mut self, at: u64, bytes: &[u8]) {
        // A file with holes has no digest: hashing its zeros could take any amount of time.
        if at == self.hasher.size() {
            self.hasher.update(bytes);
        }
        self.kept.add(at, bytes);
    }

    /// What the file needs, if it is a script, a program or a library.
    pub(crate) fn needs(&mut self) -> Option<Needs> {
        let kept = std::mem::take(&mut self.kept);
        Needs::read(KeptReader { kept: &kept, at: 0 }).ok().flatten()
    }

    /// The digest of the contents, unless they have holes.
    pub(crate) fn digest(self) -> Option<Digest> {
        let (digest, size) = self.hasher.finish();
        (size == self.size).then_some(digest)
    }
}

/// The parts of a file that say what it needs.
#[derive(Default)]
struct Kept {
    size: u64,
    head: Vec<u8>,
    /// The dynamic table of a program, if it is not in the head.
    table: Vec<u8>,
    table_at: Range<u64>,
}

impl Kept {
    fn add(&mut self, at: u64, bytes: &[u8]) {
        let is_first = at == 0;
        let is_program = if is_first { bytes } else { &self.head }.starts_with(b"\x7fELF");
        let wanted = if is_program { HEAD } else { LINE };
        if is_first {
            self.head.reserve_exact(wanted.min(self.size as usize));
        }
        // A hole is zeros.
        let hole = usize::try_from(at).unwrap_or(usize::MAX).min(wanted);
        self.head.resize(self.head.len().max(hole), 0);
        if at == self.head.len() as u64 {
            let part = bytes.len().min(wanted - self.head.len());
            self.head.extend_from_slice(&bytes[..part]);
        }
        if is_first && is_program && self.size > HEAD as u64 {
            let segment = dynamic_segment(bytes).unwrap_or_default();
            self.table_at = segment.start..segment.end.min(segment.start.saturating_add(TABLE));
        }
        let (from, to) =
            (self.table_at.start.max(at), self.table_at.end.min(at + bytes.len() as u64));
        if from < to && from == self.table_at.start + self.table.len() as u64 {
            self.table.extend_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
        }
    }

    /// The kept bytes from here on.
    fn from(&self, at: u64) -> io::Result<&[u8]> {
        let rest = |bytes: &'_ [u8], start: u64| {
            let skipped = usize::try_from(at.checked_sub(start)?).ok()?;
            (skipped < bytes.len()).then_some(skipped)
        };
        match (rest(&self.head, 0), rest(&self.table, self.table_at.start)) {
            (Some(skipped), _) => Ok(&self.head[skipped..]),
            (_, Some(skipped)) => Ok(&self.table[skipped..]),
            _ if at >= self.size => Ok(&[]),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

struct KeptReader<'a> {
    kept: &'a Kept,
    at: u64,
}

impl Read for KeptReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.kept.from(self.at)?.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for KeptReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.kept.size, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let at = from.checked_add_signed(by);
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_large_program_is_kept() {
        let mut program = std::fs::read("/bin/sh").unwrap();
        let expected = Needs::read(io::Cursor::new(&program)).unwrap();
        assert!(matches!(&expected, Some(Needs::Elf(elf)) if elf.loader.is_some()));
        let table = dynamic_segment(&program).unwrap();
        program.truncate(table.end as usize);
        // The same program with its table far away, as if its code was large.
        let far = HEAD as u64 + 12_345;
        let mut segment = 64;
        while program[segment..segment + 4] != 2_u32.to_le_bytes() {
            segment += 56;
        }
        program[segment + 8..segment + 16].copy_from_slice(&far.to_le_bytes());
        let bytes = program[table.start as usize..].to_vec();
        program.resize(far as usize, 0);
        program.extend(bytes);
        program.resize(far as usize + HEAD, 0);
        let mut contents = Contents::new(program.len() as u64);
        for (number, part) in program.chunks(100_000).enumerate() {
            contents.add(number as u64 * 100_000, part);
        }
        assert_eq!(contents.needs(), expected);
        assert_eq!(contents.digest(), Some(Digest::of(&program)));
    }

    #[test]
    fn a_file_with_a_hole_has_no_digest() {
        let mut contents = Contents::new(u64::MAX);
        contents.add(0, b"#!/bin/a b");
        contents.add(1 << 40, b"more");
        assert_eq!(contents.needs(), Some(Needs::Interpreters(vec!["/bin/a".into()])));
        assert_eq!(contents.digest(), None);
    }
}
