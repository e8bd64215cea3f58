//! What a recipe knows of the tar that it describes.

use crate::basics::Digest;

/// What was found out about a tar while it was read, to compare it with when it is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checks {
    /// The size of the tar, in bytes.
    pub(crate) size: u64,
    /// For each block of the pipeline the digest of all that is in front of its end. A digest of
    /// the block alone would have to be computed beside the diff ID; this one is a state that the
    /// diff ID passes through.
    pub(crate) prefixes: Vec<Digest>,
    /// The CRC-32 of each entry: headers, contents and padding. Their one purpose is to say which
    /// file it was.
    pub(crate) entries: Vec<u32>,
}
