//! Compression of layers: gzip, zstd, zstd:chunked or none.

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
/// The text form is `gzip`, `zstd`, `zstd:chunked` or `none`, optionally followed by a colon and a
/// level: `zstd:9`.
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
/// assert_eq!("zstd:chunked".parse::<Compression>()?, Compression::ZstdChunked { level: 3 });
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
    /// zstd at a level from 1 (fast) to 19 (small), with a table of contents: zstd:chunked.
    ///
    /// podman, buildah and CRI-O can then fetch only those files of the layer that they do not have
    /// in another layer (`enable_partial_images` in their `storage.conf`). All others read it as
    /// zstd. The descriptor of the layer has annotations with the place of the table. Contents of
    /// files are compressed separately, so that layers with many small files become larger.
    ///
    /// A layer whose table would differ from its tar has none, and no annotations:
    /// [`Warning::NoTable`](crate::Warning::NoTable).
    ZstdChunked {
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
    /// zstd:chunked at its default level, 3.
    pub const ZSTD_CHUNKED: Self = Self::ZstdChunked { level: 3 };

    /// The media type of a layer with this compression.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::None => MediaType::LAYER,
            Self::Gzip { .. } => MediaType::LAYER_GZIP,
            Self::Zstd { .. } | Self::ZstdChunked { .. } => MediaType::LAYER_ZSTD,
        }
    }

    /// The maximum size of the [blocks](crate::tarfile::blocks) that are compressed separately. Part
    /// of the byte format.
    pub(crate) fn block_limit(self) -> u64 {
        match self {
            Self::None | Self::Gzip { .. } => 1 << 20,
            Self::Zstd { .. } | Self::ZstdChunked { .. } => 4 << 20,
        }
    }

    /// The compression of a single piece of a block.
    pub(crate) fn of_pieces(self) -> Self {
        match self {
            Self::ZstdChunked { level } => Self::Zstd { level },
            other => other,
        }
    }

    /// The label after the last block.
    pub(crate) fn label(self) -> Vec<u8> {
        match self {
            Self::None | Self::Gzip { .. } => Vec::new(),
            Self::Zstd { level } | Self::ZstdChunked { level } => zstd_label(level).to_vec(),
        }
    }

    /// A compressor that has proved itself, or `None` without compression.
    pub(crate) fn codec(self) -> Result<Option<Codec>> {
        match self.check_level()? {
            Self::None => Ok(None),
            Self::Gzip { level } => codec::gzip(level).map(Some),
            Self::Zstd { level } | Self::ZstdChunked { level } => codec::zstd(level).map(Some),
        }
    }

    fn check_level(self) -> Result<Self> {
        let reason = match self {
            Self::Gzip { level } if !(1..=12).contains(&level) => "gzip supports levels 1 to 12",
            Self::Zstd { level } | Self::ZstdChunked { level } if !(1..=19).contains(&level) => {
                "zstd supports levels 1 to 19"
            }
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
            Self::ZSTD_CHUNKED => f.write_str("zstd:chunked"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
            Self::ZstdChunked { level } => write!(f, "zstd:chunked:{level}"),
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
        let chunked = text.strip_prefix("zstd:chunked");
        let (name, level) = match chunked.map(|level| (level.strip_prefix(':'), level)) {
            Some((Some(level), _)) => ("zstd:chunked", Some(level)),
            Some((None, "")) => ("zstd:chunked", None),
            _ => text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level))),
        };
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
            ("zstd:chunked", None) => Ok(Self::ZSTD_CHUNKED),
            ("zstd:chunked", Some(level)) => Self::ZstdChunked { level }.check_level(),
            _ => Err(refuse("expected gzip, zstd, zstd:chunked or none")),
        }
    }
}
