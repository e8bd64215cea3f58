//! Reads the blob of a layer as a tar, and hashes its bytes on the way.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

#[cfg(feature = "zstd")]
use crate::verify::frame_reader::FrameReader;
use crate::{
    basics::{
        digest::{Digest, HashRead},
        report::Report,
    },
    tarfile::{decompress, reader::is_tar_header},
    verify::{
        blob_use::{read_over, unreadable},
        defect::Defect,
        frames::Frames,
    },
};

/// The largest zstd window that is accepted, as a power of two: 128 MiB, the same limit as that of
/// the program `zstd`.
#[cfg(feature = "zstd")]
const WINDOW_LOG_MAX: u32 = 27;

/// The format of a blob, detected by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Tar,
    Gzip,
    Zstd,
    /// Another format, described in words.
    Other(&'static str),
}

impl Packing {
    fn of(start: &[u8]) -> Self {
        match decompress::Packing::of(start) {
            decompress::Packing::Gzip => Self::Gzip,
            decompress::Packing::Zstd => Self::Zstd,
            _ if start.get(257..262) == Some(b"ustar") || is_tar_header(start) => Self::Tar,
            _ if start.len() >= 512 && start.iter().all(|&byte| byte == 0) => Self::Tar,
            decompress::Packing::Plain => Self::Other("neither gzip, zstd nor a tar"),
            other => Self::Other(other.name()),
        }
    }

    /// Returns a description of the format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tar => "a tar without compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Other(name) => name,
        }
    }
}

type Source<'a> = BufReader<HashRead<Box<dyn Read + Send + 'a>>>;

/// Reads the tar in a blob. A defect of the blob ends the tar and is returned by
/// [`Unpack::finish`].
pub(crate) struct Unpack<'a> {
    decoder: Decoder<'a>,
    left: u64,
    limit: u64,
    defect: Option<Defect>,
}

enum Decoder<'a> {
    /// The tar itself.
    None(Source<'a>),
    Gzip(Box<MultiGzDecoder<Source<'a>>>),
    #[cfg(feature = "zstd")]
    Zstd(Box<zstd::Decoder<'static, Source<'a>>>),
    /// Frame by frame, for the table of contents.
    #[cfg(feature = "zstd")]
    Frames(Box<FrameReader<Source<'a>>>),
    /// Only the digest of the blob is checked.
    Closed(Source<'a>),
}

/// What is known of a blob after it was read.
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Why the tar ended early, if it did.
    pub(crate) defect: Option<Defect>,
    /// The frames of zstd, if they were asked for.
    pub(crate) frames: Option<Frames>,
}

impl<'a> Unpack<'a> {
    /// Returns a reader of the tar, and the format of the blob. At most `limit` bytes are returned.
    /// If the blob is zstd, its frames are recorded in `frames`.
    #[cfg_attr(
        not(feature = "zstd"),
        expect(unused_variables, reason = "only frames of zstd are recorded")
    )]
    pub(crate) fn new(
        file: Box<dyn Read + Send + 'a>,
        limit: u64,
        frames: Option<Frames>,
    ) -> Result<(Self, Packing), Defect> {
        let mut source = BufReader::with_capacity(256 << 10, HashRead::new(file));
        let start = source.fill_buf().map_err(unreadable)?;
        let packing = Packing::of(&start[..start.len().min(512)]);
        let defect = match packing {
            Packing::Zstd if cfg!(not(feature = "zstd")) => {
                Some(Defect::CodecMissing { codec: "zstd" })
            }
            _ => None,
        };
        let decoder = match packing {
            Packing::Tar => Decoder::None(source),
            Packing::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
            #[cfg(feature = "zstd")]
            Packing::Zstd => match frames {
                Some(frames) => {
                    let reader = FrameReader::new(source, WINDOW_LOG_MAX, frames);
                    Decoder::Frames(Box::new(reader.map_err(unreadable)?))
                }
                None => {
                    let mut decoder = zstd::Decoder::with_buffer(source).map_err(unreadable)?;
                    decoder.window_log_max(WINDOW_LOG_MAX).map_err(unreadable)?;
                    Decoder::Zstd(Box::new(decoder))
                }
            },
            #[cfg(not(feature = "zstd"))]
            Packing::Zstd => Decoder::Closed(source),
            Packing::Other(_) => Decoder::Closed(source),
        };
        Ok((Self { decoder, left: limit, limit, defect }, packing))
    }

    /// Reads the rest of the blob.
    pub(crate) fn finish(self) -> Result<Blob, Defect> {
        let (source, frames) = match self.decoder {
            Decoder::None(source) | Decoder::Closed(source) => (source, None),
            Decoder::Gzip(decoder) => (decoder.into_inner(), None),
            #[cfg(feature = "zstd")]
            Decoder::Zstd(decoder) => (decoder.finish(), None),
            #[cfg(feature = "zstd")]
            Decoder::Frames(decoder) => {
                let (source, frames) = decoder.finish();
                (source, Some(frames))
            }
        };
        let mut source = source.into_inner();
        read_over(&mut source).map_err(unreadable)?;
        let (digest, size) = source.finish();
        Ok(Blob { digest, size, defect: self.defect, frames })
    }

    fn damaged(&self, error: io::Error) -> Defect {
        let codec = match self.decoder {
            Decoder::None(_) | Decoder::Closed(_) => return unreadable(error),
            Decoder::Gzip(_) => "gzip",
            #[cfg(feature = "zstd")]
            Decoder::Zstd(_) | Decoder::Frames(_) => "zstd",
        };
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is truncated, or other bytes follow it".to_owned(),
            _ => Report(&error).to_string(),
        };
        Defect::CompressionDamaged { codec, offset: self.limit - self.left, reason }
    }
}

impl Read for Unpack<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.defect.is_some() {
            return Ok(0);
        }
        let read = match &mut self.decoder {
            Decoder::None(source) => source.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            #[cfg(feature = "zstd")]
            Decoder::Zstd(decoder) => decoder.read(buffer),
            #[cfg(feature = "zstd")]
            Decoder::Frames(decoder) => decoder.read(buffer),
            Decoder::Closed(_) => Ok(0),
        };
        match read {
            Ok(read) if read as u64 > self.left => {
                self.defect = Some(Defect::UnpacksTooLarge { limit: self.limit });
                let within = self.left as usize;
                self.left = 0;
                Ok(within)
            }
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.defect = Some(self.damaged(error));
                Ok(0)
            }
        }
    }
}
