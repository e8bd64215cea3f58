//! The CRC-64 of tar-split: that of ISO 3309, with the polynomial x⁶⁴ + x⁴ + x³ + x + 1.

/// A running checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc64(u64);

impl Default for Crc64 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc64 {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.0 = times_x64(self.0 ^ u64::from_le_bytes(*word));
        }
        for &byte in rest {
            let sum = self.0 ^ u64::from(byte);
            // The byte is multiplied by x⁶⁴ / x⁵⁶, and the others move by eight.
            self.0 = times_x64(sum << 56) ^ sum >> 8;
        }
    }

    pub(crate) fn sum(self) -> u64 {
        !self.0
    }
}

/// Multiplies by x⁶⁴, which is x⁴ + x³ + x + 1 here. The highest bit is the coefficient of x⁰, so
/// that a multiplication by x is a shift to the right. What it shifts out is multiplied once more.
fn times_x64(value: u64) -> u64 {
    let out = value << 63 ^ value << 61 ^ value << 60;
    let value = value ^ out;
    value ^ value >> 1 ^ value >> 3 ^ value >> 4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-64/GO-ISO in the catalogue of CRCs, and values of the Python
    /// implementation.
    #[test]
    fn known_sums() {
        for (text, sum) in [
            ("", 0),
            ("a", 0x3420000000000000),
            ("ab", 0x36c4200000000000),
            ("123456789", 0xb90956c775a41001),
            ("abcdefgh", 0x0e21b002d36776c4),
            ("abcdefghij", 0x7f5b6e21b002d367),
        ] {
            for at in 0..=text.len() {
                let mut crc = Crc64::default();
                crc.update(&text.as_bytes()[..at]);
                crc.update(&text.as_bytes()[at..]);
                assert_eq!(crc.sum(), sum, "{text:?}, {:x}", crc.sum());
            }
        }
    }
}
