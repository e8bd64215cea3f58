//! Checksums of the tar that a recipe describes.

use crate::basics::Digest;

/// Checksums that were taken while a tar was read, to verify it when it is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checks {
    /// The size of the tar, in bytes.
    pub(crate) size: u64,
    /// For each block of the pipeline, the digest of everything before its end. Digests of single
    /// blocks would have to be computed separately. These are states through which the diff ID
    /// passes.
    pub(crate) prefixes: Vec<Digest>,
    /// The CRC-32 of each entry: header, contents and padding. Their only purpose is to identify
    /// the file that changed.
    pub(crate) entries: Vec<u32>,
}
