//! Cuts a tar that is being read into the blocks that are compressed separately.

use std::{
    collections::VecDeque,
    io::{self, Read},
    mem,
    ops::Range,
};

use crate::tarfile::{
    blocks::{self, Boundary, block_end},
    chunked::pieces::{Piece, pieces},
    header::BLOCK,
    reader::TarReader,
};

/// The maximum size of the headers of one entry. A tar with larger ones is not searched further.
const MAX_HEADERS: usize = 4 << 20;

/// The number of bytes that are read at once.
const STEP: u64 = 64 << 10;

/// The blocks of a tar in order. Whatever is not a tar has blocks of the maximum size.
pub(crate) struct BlockReader<'a> {
    tar: &'a mut dyn Read,
    limit: u64,
    /// The bytes that were read, starting with the next block.
    bytes: Vec<u8>,
    /// The offset of the next block.
    start: u64,
    is_at_end: bool,
    /// The boundaries that were found after the last block.
    boundaries: VecDeque<Boundary>,
    /// The contents of entries that do not end before the next block.
    contents: VecDeque<Range<u64>>,
    /// The offset of the next entry. `None` after the last one.
    next_entry: Option<u64>,
}

impl<'a> BlockReader<'a> {
    /// `limit` is the maximum size of a block.
    pub(crate) fn new(tar: &'a mut dyn Read, limit: u64) -> Self {
        Self {
            tar,
            limit,
            bytes: Vec::new(),
            start: 0,
            is_at_end: false,
            boundaries: VecDeque::new(),
            contents: VecDeque::new(),
            next_entry: Some(0),
        }
    }

    /// The next block and its pieces, or `None` at the end of the tar.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<(Vec<u8>, Vec<Piece>)>> {
        let most = self.start + self.limit;
        // One more byte shows whether the tar ends here.
        self.read_up_to(most + 1)?;
        while let Some(offset) = self.next_entry.filter(|&offset| offset <= most) {
            self.find_entry(offset)?;
        }
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tar_end = self.is_at_end.then(|| self.read_end());
        let end = block_end(self.start, self.limit, tar_end, self.boundaries.iter().copied());
        let rest = self.bytes.split_off((end - self.start) as usize);
        let block = mem::replace(&mut self.bytes, rest);
        let pieces = pieces(self.start..end, self.contents.iter().cloned());
        self.start = end;
        while self.contents.front().is_some_and(|contents| contents.end <= end) {
            self.contents.pop_front();
        }
        while self.boundaries.front().is_some_and(|boundary| boundary.offset <= end) {
            self.boundaries.pop_front();
        }
        Ok(Some((block, pieces)))
    }

    /// The offset after the last byte that was read.
    fn read_end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn read_up_to(&mut self, end: u64) -> io::Result<()> {
        let missing = end.saturating_sub(self.read_end());
        self.is_at_end |= (self.tar.take(missing).read_to_end(&mut self.bytes)? as u64) < missing;
        Ok(())
    }

    /// Reads the headers of the entry at this offset, as far as necessary.
    fn find_entry(&mut self, offset: u64) -> io::Result<()> {
        loop {
            let read = self.read_end();
            let from = usize::try_from(offset.min(read) - self.start).map_err(io::Error::other)?;
            let headers = &self.bytes[from..];
            let mut reader = TarReader::new(headers);
            let entry = match reader.next_entry() {
                Ok(Some(entry)) => entry,
                // The headers may continue after the bytes that were read.
                Ok(None) | Err(_) if !self.is_at_end && headers.len() < MAX_HEADERS => {
                    self.read_up_to(read + STEP)?;
                    continue;
                }
                Ok(None) | Err(_) => {
                    self.next_entry = None;
                    return Ok(());
                }
            };
            let size = entry.data_offset + entry.stored_size;
            let size = size.checked_next_multiple_of(BLOCK as u64);
            self.next_entry = size.and_then(|size| offset.checked_add(size));
            let key = reader.headers().last_chunk().map_or(0, key);
            self.boundaries.push_back(Boundary { offset, key });
            if let (Some(start), true) =
                (offset.checked_add(entry.data_offset), entry.stored_size > 0)
            {
                self.contents.push_back(start..start.saturating_add(entry.stored_size));
            }
            return Ok(());
        }
    }
}

fn key(header: &[u8; BLOCK]) -> u32 {
    blocks::key(&header[..100], &header[345..500])
}
