//! CRC-32, which finds accidental damage and candidates for equality. It proves nothing.

/// The CRC-32 of these bytes.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
