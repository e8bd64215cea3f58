//! The compressors. Each proves itself on a sample before its first use.
//!
//! `cargo update` or a system library can replace a codec by a version that makes different bytes.
//! Therefore each codec first compresses a built-in sample, and is refused if the result differs
//! from the expected digest.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io;

#[cfg(feature = "gzip")]
use crate::tarfile::label::{GZIP_HEADER, GZIP_TRAILER, GzipLabel};
use crate::{
    basics::error::{Error, Result},
    tarfile::chunked::{
        pieces::{Piece, PieceKind, parts},
        sums::{Frame, Sums},
    },
};

/// A compressor with its level and memory, which compresses many blocks in sequence.
pub(crate) enum Codec {
    #[cfg(feature = "gzip")]
    Gzip(libdeflater::Compressor, u8),
    #[cfg(feature = "zstd")]
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    /// The maximum size of a compressed block of this size.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, reason = "there is no codec")
    )]
    pub(crate) fn bound(&mut self, size: usize) -> usize {
        match *self {
            #[cfg(feature = "gzip")]
            Self::Gzip(ref mut compressor, _) => {
                GZIP_HEADER + compressor.deflate_compress_bound(size) + GZIP_TRAILER
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => zstd::zstd_safe::compress_bound(size),
        }
    }

    /// The maximum compressed size of a block in pieces.
    pub(crate) fn bound_of_pieces(&mut self, block: &[u8], pieces: &[Piece]) -> usize {
        parts(block, pieces).map(|(_, piece)| self.bound(piece.len())).sum()
    }

    /// Compresses each piece of a block by this function, at the beginning of the output that is
    /// left. The output must have the size [`Codec::bound_of_pieces`]. Returns the frames, and their
    /// size.
    pub(crate) fn compress_pieces(
        &mut self,
        block: &[u8],
        pieces: &[Piece],
        output: &mut [u8],
        compress: impl Fn(&mut Self, &[u8], &mut [u8]) -> Result<usize>,
    ) -> Result<(Vec<Frame>, usize)> {
        let mut frames = Vec::with_capacity(pieces.len());
        let mut at = 0;
        for (kind, piece) in parts(block, pieces) {
            let size = compress(self, piece, &mut output[at..])?;
            at += size;
            let is_file = kind == PieceKind::Contents { first: true, last: true };
            frames.push(Frame { size: size as u64, sums: is_file.then(|| Sums::of(piece)) });
        }
        Ok((frames, at))
    }

    /// Compresses this block into one gzip member or one zstd frame at the beginning of `output`,
    /// which must have the size [`Codec::bound`]. Returns the compressed size.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, reason = "there is no codec")
    )]
    pub(crate) fn compress(&mut self, block: &[u8], output: &mut [u8]) -> Result<usize> {
        match *self {
            #[cfg(feature = "gzip")]
            Self::Gzip(ref mut compressor, level) => {
                let deflated = compressor.deflate_compress(block, &mut output[GZIP_HEADER..]);
                let end = GZIP_HEADER + deflated.expect("the bound is enough room");
                let size = end + GZIP_TRAILER;
                let label =
                    GzipLabel { size: u32::try_from(size).expect("a block is small"), level };
                output[..GZIP_HEADER].copy_from_slice(&label.header());
                let mut sum = libdeflater::Crc::new();
                sum.update(block);
                output[end..end + 4].copy_from_slice(&sum.sum().to_le_bytes());
                output[end + 4..size].copy_from_slice(&(block.len() as u32).to_le_bytes());
                Ok(size)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(ref mut compressor) => {
                compressor.compress_to_buffer(block, output).map_err(|cause| Error::Compression {
                    compression: "zstd".to_owned(),
                    reason: format!("the library failed ({cause}): choose another compression"),
                })
            }
        }
    }
}

#[cfg(feature = "gzip")]
pub(crate) fn gzip(level: u8) -> Result<Codec> {
    proof::proved("gzip", level, &proof::GZIP, || new_gzip(level))
}

