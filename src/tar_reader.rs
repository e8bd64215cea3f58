//! Tars that others made, read as a stream: ustar, pax, GNU and star, sparse files among them.
//!
//! Formats: POSIX.1-2017, [pax](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), and the GNU tar
//! manual, [Tar Internals](https://www.gnu.org/software/tar/manual/html_node/Tar-Internals.html). Nothing in a tar is
//! believed: what it makes this reader keep in memory is bounded, and what readers could read in two ways is an error.

mod header;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read, Seek, SeekFrom},
};

use tar::EntryType;

use self::{
    header::Header,
    pax::{Global, Records},
    sparse::{Map, MapReader},
};

pub(crate) const BLOCK: usize = 512;

/// The most bytes that a pax header or a long name may have.
const MAX_EXTENSION: u64 = 1 << 20;

/// Reads a tar from its first to its last byte, one entry at a time.
pub(crate) struct TarReader<R> {
    input: R,
    /// How far the tar was read.
    offset: u64,
    /// Where the next entry begins.
    next: u64,
    /// Where the tar ends, as far as that is known.
    length: u64,
    skip: fn(&mut R, u64) -> io::Result<u64>,
    global: Global,
    ending: Option<Ending>,
}

/// One entry of a tar, as its headers and extended headers say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TarEntry {
    /// Of the first header block that belongs to the entry, extended headers included.
    pub(crate) offset: u64,
    /// As it is named, with slashes and dots in front and behind.
    pub(crate) path: Vec<u8>,
    /// The target of a symbolic or hard link; empty for others.
    pub(crate) link: Vec<u8>,
    /// The type flag; a directory in the manner of old tars (a file whose name ends with a slash) is a directory.
    pub(crate) kind: EntryType,
    /// As the header has it: some writers put the bits of the file type there too.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Whole seconds, rounded down.
    pub(crate) mtime: i64,
    /// Major and minor number; zeros for what is no device.
    pub(crate) device: (u32, u32),
    /// Of the contents; for a sparse file, with its holes. What can have no contents (a link, a directory, a device)
    /// may have a size all the same, which means nothing: `stored_size` is zero then.
    pub(crate) size: u64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) sparse: bool,
    /// Where the contents lie in the tar, in order, none empty; what lies between them is zeros.
    pub(crate) extents: Vec<Extent>,
    /// Whether it takes more than POSIX knows: GNU's long names, its sparse files, or numbers in base 256.
    pub(crate) gnu: bool,
    /// Where all that is stored for the contents begins: right after the headers.
    pub(crate) data_offset: u64,
    /// How many bytes are stored, without the padding.
    pub(crate) stored_size: u64,
}

/// `length` bytes of a file's contents from `at` lie in the tar from `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) at: u64,
    pub(crate) length: u64,
    pub(crate) offset: u64,
}

/// How a tar ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How many blocks of zeros mark the end: there should be two, and there may be one or none.
    pub(crate) zero_blocks: u8,
    /// Where the first byte lies that comes after the end and is not zero.
    pub(crate) garbage: Option<u64>,
}

/// What is wrong with a tar, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TarError {
    pub(crate) offset: u64,
    pub(crate) reason: String,
}

type Result<T, E = TarError> = std::result::Result<T, E>;

