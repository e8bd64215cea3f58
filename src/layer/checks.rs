//! Verifies that a tar is the one that was described, before any of it is returned.

use std::ops::Range;

use crate::{
    basics::{Digest, Error, Hasher, Result},
    layer::stream::{EntryAt, TarStream},
    recipe::Checks,
};

/// Computes [`Checks`] from the blocks of a tar.
pub(crate) struct Recorder<'a> {
    stream: &'a TarStream,
    prefixes: Vec<Digest>,
    entries: Vec<u32>,
    /// The checksum of the entry in which the last block ended.
    sum: crc32fast::Hasher,
    at: u64,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(stream: &'a TarStream) -> Self {
        Self { stream, prefixes: Vec::new(), entries: Vec::new(), sum: Default::default(), at: 0 }
    }

    pub(crate) fn block(&mut self, mut block: &[u8], hasher: &Hasher) {
        self.prefixes.push(hasher.clone().finish().0);
        while let Some(entry) = self.stream.entry(self.entries.len()) {
            let end = entry.range().end;
            let part;
            (part, block) = block.split_at(block.len().min((end - self.at) as usize));
            self.sum.update(part);
            self.at += part.len() as u64;
            if self.at < end {
                break;
            }
            self.entries.push(std::mem::take(&mut self.sum).finalize());
        }
    }

    pub(crate) fn finish(self) -> Checks {
        Checks { size: self.stream.size(), prefixes: self.prefixes, entries: self.entries }
    }
}

/// Compares the blocks of a tar with [`Checks`].
pub(crate) struct Comparison<'a> {
    checks: &'a Checks,
    stream: &'a TarStream,
    /// The digest of the blob that contains the tar.
    digest: Digest,
    blocks: usize,
}

impl<'a> Comparison<'a> {
    /// # Errors
    ///
    /// [`Error::SourceOutdated`] if the tar evidently differs from the description, without reading
    /// it.
    pub(crate) fn new(checks: &'a Checks, stream: &'a TarStream, digest: Digest) -> Result<Self> {
        let new = Self { checks, stream, digest, blocks: 0 };
        match stream.size() == checks.size && stream.len() == checks.entries.len() {
            true => Ok(new),
            false => Err(new.difference(0)?),
        }
    }

    /// # Errors
    ///
    /// [`Error::SourceOutdated`] if the bytes before the end of this block differ from the
    /// description.
    pub(crate) fn block(&mut self, block: &[u8], hasher: &Hasher) -> Result<()> {
        let prefix = hasher.clone().finish().0;
        if self.checks.prefixes.get(self.blocks) != Some(&prefix) {
            let first = self.stream.entry_at(hasher.size() - block.len() as u64);
            return Err(self.difference(first.map_or(self.stream.len(), |entry| entry.number()))?);
        }
        self.blocks += 1;
        Ok(())
    }

    /// The error for the first different entry, starting with this number.
    fn difference(&self, first: usize) -> Result<Error> {
        let (count, counted) = (self.stream.len(), self.checks.entries.len());
        let was = |number: usize| self.checks.entries.get(number).copied();
        let is = |number: usize| {
            self.stream.entry(number).map(|entry| self.sum(entry.range())).transpose()
        };
        let outdated = |entry: EntryAt, change| {
            let path = entry.entry().origin();
            Error::SourceOutdated { digest: self.digest, path, change }
        };
        for (number, entry) in
            (first..count).filter_map(|number| Some((number, self.stream.entry(number)?)))
        {
            let now = Some(self.sum(entry.range())?);
            if now == was(number) {
                continue;
            }
            // An added or removed entry leaves its neighbours unchanged.
            return Ok(if count > counted && is(number + 1)? == was(number) {
                outdated(entry, "was added")
            } else if count < counted && now == was(number + 1) {
                outdated(entry, "follows an entry that was removed")
            } else if count == counted {
                outdated(entry, "changed")
            } else {
                outdated(entry, "is where an entry was added, removed or changed")
            });
        }
        if count < counted {
            let last = count.checked_sub(1).and_then(|last| self.stream.entry(last));
            let path = last.map_or_else(|| "/".into(), |last| last.entry().origin());
            let change = "is the last entry, because entries after it were removed";
            return Ok(Error::SourceOutdated { digest: self.digest, path, change });
        }
        Ok(Error::invalid(
            format!("recipe of blob {}", self.digest),
            "it is inconsistent, or a source changed temporarily: make the image again",
        ))
    }

    fn sum(&self, mut range: Range<u64>) -> Result<u32> {
        const PART: u64 = 256 << 10;
        let mut sum = crc32fast::Hasher::new();
        let mut part = Vec::new();
        while !range.is_empty() {
            part.resize(PART.min(range.end - range.start) as usize, 0);
            self.stream.read_at(range.start, &mut part)?;
            sum.update(&part);
            range.start += part.len() as u64;
        }
        Ok(sum.finalize())
    }
}
