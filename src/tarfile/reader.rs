//! Reads tars of other programs as a stream: ustar, pax, GNU and star, including sparse files.
//!
//! Formats: POSIX.1-2017,
//! [pax](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), and the GNU tar
//! manual, [Tar Internals](https://www.gnu.org/software/tar/manual/html_node/Tar-Internals.html).
//! Tars are untrusted: the memory that they use is bounded, and contents that readers could
//! interpret in two ways are an error.

pub(crate) mod block;
pub(crate) mod contents;
pub(crate) mod entry;
pub(crate) mod extensions;
pub(crate) mod header;
pub(crate) mod input;
pub(crate) mod pax;
pub(crate) mod sparse;
pub(crate) mod stargz;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek},
    os::unix::fs::FileExt,
};

use tar::EntryType;

use crate::tarfile::reader::{
    block::{Result, text},
    extensions::{Extensions, Oddity},
    header::Header,
    input::Input,
    pax::{Global, Records},
};

pub(crate) use crate::tarfile::reader::{
    block::{BLOCK, TarError},
    header::is_tar_header,
};

/// The maximum size of a pax header or a long name.
const MAX_EXTENSION: u64 = 1 << 20;

/// Reads a tar from its first to its last byte, one entry at a time.
pub(crate) struct TarReader<R> {
    input: Input<R>,
    /// The offset of the next entry.
    next: u64,
    global: Global,
    ending: Option<Ending>,
    /// The blocks of the headers that were read last.
    headers: Vec<u8>,
    /// For contents, so that not every file takes a new one.
    buffer: Vec<u8>,
}

/// An entry of a tar, from its header and extended headers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TarEntry {
    /// The offset of the first header block of the entry, including extended headers.
    pub(crate) offset: u64,
    /// The name as in the tar, including leading and trailing slashes and dots.
    pub(crate) path: Vec<u8>,
    /// The target of a symbolic or hard link. Empty for other entries.
    pub(crate) link: Vec<u8>,
    /// The type flag. A directory in the form of old tars, which is a file with a trailing slash,
    /// is a directory.
    pub(crate) kind: EntryType,
    /// As in the header. Some writers include the bits of the file type.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Whole seconds, rounded down.
    pub(crate) mtime: i64,
    /// The part of the time after its whole seconds.
    pub(crate) nanoseconds: u32,
    /// The major and minor number. Zero if this is not a device.
    pub(crate) device: (u32, u32),
    /// The size of the contents, including the holes of a sparse file. Entries that cannot have
    /// contents (links, directories, devices) may have a meaningless size, in which case
    /// `stored_size` is zero.
    pub(crate) size: u64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) sparse: bool,
    /// Where the contents are in the tar, in order and not empty. The gaps between them are zeros.
    pub(crate) extents: Vec<Extent>,
    /// Whether the entry requires more than POSIX: GNU's long names, its sparse files, or numbers
    /// in base 256.
    pub(crate) gnu: bool,
    /// The offset of the stored contents, immediately after the headers.
    pub(crate) data_offset: u64,
    /// The size of the stored contents, without padding.
    pub(crate) stored_size: u64,
    /// Features that some readers refuse or read differently, each at most once.
    pub(crate) oddities: Vec<Oddity>,
}

/// `length` bytes of a file's contents, starting at `at`, are in the tar at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) at: u64,
    pub(crate) length: u64,
    pub(crate) offset: u64,
}

/// Fills the buffer with contents, starting at `at`. The buffer must not extend beyond the
/// contents, whose extents are in this tar.
pub(crate) fn read_extents(
    tar: &File,
    extents: &[Extent],
    at: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    let end = at + buffer.len() as u64;
    let mut filled = 0;
    let first = extents.partition_point(|extent| extent.at + extent.length <= at);
    for extent in extents[first..].iter().take_while(|extent| extent.at < end) {
        let (from, to) = (extent.at.max(at), (extent.at + extent.length).min(end));
        let (begin, until) = ((from - at) as usize, (to - at) as usize);
        buffer[filled..begin].fill(0);
        tar.read_exact_at(&mut buffer[begin..until], extent.offset + (from - extent.at))?;
        filled = until;
    }
    buffer[filled..].fill(0);
    Ok(())
}

