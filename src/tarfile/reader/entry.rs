//! Entries: combines headers and finds contents.

use std::io::Read;

use tar::EntryType;

use crate::tarfile::reader::{
    Extent, TarEntry, TarReader,
    block::{BLOCK, Result, TarError},
    extensions::{Extensions, Oddity},
    header::Header,
    pax::Records,
    sparse::{Map, MapReader},
};

impl<R: Read> TarReader<R> {
    /// Combines a header that was just read with the extended headers before it.
    pub(crate) fn entry(
        &mut self,
        start: u64,
        header: &Header,
        mut extensions: Extensions,
    ) -> Result<TarEntry> {
        let fail = |reason: String| TarError { offset: start, reason };
        let is_device = matches!(header.kind(), EntryType::Char | EntryType::Block);
        if !is_device && header.has_odd_device() {
            extensions.note(Oddity::DeviceNumber);
        }
        let Extensions { records, name, link, oddities } = extensions;
        let long = name.is_some() || link.is_some();
        let records = records.unwrap_or_default().over(&self.global);
        let path = records
            .text("GNU.sparse.name")
            .or(records.text("path"))
            .or(name)
            .unwrap_or_else(|| header.name());
        let link = records.text("linkpath").or(link).unwrap_or_else(|| header.link());
        let kind = match header.kind() {
            EntryType::Regular if header.is_old() && path.ends_with(b"/") => EntryType::Directory,
            kind => kind,
        };
        let number = |key: &str, field: Result<u64, String>| records.number(key)?.map_or(field, Ok);
        let device = |key: &str, field: Result<u64, String>| {
            let device = number(key, field)?;
            u32::try_from(device).map_err(|_| format!("the device number {device} is too large"))
        };
        let size = number("size", header.size()).map_err(fail)?;
        let (mtime, nanoseconds) = records
            .time("mtime")
            .and_then(|time| time.map_or_else(|| Ok((header.mtime()?, 0)), Ok))
            .map_err(fail)?;
        let mut entry = TarEntry {
            offset: start,
            mode: header.mode().map_err(fail)?,
            uid: number("uid", header.uid()).map_err(fail)?,
            gid: number("gid", header.gid()).map_err(fail)?,
            mtime,
            nanoseconds,
            device: match kind {
                EntryType::Char | EntryType::Block => (
                    device("SCHILY.devmajor", header.device_major()).map_err(fail)?,
                    device("SCHILY.devminor", header.device_minor()).map_err(fail)?,
                ),
                _ => (0, 0),
            },
            path,
            link: if kind.is_symlink() || kind.is_hard_link() { link } else { Vec::new() },
            kind,
            size,
            xattrs: records.xattrs(),
            sparse: false,
            extents: Vec::new(),
            gnu: long || header.is_gnu(),
            data_offset: 0,
            stored_size: if has_contents(kind) { size } else { 0 },
            oddities,
        };
        self.find_contents(header, &records, &mut entry)?;
        Ok(entry)
    }

    /// Finds the contents. Reads the maps of sparse files, which follow the header.
    fn find_contents(
        &mut self,
        header: &Header,
        records: &Records,
        entry: &mut TarEntry,
    ) -> Result<()> {
        let start = entry.offset;
        let fail = |reason: String| TarError { offset: start, reason };
        let mut map = None;
        if entry.kind == EntryType::GNUSparse {
            let (mut found, mut more) = Map::in_header(header).map_err(fail)?;
            while more {
                more = found.add_block(&self.input.whole_block()?).map_err(fail)?;
            }
            map = Some(found);
        }
        let stored = entry.stored_size;
        entry.data_offset = self.input.offset;
        let end = entry
            .data_offset
            .checked_add(stored)
            .and_then(|end| end.checked_next_multiple_of(BLOCK as u64));
        self.next = match end {
            Some(end) if end <= self.input.length => end,
            _ => {
                return Err(fail(format!(
                    "its contents of {stored} bytes extend beyond the end of the tar"
                )));
            }
        };
        if let (EntryType::Regular | EntryType::Continuous, None) = (entry.kind, &map) {
            map = Map::in_records(records).map_err(fail)?;
            if let Some(size) = Map::size_if_in_contents(records).map_err(fail)? {
                let mut found = MapReader::new(size);
                while !found.is_done() {
                    if self.input.offset == self.next {
                        return Err(fail(
                            "the map of its sparse contents is not terminated".into(),
                        ));
                    }
                    found.add_block(&self.input.whole_block()?).map_err(fail)?;
                }
                map = Some(found.into_map());
            }
        }
        let stored = self.input.offset..entry.data_offset + stored;
        entry.extents = match map {
            Some(map) => {
                (entry.sparse, entry.size, entry.gnu) = (true, map.size, true);
                map.extents(stored).map_err(fail)?
            }
            None if stored.is_empty() => Vec::new(),
            None => vec![Extent { at: 0, length: entry.stored_size, offset: stored.start }],
        };
        Ok(())
    }
}

/// Links, directories and devices have no contents, whatever their size. Readers disagree on this,
/// but those that unpack images behave like this.
fn has_contents(kind: EntryType) -> bool {
    use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    !matches!(kind, Link | Symlink | Char | Block | Directory | Fifo)
}
