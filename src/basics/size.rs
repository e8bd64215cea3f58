//! Numbers of bytes, as people write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::basics::text;

/// A number of bytes, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// The units, the largest first.
const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (unit, shift) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).map(Self)
        };
        read().ok_or_else(|| {
            "expected a size with its unit, as in 512MiB or 8GiB: B, KiB, MiB, GiB or TiB"
                .to_owned()
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, shift): &&(&str, u32)| self.0.trailing_zeros() >= *shift;
        let (unit, shift) = UNITS.iter().find(fits).unwrap_or(&("B", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a size in quotes with its unit, as in \"512MiB\" or \"8GiB\"";
        text::deserialize(deserializer, expected, str::parse)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes, shown) in [
            ("8GiB", 8 << 30, "8GiB"),
            ("512 MiB", 512 << 20, "512MiB"),
            ("1536MiB", 1536 << 20, "1536MiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("7B", 7, "7B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
            assert_eq!(shown.parse(), Ok(size));
        }
        for text in ["", "8", "8GB", "8G", "-1GiB", "1.5GiB", "0B", "99999999TiB", "GiB"] {
            assert!(text.parse::<Size>().unwrap_err().contains("8GiB"), "{text}");
        }
    }
}
