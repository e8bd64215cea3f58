//! Compression of layers: gzip, zstd or none.

use std::{fmt, str::FromStr};

use crate::{
    basics::error::{Error, Result},
    document::descriptor::MediaType,
    tarfile::{
        codec::{self, Codec},
        label::zstd_label,
    },
};

/// How a layer is compressed.
///
/// The text form is `gzip`, `zstd` or `none`, optionally followed by a colon and a level: `zstd:9`.
///
/// Each block of the tar is compressed separately, as one gzip member or one zstd frame. In both
/// formats, the concatenation of such parts is the compressed form of the concatenated contents
/// ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#page-5), section 2.2; [RFC
/// 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1), section 3.1). In Rust, read it with
/// flate2's `MultiGzDecoder`, because `GzDecoder` stops after the first member.
///
/// ```
/// use oci_layout::Compression;
/// assert_eq!("zstd:9".parse::<Compression>()?, Compression::Zstd { level: 9 });
/// assert_eq!(Compression::default(), "gzip".parse()?);
/// assert_eq!(Compression::None.to_string(), "none");
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// The uncompressed tar.
    None,
    /// gzip at a level from 1 (fast) to 12 (small).
    Gzip {
        /// The level of libdeflate.
        level: u8,
    },
    /// zstd at a level from 1 (fast) to 19 (small).
    Zstd {
        /// The level of libzstd.
        level: u8,
    },
}

impl Compression {
    /// gzip at its default level, 5. At this level, libdeflate makes blobs at most as large as
    /// `pigz -6`.
    pub const GZIP: Self = Self::Gzip { level: 5 };
    /// zstd at its default level, 3.
    pub const ZSTD: Self = Self::Zstd { level: 3 };

    /// The media type of a layer with this compression.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::None => MediaType::LAYER,
            Self::Gzip { .. } => MediaType::LAYER_GZIP,
            Self::Zstd { .. } => MediaType::LAYER_ZSTD,
        }
    }

    /// The maximum size of the [blocks](crate::tarfile::blocks) that are compressed separately. Part
    /// of the byte format.
    pub(crate) fn block_limit(self) -> u64 {
        match self {
            Self::None | Self::Gzip { .. } => 1 << 20,
            Self::Zstd { .. } => 4 << 20,
        }
    }

    /// The bytes of a blob after its last block.
    pub(crate) fn ending(self) -> Vec<u8> {
        match self {
            Self::None | Self::Gzip { .. } => Vec::new(),
            Self::Zstd { level } => zstd_label(level).to_vec(),
        }
    }

    /// A compressor that has proved itself, or `None` without compression.
    pub(crate) fn codec(self) -> Result<Option<Codec>> {
        match self.check_level()? {
            Self::None => Ok(None),
            Self::Gzip { level } => codec::gzip(level).map(Some),
            Self::Zstd { level } => codec::zstd(level).map(Some),
        }
    }

    fn check_level(self) -> Result<Self> {
        let reason = match self {
            Self::Gzip { level } if !(1..=12).contains(&level) => "gzip supports levels 1 to 12",
            Self::Zstd { level } if !(1..=19).contains(&level) => "zstd supports levels 1 to 19",
            _ => return Ok(self),
        };
        Err(Error::Compression { compression: self.to_string(), reason: reason.to_owned() })
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::GZIP
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => f.write_str("none"),
            Self::GZIP => f.write_str("gzip"),
            Self::ZSTD => f.write_str("zstd"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Compression`] for an unknown name or level.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Compression {
            compression: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (name, level) =
            text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level
            .map(|level| {
                level.parse().map_err(|_| refuse("the level after the colon must be a number"))
            })
            .transpose()?;
        match (name, level) {
            ("none", None) => Ok(Self::None),
            ("none", Some(_)) => Err(refuse("none has no levels")),
            ("gzip", None) => Ok(Self::GZIP),
            ("gzip", Some(level)) => Self::Gzip { level }.check_level(),
            ("zstd", None) => Ok(Self::ZSTD),
            ("zstd", Some(level)) => Self::Zstd { level }.check_level(),
            _ => Err(refuse("expected gzip, zstd or none")),
        }
    }
}