/// The end of a tar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The number of blocks of zeros at the end: normally two, but possibly one or none.
    pub(crate) zero_blocks: u8,
    /// The offset of the first byte after the end that is not zero, except for the table of
    /// contents of eStargz.
    pub(crate) garbage: Option<u64>,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self::from_input(Input::new(input))
    }

    /// Creates a reader that seeks over contents instead of reading them.
    pub(crate) fn seekable(input: R) -> io::Result<Self>
    where
        R: Seek,
    {
        Ok(Self::from_input(Input::seekable(input)?))
    }

    fn from_input(input: Input<R>) -> Self {
        let (global, ending) = (Global::default(), None);
        Self { input, next: 0, global, ending, headers: Vec::new(), buffer: Vec::new() }
    }

    /// The next entry, or `None` after the last one. Skips contents that were not read.
    pub(crate) fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        if self.ending.is_some() {
            return Ok(None);
        }
        self.input.skip_to(self.next)?;
        self.headers.clear();
        let mut start = self.input.offset;
        let mut extensions = Extensions::default();
        loop {
            let fail = move |reason: String| TarError { offset: start, reason };
            let Some(header) = self.header()? else {
                return match extensions.is_empty() {
                    true => Ok(None),
                    false => Err(fail(
                        "an extended header at the end of the tar describes no entry".into(),
                    )),
                };
            };
            let repeated = match header.kind() {
                EntryType::XHeader => {
                    let records = Records::parse(&self.extension(&header)?).map_err(fail)?;
                    if records.go_refuses() {
                        extensions.note(Oddity::Record);
                    }
                    if header.is_solaris() {
                        extensions.note(Oddity::SolarisHeader);
                    }
                    extensions.records.replace(records).is_some()
                }
                EntryType::XGlobalHeader => {
                    let records = Records::parse(&self.extension(&header)?).map_err(fail)?;
                    if records.go_refuses() {
                        extensions.note(Oddity::Record);
                    }
                    self.global.update(records).map_err(fail)?;
                    extensions.note(Oddity::GlobalHeader);
                    if extensions.is_empty() {
                        start = self.input.offset;
                    }
                    false
                }
                EntryType::GNULongName => {
                    extensions.name.replace(text(&self.extension(&header)?)).is_some()
                }
                EntryType::GNULongLink => {
                    extensions.link.replace(text(&self.extension(&header)?)).is_some()
                }
                _ => return self.entry(start, &header, extensions).map(Some),
            };
            if repeated {
                extensions.note(Oddity::RepeatedHeader);
            }
        }
    }

    /// The blocks of the headers of the entry that was returned last, with extended headers. Of
    /// more than 1 MiB, only the first.
    pub(crate) fn headers(&self) -> &[u8] {
        &self.headers
    }

    /// Keeps a header, unless an entry has more of them than any program writes.
    fn keep_header(&mut self, bytes: &[u8]) {
        if (self.headers.len() as u64) < MAX_EXTENSION {
            self.headers.extend_from_slice(bytes);
        }
    }

    /// The offset that was read up to.
    pub(crate) fn offset(&self) -> u64 {
        self.input.offset
    }

    /// The end of the tar, after the last entry. Reads everything that follows.
    pub(crate) fn ending(&mut self) -> Result<Ending> {
        while self.next_entry()?.is_some() {}
        let mut ending = self.ending.unwrap_or_default();
        let mut rest = vec![0; 64 << 10];
        let mut index_end = 0;
        loop {
            let at = self.input.offset;
            let read = self.input.fill(&mut rest)?;
            if read == 0 {
                self.ending = Some(ending);
                return Ok(ending);
            }
            let mut from = 0;
            while let Some(byte) = rest[from..read]
                .iter()
                .position(|&byte| byte != 0)
                .filter(|_| ending.garbage.is_none())
            {
                let byte = from + byte;
                let place = at + byte as u64;
                if place >= index_end {
                    match stargz::end_of_index(&rest[byte..read], place).filter(|_| index_end == 0)
                    {
                        Some(end) => index_end = end,
                        None => ending.garbage = Some(place),
                    }
                }
                from = usize::try_from(index_end.saturating_sub(at))
                    .map_or(read, |end| end.clamp(byte, read));
            }
        }
    }

    /// The next header, or `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>> {
        let at = self.input.offset;
        let Some(block) = self.input.block()? else {
            self.ending = Some(Ending::default());
            return Ok(None);
        };
        if block != [0; BLOCK] {
            self.keep_header(&block);
            return Header::parse(&block)
                .map(Some)
                .map_err(|reason| TarError { offset: at, reason });
        }
        let mut second = [0; BLOCK];
        let read = self.input.fill(&mut second)?;
        let byte = second[..read].iter().position(|&byte| byte != 0);
        self.ending = Some(Ending {
            zero_blocks: if read == BLOCK && byte.is_none() { 2 } else { 1 },
            garbage: byte.map(|byte| at + (BLOCK + byte) as u64),
        });
        Ok(None)
    }

    /// The contents of an extended header that was just read.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>> {
        let fail = |reason| TarError { offset: self.input.offset - BLOCK as u64, reason };
        let size = header.size().map_err(fail)?;
        if size > MAX_EXTENSION {
            let much =
                format!("an extended header has {size} bytes, but the maximum is {MAX_EXTENSION}");
            return Err(fail(much));
        }
        let mut bytes = Vec::with_capacity(size as usize + BLOCK);
        while (bytes.len() as u64) < size {
            bytes.extend_from_slice(&self.input.whole_block()?);
        }
        self.keep_header(&bytes);
        bytes.truncate(size as usize);
        Ok(bytes)
    }
}
