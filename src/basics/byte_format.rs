//! The number of the byte format.

/// The number of the byte format. It stands for the versions of the codecs, the block sizes and
/// everything else in `docs/byte-format.md`. Diff IDs stay the same across numbers, compressed
/// digests only within one.
pub const BYTE_FORMAT: u32 = 2;
