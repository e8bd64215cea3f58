//! The tar of a layer as bytes that can be made at any offset. Nothing of it exists until it is
//! requested.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

#[cfg(feature = "cli")]
use crate::tarfile::LayerPath;
use crate::{
    basics::{Error, Result},
    layer::entry::{Entry, Kind},
    tarfile::{
        blocks::{Boundary, block_end},
        chunked::pieces::{Piece, pieces},
        header::{END_OF_ARCHIVE, block_key, header, header_size, padding},
    },
};

/// The entries of a layer in order, and their offsets in the tar.
///
/// The size of an entry is known before its contents are read. Any thread can therefore make any
/// range of the tar, in any order. This allows reading a large file in parallel, and reading a blob
/// from the middle. A tar grows at its end while its entries are listed, and the known part can
/// already be read.
#[derive(Debug, Default)]
pub(crate) struct TarStream(RwLock<Listed>);

/// The known part of a tar.
#[derive(Debug, Default)]
struct Listed {
    /// Parts are never empty.
    parts: Vec<Arc<Part>>,
    /// Whether all entries are known.
    complete: bool,
}

impl Listed {
    fn count(&self) -> usize {
        self.parts.last().map_or(0, |part| part.first + part.entries.len())
    }

    /// The offset of the next entry, or of the end of the archive.
    fn end(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.end())
    }

    fn size(&self) -> u64 {
        if self.complete { self.end() + END_OF_ARCHIVE } else { self.end() }
    }
}

/// Consecutive entries.
#[derive(Debug)]
struct Part {
    /// The number of the first entry.
    first: usize,
    entries: Vec<Entry>,
    /// The offset of each entry's first header block, and finally the end of the part.
    offsets: Vec<u64>,
    /// The key of each entry at the end of a block.
    keys: Vec<u32>,
}

/// An entry, found by its number or offset.
pub(crate) struct EntryAt {
    part: Arc<Part>,
    /// The index in this part.
    index: usize,
}

impl TarStream {
    /// Adds entries after all existing ones. Only one thread at a time calls this.
    pub(crate) fn push(&self, entries: Vec<Entry>) -> Result<()> {
        let (first, mut offset, last) = {
            let listed = self.listed();
            (listed.count(), listed.end(), listed.parts.last().cloned())
        };
        let mut before =
            last.as_ref().and_then(|part| part.entries.last()).map(|entry| &entry.path);
        let mut offsets = Vec::with_capacity(entries.len() + 1);
        offsets.push(offset);
        let mut keys = Vec::with_capacity(entries.len());
        for entry in &entries {
            // A folder that changes while it is listed may return a name twice.
            if before.is_some_and(|before| *before >= entry.path) {
                return Err(Error::SourceChanged { path: entry.origin(), change: "changed" });
            }
            before = Some(&entry.path);
            let (size, fields) = (entry.content_size(), entry.fields());
            keys.push(block_key(&fields));
            let end = offset
                .checked_add(header_size(&fields) + padding(size))
                .and_then(|end| end.checked_add(size));
            // A sparse file can have any size at no cost.
            offset =
                end.filter(|end| end.checked_add(END_OF_ARCHIVE).is_some()).ok_or_else(|| {
                    let what = format!("layer with {:?}", entry.path.to_path());
                    Error::invalid(
                        what,
                        "its files have more than 16 EiB in total, which a layer cannot contain: \
                    exclude some",
                    )
                })?;
            offsets.push(offset);
        }
        if !entries.is_empty() {
            let part = Arc::new(Part { first, entries, offsets, keys });
            self.0.write().unwrap_or_else(PoisonError::into_inner).parts.push(part);
        }
        Ok(())
    }

