//! A folder with compressed blocks, for layers that are made later.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    basics::{BYTE_FORMAT, Error, Result, checksum::crc32},
    store::{new_file::replace, write_options::WriteOptions},
    tarfile::{Compression, labelled},
};

/// A folder with compressed blocks. Several processes can use it at the same time.
///
/// Each file has one block and a checksum of its compressed form. A damaged file is ignored, and so
/// is an error of the folder: both only cost time.
#[derive(Debug)]
pub(crate) struct BlockCache {
    folder: PathBuf,
    limit: u64,
}

impl BlockCache {
    /// Creates the folder if necessary. `limit` is the maximum size of its files in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write) if the folder cannot be created.
    pub(crate) fn open(folder: &Path, limit: u64) -> Result<Self> {
        let folder = folder.join(format!("blocks-{BYTE_FORMAT}"));
        fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        Ok(Self { folder, limit })
    }

    /// The compressed form of this block, if the folder has it.
    pub(crate) fn find(&self, compression: Compression, block: &[u8]) -> Option<Vec<u8>> {
        let path = self.path(compression, block);
        let mut compressed = fs::read(&path).ok()?;
        let expected = compressed.split_off(compressed.len().checked_sub(4)?);
        if expected != crc32(&compressed).to_le_bytes() {
            return None;
        }
        let contents = labelled::decompress(compression, &compressed, block.len()).ok()?;
        if contents != block {
            return None;
        }
        // Blocks that are used stay.
        let now = || fs::File::options().write(true).open(&path)?.set_modified(SystemTime::now());
        let _ = now();
        Some(compressed)
    }

    /// Adds a block, in place of one with the same checksum and size.
    pub(crate) fn add(&self, compression: Compression, block: &[u8], compressed: &[u8]) {
        let path = self.path(compression, block);
        let parts = [compressed, &crc32(compressed).to_le_bytes()];
        let _ = replace(&path, &parts, WriteOptions::default().sync(false));
    }

    fn path(&self, compression: Compression, block: &[u8]) -> PathBuf {
        let compression = compression.to_string().replace(':', "-");
        self.folder.join(format!("{compression}-{:08x}-{}", crc32(block), block.len()))
    }

    /// Removes the blocks that were not used for the longest time, until the others are small
    /// enough together.
    fn shrink(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may remove it at the same time.
            let Ok(metadata) = entry.metadata() else { continue };
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= self.limit {
                break;
            }
            let _ = fs::remove_file(path);
            total -= size;
        }
        Ok(())
    }
}

impl Drop for BlockCache {
    fn drop(&mut self) {
        let _ = self.shrink();
    }
}
