//! The tar of a layer as bytes that can be made at any place: nothing of it exists until it is asked for.

use std::ops::Range;

use crate::{
    error::{Error, Result},
    layer_tar::{
        entry::{Entry, Kind},
        tar::{END_OF_ARCHIVE, content_size, header, header_size, padding},
    },
};

/// The entries of a layer in their order, and where in the tar each begins.
///
/// Sizes are known before any contents are read, so that every stretch of the tar can be made by itself, by any
/// thread and in any order: what makes reading parallel inside one file, and a blob readable from its middle.
#[derive(Debug)]
pub(crate) struct TarStream {
    entries: Vec<Entry>,
    /// The offset of each entry's first header block, and at last that of the end-of-archive blocks.
    offsets: Vec<u64>,
}

impl TarStream {
    /// The tar of these entries, which are in order.
    pub(crate) fn new(entries: Vec<Entry>) -> Result<Self> {
        let mut offsets = Vec::with_capacity(entries.len() + 1);
        let mut offset: u64 = 0;
        offsets.push(0);
        for entry in &entries {
            let size = content_size(entry);
            let end = offset.checked_add(header_size(entry) + padding(size)).and_then(|end| end.checked_add(size));
            // The sizes of sparse files cost nothing.
            offset = end.filter(|end| end.checked_add(END_OF_ARCHIVE).is_some()).ok_or_else(|| {
                let what = format!("layer with {:?}", entry.path.to_path());
                Error::invalid(what, "its files have more than 16 EiB together, which no layer can hold: exclude some")
            })?;
            offsets.push(offset);
        }
        Ok(Self { entries, offsets })
    }

    /// The size of the tar, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.offsets[self.entries.len()] + END_OF_ARCHIVE
    }

    /// What is in the tar, in its order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where in the tar the entry of this number lies: headers, contents and padding.
    pub(crate) fn range(&self, index: usize) -> Range<u64> {
        self.offsets[index]..self.offsets[index + 1]
    }

    /// The number of the entry in which this offset lies; behind the last one, of none.
    pub(crate) fn entry_at(&self, offset: u64) -> usize {
        self.offsets.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// Fills the buffer with the tar's bytes from `offset` on. The buffer ends at or before the end of the tar.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut at = offset;
        let mut rest = buffer;
        let mut index = self.entry_at(at);
        while let (Some(entry), false) = (self.entries.get(index), rest.is_empty()) {
            // What the buffer takes of each part of the entry; `at` moves from part to part.
            let start = self.offsets[index];
            let header = header(entry);
            let head = take(&mut rest, &mut at, start, header.len() as u64);
            if let Some((from, part)) = head {
                part.copy_from_slice(&header[from as usize..from as usize + part.len()]);
            }
            let start = start + header.len() as u64;
            let size = content_size(entry);
            if let (Kind::File(content), Some((from, part))) = (&entry.kind, take(&mut rest, &mut at, start, size)) {
                content.read_at(from, part)?;
            }
            if let Some((_, part)) = take(&mut rest, &mut at, start + size, padding(size)) {
                part.fill(0);
            }
            index += 1;
        }
        rest.fill(0);
        Ok(())
    }
}

/// Splits off what lies in the part of `length` bytes that begins at `start`: the offset inside that part, and the
/// piece of the buffer to fill.
fn take<'a>(rest: &mut &'a mut [u8], at: &mut u64, start: u64, length: u64) -> Option<(u64, &'a mut [u8])> {
    let from = *at - start.min(*at);
    if *at < start || from >= length || rest.is_empty() {
        return None;
    }
    let count = (length - from).min(rest.len() as u64);
    let (part, tail) = std::mem::take(rest).split_at_mut(count as usize);
    *rest = tail;
    *at += count;
    Some((from, part))
}