    /// Records that there are no more entries.
    pub(crate) fn complete(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).complete = true;
    }

    /// All entries in order.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        let parts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner).parts;
        let entries = |part| match Arc::try_unwrap(part) {
            Ok(Part { entries, .. }) => entries,
            Err(part) => part.entries.clone(),
        };
        parts.into_iter().flat_map(entries).collect()
    }

    /// The path and the number of the first entry for which the function returns a number.
    pub(crate) fn first_with<T>(
        &self,
        mut number: impl FnMut(&Entry) -> Option<T>,
    ) -> Option<(PathBuf, T)> {
        let listed = self.listed();
        let mut entries = listed.parts.iter().flat_map(|part| &part.entries);
        entries.find_map(|entry| number(entry).map(|number| (entry.path.to_path(), number)))
    }

    /// The size of the tar in bytes, once all entries are known.
    pub(crate) fn total(&self) -> Option<u64> {
        let listed = self.listed();
        listed.complete.then(|| listed.size())
    }

    /// The size of the known part of the tar in bytes. Includes the end once all entries are known.
    pub(crate) fn size(&self) -> u64 {
        self.listed().size()
    }

    /// The end of the block that begins at this offset and is compressed separately. `None` as long
    /// as the entries that decide it are not known.
    pub(crate) fn block_end(&self, start: u64, limit: u64) -> Option<u64> {
        let listed = self.listed();
        let tar_end = listed.complete.then(|| listed.size());
        if tar_end.is_none() && listed.end() <= start + limit {
            return None;
        }
        let first = listed.parts.partition_point(|part| part.end() <= start);
        let boundaries = listed.parts[first..].iter().flat_map(|part| part.boundaries(start));
        Some(block_end(start, limit, tar_end, boundaries))
    }

    /// The pieces of the block that is this range.
    pub(crate) fn pieces(&self, block: Range<u64>) -> Vec<Piece> {
        let listed = self.listed();
        let first = listed.parts.partition_point(|part| part.end() <= block.start);
        let parts = &listed.parts[first..];
        let parts = parts.iter().take_while(|part| part.offsets[0] < block.end);
        pieces(block.clone(), parts.flat_map(|part| part.contents(&block)))
    }

    /// The number of known entries.
    pub(crate) fn len(&self) -> usize {
        self.listed().count()
    }

    /// The entry with this number.
    pub(crate) fn entry(&self, number: usize) -> Option<EntryAt> {
        let listed = self.listed();
        let part = listed.parts.partition_point(|part| part.first <= number).checked_sub(1)?;
        let part = Arc::clone(&listed.parts[part]);
        let index = number - part.first;
        (index < part.entries.len()).then_some(EntryAt { part, index })
    }

    /// The entry with this path.
    #[cfg(feature = "cli")]
    pub(crate) fn find(&self, path: &LayerPath) -> Option<EntryAt> {
        let listed = self.listed();
        let is_before = |part: &Arc<Part>| part.entries.first().is_some_and(|e| e.path <= *path);
        let part = listed.parts.partition_point(is_before).checked_sub(1)?;
        let part = Arc::clone(&listed.parts[part]);
        let index = part.entries.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
        Some(EntryAt { part, index })
    }

    /// The entry at this offset. `None` after the last one.
    pub(crate) fn entry_at(&self, offset: u64) -> Option<EntryAt> {
        let listed = self.listed();
        let part = listed.parts.partition_point(|part| part.offsets[0] <= offset).checked_sub(1)?;
        let part = Arc::clone(&listed.parts[part]);
        let index = part.offsets.partition_point(|&start| start <= offset) - 1;
        (index < part.entries.len()).then_some(EntryAt { part, index })
    }

    /// Fills the buffer with bytes of the tar, starting at `offset`. The buffer must not extend
    /// beyond the known part.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty()
            && let Some(EntryAt { part, index }) = self.entry_at(at)
        {
            part.read_at(index, &mut at, &mut rest)?;
        }
        rest.fill(0);
        Ok(())
    }

    fn listed(&self) -> RwLockReadGuard<'_, Listed> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// The offset of the next part, or of the end of the archive.
    fn end(&self) -> u64 {
        self.offsets[self.entries.len()]
    }

    /// The beginnings of the entries after this offset.
    fn boundaries(&self, after: u64) -> impl Iterator<Item = Boundary> {
        let first = self.offsets[..self.keys.len()].partition_point(|&offset| offset <= after);
        let entries = self.offsets[first..].iter().zip(&self.keys[first..]);
        entries.map(|(&offset, &key)| Boundary { offset, key })
    }

    /// The contents of the entries that overlap this range of the tar.
    fn contents(&self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.offsets.partition_point(|&offset| offset <= range.start).max(1) - 1;
        let ends = self.offsets.iter().skip(first + 1);
        let entries = self.entries.iter().skip(first).zip(ends);
        let before = self.offsets[first..].iter().take_while(|&&offset| offset < range.end);
        entries.zip(before).map(|((entry, end), _)| {
            let size = entry.content_size();
            let end = end - padding(size);
            end - size..end
        })
    }

    /// Fills the buffer with bytes, starting at `at`, as far as these entries reach. `at` must be
    /// in the entry with this index.
    fn read_at(&self, mut index: usize, at: &mut u64, rest: &mut &mut [u8]) -> Result<()> {
        while let (Some(entry), false) = (self.entries.get(index), rest.is_empty()) {
            // The bytes of each part of the entry. `at` moves from part to part.
            let start = self.offsets[index];
            let header = header(&entry.fields());
            let head = take(rest, at, start, header.len() as u64);
            if let Some((from, part)) = head {
                part.copy_from_slice(&header[from as usize..from as usize + part.len()]);
            }
            let start = start + header.len() as u64;
            let size = entry.content_size();
            if let (Kind::File(content), Some((from, part))) =
                (&entry.kind, take(rest, at, start, size))
            {
                content.read_at(from, part)?;
            }
            if let Some((_, part)) = take(rest, at, start + size, padding(size)) {
                part.fill(0);
            }
            index += 1;
        }
        Ok(())
    }
}

