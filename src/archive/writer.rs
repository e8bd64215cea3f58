//! Writes a tar from its first byte to its last.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use crate::{
    basics::{
        error::{Error, Result},
        progress::Progress,
    },
    blob::{chunks::Chunks, traits::Blob},
    document::layout_paths::blob_name,
    tarfile::{
        header::{END_OF_ARCHIVE, padding, plain_header},
        path::LayerPath,
    },
};

/// Writes members with the attributes and headers of entries of a layer.
pub(crate) struct TarWriter<W> {
    to: W,
    progress: Option<Progress>,
    /// The bytes of contents written so far, and their total.
    done: u64,
    total: u64,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(to: W, total: u64, progress: Option<Progress>) -> Self {
        Self { to, progress, done: 0, total }
    }

    pub(crate) fn directory(&mut self, path: &str) -> Result<()> {
        self.header(path, None)
    }

    /// Writes a file that is not a blob.
    pub(crate) fn document(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.header(path, Some(bytes.len() as u64))?;
        self.contents(bytes)?;
        self.zeros(padding(bytes.len() as u64))
    }

    /// Writes a file in `blobs`. Its last bytes are written only after the whole blob is verified.
    pub(crate) fn blob(&mut self, blob: &dyn Blob) -> Result<()> {
        let descriptor = blob.descriptor();
        // Written first, so that an unreadable blob leaves a truncated tar that no reader accepts.
        self.header(&blob_name(descriptor.digest), Some(descriptor.size))?;
        for chunk in Chunks::open(blob)? {
            self.contents(&chunk?)?;
        }
        self.zeros(padding(descriptor.size))
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.zeros(END_OF_ARCHIVE)?;
        self.to.flush().map_err(Error::sink)
    }

    fn header(&mut self, path: &str, size: Option<u64>) -> Result<()> {
        let path = LayerPath::parse(Path::new(path)).expect("these names are our own");
        self.write(&plain_header(&path, size))
    }

    fn contents(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)?;
        self.done += bytes.len() as u64;
        if let Some(Progress(report)) = &self.progress {
            report(self.done, self.total);
        }
        Ok(())
    }

    fn zeros(&mut self, count: u64) -> Result<()> {
        io::copy(&mut io::repeat(0).take(count), &mut self.to).map_err(Error::sink).map(|_| ())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes).map_err(Error::sink)
    }
}