#[cfg(feature = "gzip")]
fn new_gzip(level: u8) -> io::Result<Codec> {
    let compression =
        libdeflater::CompressionLvl::new(level.into()).expect("the caller looked at the level");
    Ok(Codec::Gzip(libdeflater::Compressor::new(compression), level))
}

#[cfg(feature = "zstd")]
pub(crate) fn zstd(level: u8) -> Result<Codec> {
    // `hash2` in zstd_preSplit.c reads two bytes in native byte order, which decides from level 4
    // on where blocks are split. Few inputs show the difference, and the sample does not.
    if cfg!(target_endian = "big") && level > 3 {
        return Err(Error::Compression {
            compression: format!("zstd:{level}"),
            reason: "on big-endian machines, libzstd 1.5.7 makes different bytes from level 4 on: \
                choose 1 to 3"
                .to_owned(),
        });
    }
    proof::proved("zstd", level, &proof::ZSTD, || new_zstd(level))
}

#[cfg(feature = "zstd")]
fn new_zstd(level: u8) -> io::Result<Codec> {
    use zstd::zstd_safe::CParameter;
    let mut compressor = zstd::bulk::Compressor::new(level.into())?;
    // Set explicitly instead of relying on defaults: a window as large as the frame, the content
    // size in the header, and no checksum, because there are digests.
    compressor.set_parameter(CParameter::WindowLog(22))?;
    compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    Ok(Codec::Zstd(compressor))
}

#[cfg(not(feature = "gzip"))]
pub(crate) fn gzip(_level: u8) -> Result<Codec> {
    missing("gzip")
}

#[cfg(not(feature = "zstd"))]
pub(crate) fn zstd(_level: u8) -> Result<Codec> {
    missing("zstd")
}

