//! What a compressed layer says of itself: that it has this byte format, at which level it was
//! compressed, and for gzip how long each member is.
//!
//! Readers of other programs skip these labels. Here, a layer with labels is decompressed in
//! parallel, and its blocks can become blocks of a later layer.

use crate::basics::BYTE_FORMAT;

/// The byte format, as it fits into labels.
const FORMAT: u8 = BYTE_FORMAT as u8;

/// The header of a gzip member: ten bytes, and the extra field
/// ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952), section 2.3).
pub(crate) const GZIP_HEADER: usize = 22;

/// The end of a gzip member: the CRC-32 and the size of its contents.
pub(crate) const GZIP_TRAILER: usize = 8;

/// The bytes of every member before its length and level: the flag for an extra field, no time, an
/// unknown system, and a subfield of six bytes. The ninth byte, the extra flags, depends on the
/// level.
const GZIP_START: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 10, 0, b'O', b'L', 6, 0];

/// The label of a gzip member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GzipLabel {
    /// The size of the whole member, in bytes.
    pub(crate) size: u32,
    pub(crate) level: u8,
}

impl GzipLabel {
    pub(crate) fn header(self) -> [u8; GZIP_HEADER] {
        let mut header = [0; GZIP_HEADER];
        header[..16].copy_from_slice(&GZIP_START);
        header[8] = match self.level {
            1 => 4,
            8.. => 2,
            _ => 0,
        };
        header[16..20].copy_from_slice(&self.size.to_le_bytes());
        header[20] = FORMAT;
        header[21] = self.level;
        header
    }

    /// `None` if this is not the header of a member of this byte format.
    pub(crate) fn read(header: &[u8; GZIP_HEADER]) -> Option<Self> {
        let [.., a, b, c, d, _, level] = *header;
        let label = Self { size: u32::from_le_bytes([a, b, c, d]), level };
        let is_long_enough = label.size as usize >= GZIP_HEADER + GZIP_TRAILER;
        (is_long_enough && label.header() == *header).then_some(label)
    }
}

/// The size of [`zstd_label`].
pub(crate) const ZSTD_LABEL: usize = 20;

/// The label after the last frame of a zstd layer: a skippable frame
/// ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2), section 3.1.2).
pub(crate) fn zstd_label(level: u8) -> [u8; ZSTD_LABEL] {
    let mut label = [0; ZSTD_LABEL];
    label[..4].copy_from_slice(&0x184d_2a5a_u32.to_le_bytes());
    label[4..8].copy_from_slice(&12_u32.to_le_bytes());
    label[8..18].copy_from_slice(b"oci-layout");
    label[18] = FORMAT;
    label[19] = level;
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_of_this_format_are_read() {
        for level in [1, 5, 12] {
            let label = GzipLabel { size: 70_000, level };
            let header = label.header();
            assert_eq!(GzipLabel::read(&header), Some(label));
            for byte in (0..16).chain([20]) {
                let mut other = header;
                other[byte] ^= 1;
                assert_eq!(GzipLabel::read(&other), None, "byte {byte}");
            }
        }
        assert_eq!(GzipLabel::read(&GzipLabel { size: 29, level: 5 }.header()), None);
    }
}
