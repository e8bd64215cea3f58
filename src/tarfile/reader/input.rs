//! The bytes of a tar in order, read in blocks or skipped.

use std::io::{self, Read, Seek, SeekFrom};

use crate::{
    basics::report::Report,
    tarfile::reader::block::{BLOCK, Result, TarError},
};

pub(crate) struct Input<R> {
    input: R,
    /// The current offset in the tar.
    pub(crate) offset: u64,
    /// The length of the tar. Unbounded if it is not known.
    pub(crate) length: u64,
    skip: fn(&mut R, u64) -> io::Result<u64>,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(input: R) -> Self {
        fn read_over<R: Read>(input: &mut R, bytes: u64) -> io::Result<u64> {
            io::copy(&mut input.take(bytes), &mut io::sink())
        }
        Self { input, offset: 0, length: u64::MAX, skip: read_over }
    }

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

    pub(crate) fn whole_block(&mut self) -> Result<[u8; BLOCK]> {
        self.block()?.ok_or_else(|| self.cut_off())
    }

    pub(crate) fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(self.cut_off()),
        }
    }

    /// Reads until the buffer is full or the tar ends.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
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

    pub(crate) fn skip_to(&mut self, offset: u64) -> Result<()> {
        let distance = offset.saturating_sub(self.offset);
        let skipped = (self.skip)(&mut self.input, distance)
            .map_err(|error| unreadable(self.offset, &error))?;
        self.offset += skipped;
        if skipped < distance { Err(self.cut_off()) } else { Ok(()) }
    }

    pub(crate) fn cut_off(&self) -> TarError {
        TarError {
            offset: self.offset,
            reason: "the tar ends in the middle of an entry: it is truncated".into(),
        }
    }
}

fn unreadable(offset: u64, error: &io::Error) -> TarError {
    TarError { offset, reason: format!("the tar cannot be read: {}", Report(error)) }
}