#[cfg(not(all(feature = "gzip", feature = "zstd")))]
fn missing(codec: &str) -> Result<Codec> {
    Err(Error::Compression {
        compression: codec.to_owned(),
        reason: format!(
            "this program was built without the feature `{codec}`: enable it, or choose another"
        ),
    })
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
mod proof {
    use std::{io, sync::OnceLock};

    use super::Codec;
    use crate::basics::byte_format::BYTE_FORMAT;
    use crate::basics::{
        digest::Digest,
        error::{Error, Result},
    };

    /// The proofs of one codec: for each level, starting at 1, the beginning of the digest of the
    /// compressed sample, and whether it matched.
    pub(crate) struct Proofs<const LEVELS: usize> {
        expected: [&'static str; LEVELS],
        matched: [OnceLock<bool>; LEVELS],
    }

    impl<const LEVELS: usize> Proofs<LEVELS> {
        const fn new(expected: [&'static str; LEVELS]) -> Self {
            Self { expected, matched: [const { OnceLock::new() }; LEVELS] }
        }
    }

    /// libdeflate 1.26, in labelled members.
    #[cfg(feature = "gzip")]
    pub(crate) static GZIP: Proofs<12> = Proofs::new([
        "d18c5d05d5dc",
        "4ea1b7ef80df",
        "a7f7d5ed32a9",
        "8381616ecf7c",
        "c5c0649b62fb",
        "5539946a292b",
        "45271379a6e3",
        "71f5c48ceb51",
        "39ad640ef3a0",
        "3180cb3c68ef",
        "85cdb4badb1c",
        "1337322f9ad3",
    ]);

    /// libzstd 1.5.7, with a window of 4 MiB.
    #[cfg(feature = "zstd")]
    pub(crate) static ZSTD: Proofs<19> = Proofs::new([
        "b77692c0cf16",
        "da40a69616f0",
        "1624e1297ab2",
        "3ee87fcca261",
        "a1b573e55b91",
        "8350001e0b2e",
        "4a4d7935a3e9",
        "7ce69b24b5cf",
        "017cca0b984a",
        "896c2d5e88d8",
        "9966ca582850",
        "8b76f00f85ba",
        "2367c91ca9e9",
        "2358d8f1246e",
        "aa4d6877d5e2",
        "52a4695e01c0",
        "bbf98a40a875",
        "8b50260a2fd7",
        "a59d2b960b18",
    ]);

    /// Creates a compressor. The first one of its kind must first prove that it makes the bytes of
    /// the byte format.
    pub(crate) fn proved<const LEVELS: usize>(
        codec: &str,
        level: u8,
        proofs: &Proofs<LEVELS>,
        new: impl Fn() -> io::Result<Codec>,
    ) -> Result<Codec> {
        let new = || {
            new().map_err(|cause| Error::Compression {
                compression: format!("{codec}:{level}"),
                reason: format!("the library does not start ({cause}): choose another compression"),
            })
        };
        let index = usize::from(level) - 1;
        if proofs.matched[index].get().is_none() {
            let matches = compressed_sample(&mut new()?)?.hex().starts_with(proofs.expected[index]);
            proofs.matched[index].get_or_init(|| matches);
        }
        match proofs.matched[index].get() {
            Some(true) => new(),
            _ => Err(Error::CodecBytes { codec: format!("{codec}:{level}"), format: BYTE_FORMAT }),
        }
    }

    fn compressed_sample(codec: &mut Codec) -> Result<Digest> {
        let sample = sample();
        let mut compressed = vec![0; codec.bound(sample.len())];
        let size = codec.compress(&sample, &mut compressed)?;
        Ok(Digest::of(&compressed[..size]))
    }

    /// 96 KiB with input for every part of a compressor: words that repeat at short and long
    /// distances, runs, and noise.
    fn sample() -> Vec<u8> {
        const WORDS: [&str; 8] = [
            "layer ",
            "digest ",
            "manifest ",
            "index ",
            "blob\n",
            "platform ",
            "\0\0\0\0",
            "config ",
        ];
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let mut bytes = Vec::with_capacity(96 << 10);
        while bytes.len() < 96 << 10 {
            match random() % 16 {
                0 => bytes.extend((0..random() % 64).map(|_| random() as u8)),
                1 => bytes.resize(bytes.len() + random() % 300, b' '),
                2 if bytes.len() > 1000 => {
                    let from = random() % (bytes.len() - 200);
                    bytes.extend_from_within(from..from + random() % 200);
                }
                _ => bytes.extend_from_slice(WORDS[random() % WORDS.len()].as_bytes()),
            }
        }
        bytes.truncate(96 << 10);
        bytes
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// After an intended change of a codec, copy the table from the message of this test, and
        /// increment the byte format.
        fn check<const LEVELS: usize>(
            proofs: &Proofs<LEVELS>,
            new: impl Fn(u8) -> io::Result<Codec>,
        ) {
            let found = std::array::from_fn(|index| {
                compressed_sample(&mut new(index as u8 + 1).unwrap()).unwrap().hex()[..12]
                    .to_owned()
            });
            assert_eq!(proofs.expected.map(str::to_owned), found);
        }

        #[cfg(feature = "gzip")]
        #[test]
        fn gzip_makes_the_bytes_of_the_byte_format() {
            check(&GZIP, super::super::new_gzip);
        }

        #[cfg(feature = "zstd")]
        #[test]
        fn zstd_makes_the_bytes_of_the_byte_format() {
            check(&ZSTD, super::super::new_zstd);
        }

        #[cfg(feature = "gzip")]
        #[test]
        fn a_codec_with_other_bytes_is_refused_by_name() {
            static OTHER: Proofs<12> = Proofs::new(["none"; 12]);
            let message =
                proved("gzip", 5, &OTHER, || super::super::new_gzip(5)).err().unwrap().to_string();
            assert!(
                message.starts_with("the gzip:5 that is linked into this program does not make"),
                "{message}"
            );
        }
    }
}