impl<R: Read> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        fn read_over<R: Read>(input: &mut R, bytes: u64) -> io::Result<u64> {
            io::copy(&mut input.take(bytes), &mut io::sink())
        }
        Self { input, offset: 0, next: 0, length: u64::MAX, skip: read_over, global: Global::default(), ending: None }
    }

    /// A reader that does not read contents only to skip them.
    pub(crate) fn seekable(mut input: R) -> io::Result<Self>
    where
        R: Seek,
    {
        fn seek_over<R: Seek>(input: &mut R, bytes: u64) -> io::Result<u64> {
            let distance = i64::try_from(bytes).map_err(io::Error::other)?;
            input.seek_relative(distance).map(|()| bytes)
        }
        let length = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        Ok(Self { length, skip: seek_over, ..Self::new(input) })
    }

    /// The next entry, `None` after the last one. Contents that were not read are skipped.
    pub(crate) fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        if self.ending.is_some() {
            return Ok(None);
        }
        self.skip_to(self.next)?;
        let mut start = self.offset;
        let mut extensions = Extensions::default();
        loop {
            let fail = move |reason: String| TarError { offset: start, reason };
            let Some(header) = self.header()? else {
                return match extensions.is_empty() {
                    true => Ok(None),
                    false => Err(fail("an extended header at the end of the tar describes no entry".into())),
                };
            };
            let size = header.size().map_err(fail)?;
            let again = match header.kind() {
                EntryType::XHeader => {
                    let records = Records::parse(&self.extension(size)?).map_err(fail)?;
                    extensions.records.replace(records).is_some()
                }
                EntryType::XGlobalHeader => {
                    let records = Records::parse(&self.extension(size)?).map_err(fail)?;
                    self.global.update(records).map_err(fail)?;
                    if extensions.is_empty() {
                        start = self.offset;
                    }
                    false
                }
                EntryType::GNULongName => extensions.name.replace(text(&self.extension(size)?)).is_some(),
                EntryType::GNULongLink => extensions.link.replace(text(&self.extension(size)?)).is_some(),
                _ => return self.entry(start, &header, extensions).map(Some),
            };
            if again {
                return Err(fail("two extended headers of one type describe one entry".into()));
            }
        }
    }

    /// How the tar ends, after the last entry. Reads all that follows.
    pub(crate) fn ending(&mut self) -> Result<Ending> {
        while self.next_entry()?.is_some() {}
        let mut ending = self.ending.unwrap_or_default();
        let mut rest = vec![0; 64 << 10];
        loop {
            let at = self.offset;
            let read = self.fill(&mut rest)?;
            if read == 0 {
                self.ending = Some(ending);
                return Ok(ending);
            }
            let byte = rest[..read].iter().position(|&byte| byte != 0);
            ending.garbage = ending.garbage.or(byte.map(|byte| at + byte as u64));
        }
    }

    /// The contents of the entry that came last, holes as zeros. They are there once.
    pub(crate) fn contents<'a>(&'a mut self, entry: &'a TarEntry) -> impl Read + 'a {
        let size = if entry.stored_size > 0 || entry.sparse { entry.size } else { 0 };
        Contents { tar: self, extents: &entry.extents, at: 0, size }
    }

    /// The entry of a header, which was just read, and of the extended headers before it.
    fn entry(&mut self, start: u64, header: &Header, extensions: Extensions) -> Result<TarEntry> {
        let fail = |reason: String| TarError { offset: start, reason };
        let Extensions { records, name, link } = extensions;
        let long = name.is_some() || link.is_some();
        let records = records.unwrap_or_default().over(&self.global);
        let path = records.text("GNU.sparse.name").or(records.text("path")).or(name).unwrap_or_else(|| header.name());
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
        let mut entry = TarEntry {
            offset: start,
            mode: header.mode().map_err(fail)?,
            uid: number("uid", header.uid()).map_err(fail)?,
            gid: number("gid", header.gid()).map_err(fail)?,
            mtime: records.time("mtime").and_then(|time| time.map_or_else(|| header.mtime(), Ok)).map_err(fail)?,
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
        };
        self.find_contents(header, &records, &mut entry)?;
        Ok(entry)
    }

    /// Says where the contents lie. Of what follows the header, the maps of sparse files are read.
    fn find_contents(&mut self, header: &Header, records: &Records, entry: &mut TarEntry) -> Result<()> {
        let start = entry.offset;
        let fail = |reason: String| TarError { offset: start, reason };
        let mut map = None;
        if entry.kind == EntryType::GNUSparse {
            let (mut found, mut more) = Map::in_header(header).map_err(fail)?;
            while more {
                more = found.add_block(&self.whole_block()?).map_err(fail)?;
            }
            map = Some(found);
        }
        let stored = entry.stored_size;
        entry.data_offset = self.offset;
        let end = entry.data_offset.checked_add(stored).and_then(|end| end.checked_next_multiple_of(BLOCK as u64));
        self.next = match end {
            Some(end) if end <= self.length => end,
            _ => return Err(fail(format!("its contents, {stored} bytes, go beyond the end of the tar"))),
        };
        if let (EntryType::Regular | EntryType::Continuous, None) = (entry.kind, &map) {
            map = Map::in_records(records).map_err(fail)?;
            if let Some(size) = Map::size_if_in_contents(records).map_err(fail)? {
                let mut found = MapReader::new(size);
                while !found.is_done() {
                    if self.offset == self.next {
                        return Err(fail("the map of its sparse contents does not end".into()));
                    }
                    found.add_block(&self.whole_block()?).map_err(fail)?;
                }
                map = Some(found.into_map());
            }
        }
        let stored = self.offset..entry.data_offset + stored;
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

    /// The next header; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>> {
        let at = self.offset;
        let Some(block) = self.block()? else {
            self.ending = Some(Ending::default());
            return Ok(None);
        };
        if block != [0; BLOCK] {
            return Header::parse(&block).map(Some).map_err(|reason| TarError { offset: at, reason });
        }
        let mut second = [0; BLOCK];
        let read = self.fill(&mut second)?;
        let byte = second[..read].iter().position(|&byte| byte != 0);
        self.ending = Some(Ending {
            zero_blocks: if read == BLOCK && byte.is_none() { 2 } else { 1 },
            garbage: byte.map(|byte| at + (BLOCK + byte) as u64),
        });
        Ok(None)
    }

    /// The contents of an extended header, of which the size is known.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        let at = self.offset;
        if size > MAX_EXTENSION {
            let reason = format!("an extended header has {size} bytes, more than the {MAX_EXTENSION} that are read");
            return Err(TarError { offset: at, reason });
        }
        let mut bytes = Vec::with_capacity(size as usize + BLOCK);
        while (bytes.len() as u64) < size {
            bytes.extend_from_slice(&self.whole_block()?);
        }
        bytes.truncate(size as usize);
        Ok(bytes)
    }

    fn whole_block(&mut self) -> Result<[u8; BLOCK]> {
        self.block()?.ok_or_else(|| self.cut_off())
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(self.cut_off()),
        }
    }

    /// Reads until the buffer is full or the tar ends.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(self.offset + filled as u64, &error)),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }

    fn skip_to(&mut self, offset: u64) -> Result<()> {
        let distance = offset.saturating_sub(self.offset);
        let skipped = (self.skip)(&mut self.input, distance).map_err(|error| unreadable(self.offset, &error))?;
        self.offset += skipped;
        if skipped < distance { Err(self.cut_off()) } else { Ok(()) }
    }

    fn cut_off(&self) -> TarError {
        TarError { offset: self.offset, reason: "the tar ends in the middle of an entry: it was cut off".into() }
    }
}

