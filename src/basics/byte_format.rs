//! The number of the byte format.

/// The number of the byte format: it names the codecs' versions, the block sizes and all that
/// `docs/byte-format.md` says. Diff IDs are promised across numbers, compressed digests within one.
pub const BYTE_FORMAT: u32 = 1;
