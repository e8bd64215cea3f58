//! The [labelled](super::label) blocks at the beginning of a compressed stream.

use std::io::{self, BufRead, Read};

use crate::tarfile::{
    Compression,
    label::{GZIP_HEADER, GzipLabel},
    labelled::{self, ZSTD_HEADER, zstd_header, zstd_part},
};

/// A gzip member or zstd frame that can be decompressed by itself.
pub(crate) struct CompressedBlock {
    pub(crate) compression: Compression,
    bytes: Vec<u8>,
    /// The size of the contents.
    size: usize,
}

pub(crate) enum Next {
    Block(CompressedBlock),
    /// Something else follows, and these bytes of it were read.
    Rest(Vec<u8>),
}

/// The largest compressed size of a block. What does not compress grows a little.
const MAX_COMPRESSED: usize = 5 << 20;

impl CompressedBlock {
    /// Reads the next block. The bytes of a block that is cut off are returned as the rest.
    pub(crate) fn next(stream: &mut impl BufRead) -> io::Result<Next> {
        let mut bytes = Vec::new();
        let found = match read_to(stream, &mut bytes, 5)? {
            false => None,
            true if bytes.starts_with(&[0x1f, 0x8b]) => gzip(stream, &mut bytes)?,
            true => zstd(stream, &mut bytes)?,
        };
        Ok(match found {
            Some((compression, size)) if size <= compression.block_limit() => {
                Next::Block(Self { compression, bytes, size: size as usize })
            }
            _ => Next::Rest(bytes),
        })
    }

    /// # Errors
    ///
    /// If the block is damaged.
    pub(crate) fn decompress(&self) -> io::Result<Vec<u8>> {
        labelled::decompress(self.compression, &self.bytes, self.size)
    }
}

/// Reads a gzip member, if it has a label and is complete. Returns the size of its contents.
fn gzip(stream: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Option<(Compression, u64)>> {
    if !cfg!(feature = "gzip") || !read_to(stream, bytes, GZIP_HEADER)? {
        return Ok(None);
    }
    let Some(label) = bytes.first_chunk().and_then(GzipLabel::read) else { return Ok(None) };
    let size = label.size as usize;
    if size > MAX_COMPRESSED || !read_to(stream, bytes, size)? {
        return Ok(None);
    }
    let contents = bytes.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    Ok(Some((Compression::Gzip { level: label.level }, contents.into())))
}

/// Reads a zstd frame, if it has the form of this byte format and is complete. Returns the size of
/// its contents.
fn zstd(stream: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Option<(Compression, u64)>> {
    let header = |bytes: &[u8]| {
        let mut start = [0; ZSTD_HEADER];
        start[..bytes.len()].copy_from_slice(bytes);
        zstd_header(&start)
    };
    let Some((length, _)) = header(bytes).filter(|_| cfg!(feature = "zstd")) else {
        return Ok(None);
    };
    if !read_to(stream, bytes, length)? {
        return Ok(None);
    }
    let contents = header(bytes).map_or(0, |(_, contents)| contents);
    loop {
        let at = bytes.len();
        if !read_to(stream, bytes, at + 3)? {
            return Ok(None);
        }
        let Some(&part) = bytes.last_chunk() else { return Ok(None) };
        let (stored, is_last) = zstd_part(part);
        let end = bytes.len() + stored;
        if end > MAX_COMPRESSED || !read_to(stream, bytes, end)? {
            return Ok(None);
        }
        if is_last {
            return Ok(Some((Compression::ZSTD, contents)));
        }
    }
}

/// Reads until there are so many bytes. Returns whether the stream has them.
fn read_to(stream: &mut impl BufRead, bytes: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    let missing = length - bytes.len();
    Ok(stream.take(missing as u64).read_to_end(bytes)? == missing)
}
