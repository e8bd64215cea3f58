//! gzip, zstd or neither: how a layer's blob is made from blocks of its tar.

use std::{fmt, str::FromStr};

use crate::{
    basics::error::{Error, Result},
    document::descriptor::MediaType,
    tarfile::codec::{self, Codec},
};

/// How a layer is compressed.
///
/// Written as `gzip`, `zstd` or `none`, with a level behind a colon where one is wanted: `zstd:9`.
///
/// Each block of the tar is compressed by itself, as one gzip member or one zstd frame; both
/// formats say that such pieces one after the other are their contents one after the other ([RFC
/// 1952](https://www.rfc-editor.org/rfc/rfc1952#page-5), section 2.2; [RFC
/// 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1), section 3.1). Rust readers want
/// `MultiGzDecoder`: `GzDecoder` stops after the first member.
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
    /// The tar itself.
    None,
    /// gzip at a level from 1 (fast) to 12 (small).
    Gzip {
        /// libdeflate's level.
        level: u8,
    },
    /// zstd at a level from 1 (fast) to 19 (small).
    Zstd {
        /// libzstd's level.
        level: u8,
    },
}

impl Compression {
    /// gzip at its default level, 5: libdeflate's makes no larger blobs than `pigz -6`.
    pub const GZIP: Self = Self::Gzip { level: 5 };
    /// zstd at its default level, 3.
    pub const ZSTD: Self = Self::Zstd { level: 3 };

    /// The media type of a layer compressed like this.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::None => MediaType::LAYER,
            Self::Gzip { .. } => MediaType::LAYER_GZIP,
            Self::Zstd { .. } => MediaType::LAYER_ZSTD,
        }
    }

    /// The size of the blocks that are compressed each by itself. Part of the byte format.
    pub(crate) fn block_size(self) -> u64 {
        match self {
            Self::None | Self::Gzip { .. } => 1 << 20,
            Self::Zstd { .. } => 4 << 20,
        }
    }

    /// A compressor that has proved itself, none where there is nothing to compress.
    pub(crate) fn codec(self) -> Result<Option<Codec>> {
        let refuse =
            |reason: String| Err(Error::Compression { compression: self.to_string(), reason });
        match self {
            Self::None => Ok(None),
            Self::Gzip { level } if !(1..=12).contains(&level) => {
                refuse("gzip has the levels 1 to 12".to_owned())
            }
            Self::Zstd { level } if !(1..=19).contains(&level) => {
                refuse("zstd has the levels 1 to 19".to_owned())
            }
            Self::Gzip { level } => codec::gzip(level).map(Some),
            Self::Zstd { level } => codec::zstd(level).map(Some),
        }
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
    /// [`Error::Compression`] for another name, or a level that is not a small number; whether the
    /// codec has that level is asked when it is used.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Compression {
            compression: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (name, level) =
            text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level
            .map(|level| {
                level.parse().map_err(|_| refuse("the level behind the colon is a number"))
            })
            .transpose()?;
        match (name, level) {
            ("none", None) => Ok(Self::None),
            ("none", Some(_)) => Err(refuse("none has no levels")),
            ("gzip", None) => Ok(Self::GZIP),
            ("gzip", Some(level)) => Ok(Self::Gzip { level }),
            ("zstd", None) => Ok(Self::ZSTD),
            ("zstd", Some(level)) => Ok(Self::Zstd { level }),
            _ => Err(refuse("there are gzip, zstd and none")),
        }
    }
}
