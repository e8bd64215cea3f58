//! A folder that records what layers were made of which files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    basics::{BYTE_FORMAT, Digest, Error, Result},
    store::{new_file::replace, write_options::WriteOptions},
};

/// The number of records that are kept. The newest stay.
const MOST: usize = 1000;

/// A folder with a record for each state of the files of a layer. Several processes can use it at
/// the same time.
///
/// A record begins with the digest of the rest. A damaged one is ignored, and so is an error of the
/// folder: both only cost time.
#[derive(Debug)]
pub(crate) struct KnownLayers {
    folder: PathBuf,
}

impl KnownLayers {
    /// Creates the folder if necessary.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write) if it cannot be created.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let folder = folder.join(format!("layers-{BYTE_FORMAT}"));
        fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        Ok(Self { folder })
    }

    /// The record for this state of files.
    pub(crate) fn find(&self, state: Digest) -> Option<Vec<u8>> {
        let file = fs::read(self.path(state)).ok()?;
        let (digest, record) = file.split_first_chunk()?;
        (Digest::of(record).bytes() == digest).then(|| record.to_vec())
    }

    pub(crate) fn add(&self, state: Digest, record: &[u8]) {
        let digest = Digest::of(record);
        let parts = [&digest.bytes()[..], record];
        let _ = replace(&self.path(state), &parts, WriteOptions::default().sync(false));
        self.shrink();
    }

    fn path(&self, state: Digest) -> PathBuf {
        self.folder.join(state.hex())
    }

    fn shrink(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let with_time = |entry: fs::DirEntry| {
            // Another process may remove it at the same time.
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        };
        let mut records: Vec<_> = entries.filter_map(with_time).collect();
        records.sort();
        for (_, path) in records.iter().rev().skip(MOST) {
            let _ = fs::remove_file(path);
        }
    }
}
