//! Tars that others made, read as a stream: ustar, pax, GNU and star, sparse files among them.
//!
//! Formats: POSIX.1-2017,
//! [pax](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html), and the GNU tar
//! manual, [Tar Internals](https://www.gnu.org/software/tar/manual/html_node/Tar-Internals.html).
//! Nothing in a tar is believed: what it makes this reader keep in memory is bounded, and what
//! readers could read in two ways is an error.

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

/// The most bytes that a pax header or a long name may have.
const MAX_EXTENSION: u64 = 1 << 20;

/// Reads a tar from its first to its last byte, one entry at a time.
pub(crate) struct TarReader<R> {
    input: Input<R>,
    /// Where the next entry begins.
    next: u64,
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
    /// The type flag; a directory in the manner of old tars (a file whose name ends with a slash)
    /// is a directory.
    pub(crate) kind: EntryType,
    /// As the header has it: some writers put the bits of the file type there too.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Whole seconds, rounded down.
    pub(crate) mtime: i64,
    /// Major and minor number; zeros for what is no device.
    pub(crate) device: (u32, u32),
    /// Of the contents; for a sparse file, with its holes. What can have no contents (a link, a
    /// directory, a device) may have a size all the same, which means nothing: `stored_size` is
    /// zero then.
    pub(crate) size: u64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) sparse: bool,
    /// Where the contents lie in the tar, in order, none empty; what lies between them is zeros.
    pub(crate) extents: Vec<Extent>,
    /// Whether it takes more than POSIX knows: GNU's long names, its sparse files, or numbers in
    /// base 256.
    pub(crate) gnu: bool,
    /// Where all that is stored for the contents begins: right after the headers.
    pub(crate) data_offset: u64,
    /// How many bytes are stored, without the padding.
    pub(crate) stored_size: u64,
    /// What some readers refuse or read in another way, each once.
    pub(crate) oddities: Vec<Oddity>,
}

/// `length` bytes of a file's contents from `at` lie in the tar from `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) at: u64,
    pub(crate) length: u64,
    pub(crate) offset: u64,
}

/// Fills the buffer with contents from `at` on, whose extents lie in this tar. It ends at or before
/// their end.
pub(crate) fn read_extents(
    tar: &File,
    extents: &[Extent],
    at: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    buffer.fill(0);
    let end = at + buffer.len() as u64;
    let first = extents.partition_point(|extent| extent.at + extent.length <= at);
    for extent in extents[first..].iter().take_while(|extent| extent.at < end) {
        let (from, to) = (extent.at.max(at), (extent.at + extent.length).min(end));
        let part = &mut buffer[(from - at) as usize..(to - at) as usize];
        tar.read_exact_at(part, extent.offset + (from - extent.at))?;
    }
    Ok(())
}

/// How a tar ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How many blocks of zeros mark the end: there should be two, and there may be one or none.
    pub(crate) zero_blocks: u8,
    /// Where the first byte lies that comes after the end and is not zero, but for the table of
    /// contents of eStargz.
    pub(crate) garbage: Option<u64>,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self::from_input(Input::new(input))
    }

    /// A reader that does not read contents only to skip them.
    pub(crate) fn seekable(input: R) -> io::Result<Self>
    where
        R: Seek,
    {
        Ok(Self::from_input(Input::seekable(input)?))
    }

    fn from_input(input: Input<R>) -> Self {
        Self { input, next: 0, global: Global::default(), ending: None }
    }

    /// The next entry, `None` after the last one. Contents that were not read are skipped.
    pub(crate) fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        if self.ending.is_some() {
            return Ok(None);
        }
        self.input.skip_to(self.next)?;
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

    /// How the tar ends, after the last entry. Reads all that follows.
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

    /// The next header; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>> {
        let at = self.input.offset;
        let Some(block) = self.input.block()? else {
            self.ending = Some(Ending::default());
            return Ok(None);
        };
        if block != [0; BLOCK] {
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

    /// The contents of an extended header, which was just read.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>> {
        let fail = |reason| TarError { offset: self.input.offset - BLOCK as u64, reason };
        let size = header.size().map_err(fail)?;
        if size > MAX_EXTENSION {
            let much = format!(
                "an extended header has {size} bytes, more than the {MAX_EXTENSION} that are read"
            );
            return Err(fail(much));
        }
        let mut bytes = Vec::with_capacity(size as usize + BLOCK);
        while (bytes.len() as u64) < size {
            bytes.extend_from_slice(&self.input.whole_block()?);
        }
        bytes.truncate(size as usize);
        Ok(bytes)
    }
}