impl EntryAt {
    pub(crate) fn entry(&self) -> &Entry {
        &self.part.entries[self.index]
    }

    /// The number of the entry.
    pub(crate) fn number(&self) -> usize {
        self.part.first + self.index
    }

    /// The range of the entry in the tar: headers, contents and padding.
    pub(crate) fn range(&self) -> Range<u64> {
        self.part.offsets[self.index]..self.part.offsets[self.index + 1]
    }
}

/// Splits off the bytes in the part of `length` bytes that starts at `start`: the offset in that
/// part, and the piece of the buffer to fill.
fn take<'a>(
    rest: &mut &'a mut [u8],
    at: &mut u64,
    start: u64,
    length: u64,
) -> Option<(u64, &'a mut [u8])> {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        layer::entry::Content,
        tarfile::{path::LayerPath, xattrs::Xattrs},
    };

    fn file(name: &str, bytes: &[u8]) -> Entry {
        let path = LayerPath::parse(Path::new(name)).unwrap();
        let kind = Kind::File(Content::Bytes(bytes.into()));
        Entry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime: 1, xattrs: Xattrs::default() }
    }

    fn bytes(stream: &TarStream) -> Vec<u8> {
        let mut bytes = vec![1; stream.size() as usize];
        stream.read_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_tar_listed_in_parts_equals_one_listed_at_once() {
        let entries =
            [file("/a", &[7; 700]), file("/a-b", b""), file("/c", &[8; 512]), file("/d", b"d")];
        let (whole, grown) = (TarStream::default(), TarStream::default());
        whole.push(entries.to_vec()).unwrap();
        grown.push(entries[..1].to_vec()).unwrap();
        grown.push(Vec::new()).unwrap();
        let known = bytes(&grown);
        grown.push(entries[1..].to_vec()).unwrap();
        assert_eq!(known, bytes(&whole)[..known.len()]);
        for stream in [&whole, &grown] {
            stream.complete();
        }
        let tar = bytes(&whole);
        assert_eq!(tar, bytes(&grown));
        assert_eq!(tar::Archive::new(&tar[..]).entries().unwrap().count(), 4);
        for offset in 0..tar.len() {
            let mut part = vec![1; (tar.len() - offset).min(600)];
            grown.read_at(offset as u64, &mut part).unwrap();
            assert_eq!(part, tar[offset..offset + part.len()], "from {offset} on");
        }
        let place = |number| {
            grown.entry(number).map(|at| (at.number(), at.range(), at.entry().path.to_path()))
        };
        assert_eq!(place(2), Some((2, 2048..3072, "/c".into())));
        assert_eq!(place(4), None);
        assert_eq!(grown.entry_at(2047).unwrap().number(), 1);
        assert!(grown.entry_at(tar.len() as u64 - 1024).is_none());
    }

    #[test]
    fn a_name_listed_twice_is_a_source_that_changed() {
        for parts in
            [vec![vec![file("/a", b"1"), file("/a", b"1")]], vec![vec![file("/a", b"1")]; 2]]
        {
            let stream = TarStream::default();
            let pushed: Result<Vec<()>> = parts.into_iter().map(|part| stream.push(part)).collect();
            assert!(
                matches!(pushed, Err(Error::SourceChanged { path, .. }) if path == Path::new("/a"))
            );
        }
    }
}
