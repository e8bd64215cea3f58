//! CRC-32, which finds accidental damage and candidates for equality. It proves nothing.

use flate2::Crc;

/// The CRC-32 of these bytes.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}
