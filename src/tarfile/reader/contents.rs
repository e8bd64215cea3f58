//! The contents of an entry, from a tar that is read as a stream.

use std::io::Read;

use crate::tarfile::reader::{TarEntry, TarError, TarReader};

/// The largest number of bytes that are passed on at once.
const BLOCK: usize = 256 << 10;

impl<R: Read> TarReader<R> {
    /// The contents of the entry that was returned last, which is not sparse.
    ///
    /// # Errors
    ///
    /// A tar that cannot be read.
    pub(crate) fn whole_contents(&mut self, entry: &TarEntry) -> Result<Vec<u8>, TarError> {
        let mut contents = vec![0; entry.stored_size as usize];
        self.input.skip_to(entry.data_offset)?;
        if self.input.fill(&mut contents)? < contents.len() {
            return Err(self.input.cut_off());
        }
        Ok(contents)
    }

    /// Passes on the contents of the entry that was returned last, in order: each part with its
    /// place in the file. Bytes between the parts are zeros.
    ///
    /// # Errors
    ///
    /// A tar that cannot be read, and the errors of `sink`.
    pub(crate) fn contents<E: From<TarError>>(
        &mut self,
        entry: &TarEntry,
        mut sink: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for extent in &entry.extents {
            self.input.skip_to(extent.offset)?;
            let mut done = 0;
            while done < extent.length {
                let length = (extent.length - done).min(BLOCK as u64) as usize;
                if self.buffer.len() < length {
                    self.buffer.resize(length, 0);
                }
                let filled = self.input.fill(&mut self.buffer[..length])?;
                if filled < length {
                    return Err(self.input.cut_off().into());
                }
                sink(extent.at + done, &self.buffer[..length])?;
                done += length as u64;
            }
        }
        Ok(())
    }
}
