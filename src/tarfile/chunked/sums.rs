//! What is known of a frame: its size, and what the table of contents and tar-split need of the
//! contents of a file.

use crate::{
    basics::{Digest, Hasher},
    tarfile::chunked::crc64::Crc64,
};

/// A piece of a block, compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) size: u64,
    /// The sums of the contents, if the piece is a whole file.
    pub(crate) sums: Option<Sums>,
}

/// The checksums of the contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) digest: Digest,
    pub(crate) crc64: u64,
}

impl Sums {
    pub(crate) fn of(contents: &[u8]) -> Self {
        let mut sums = RunningSums::default();
        sums.update(contents);
        sums.finish()
    }
}

#[derive(Default)]
pub(crate) struct RunningSums {
    sha: Hasher,
    crc64: Crc64,
}

impl RunningSums {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        self.crc64.update(bytes);
    }

    pub(crate) fn finish(self) -> Sums {
        Sums { digest: self.sha.finish().0, crc64: self.crc64.sum() }
    }
}