/// What the headers before an entry's own say of it.
#[derive(Default)]
struct Extensions {
    records: Option<Records>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.records.is_none() && self.name.is_none() && self.link.is_none()
    }
}

/// Links, directories and devices have none, whatever their size says. Readers do not agree on this; those that
/// unpack images do.
fn has_contents(kind: EntryType) -> bool {
    use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    !matches!(kind, Link | Symlink | Char | Block | Directory | Fifo)
}

/// What comes before the first NUL byte.
fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&byte| byte != 0).collect()
}

fn unreadable(offset: u64, error: &io::Error) -> TarError {
    TarError { offset, reason: format!("the tar cannot be read: {error}") }
}

/// The contents of one entry.
struct Contents<'a, R> {
    tar: &'a mut TarReader<R>,
    extents: &'a [Extent],
    at: u64,
    size: u64,
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.extents.first().is_some_and(|extent| self.at >= extent.at + extent.length) {
            self.extents = &self.extents[1..];
        }
        let hole_ends = self.extents.first().map_or(self.size, |extent| extent.at);
        let room = |bytes: u64| usize::try_from(bytes).map_or(buffer.len(), |bytes| bytes.min(buffer.len()));
        let read = match self.extents.first() {
            Some(extent) if self.at >= extent.at => {
                let room = room(extent.at + extent.length - self.at);
                self.tar.skip_to(extent.offset + (self.at - extent.at))?;
                let read = self.tar.fill(&mut buffer[..room])?;
                if read < room {
                    return Err(self.tar.cut_off().into());
                }
                read
            }
            _ => {
                let room = room(hole_ends - self.at);
                buffer[..room].fill(0);
                room
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {} of the tar: {}", self.offset, self.reason)
    }
}

impl std::error::Error for TarError {}

impl From<TarError> for io::Error {
    fn from(error: TarError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
