//! Finds and decompresses the blocks of a compressed layer that has [labels](super::label).

use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::tarfile::{
    Compression,
    chunked::places::{FOOTER, FRAME_HEADER, Places},
    label::{GZIP_HEADER, GZIP_TRAILER, GzipLabel, ZSTD_LABEL, zstd_label},
};

/// A block in a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabelledBlock {
    /// The offset in the blob.
    pub(crate) at: u64,
    /// The compressed size.
    pub(crate) size: u64,
    /// The size of the contents.
    pub(crate) contents: u64,
}

/// Fills the buffer with the bytes of a blob, starting at this offset.
pub(crate) type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> io::Result<()> + 'a;

/// The compression of the blocks of a blob of this size, and the blocks in order: in a blob with a
/// table of contents, the pieces of blocks. `None` if it has no labels of
/// this byte format, or is damaged.
pub(crate) fn blocks(
    read: &ReadAt<'_>,
    size: u64,
) -> io::Result<Option<(Compression, Vec<LabelledBlock>)>> {
    let end = chunked_end(read, size)?.unwrap_or(size);
    Ok(match zstd_level(read, end)? {
        Some(level) => zstd_blocks(read, end - ZSTD_LABEL as u64)?
            .map(|blocks| (Compression::Zstd { level }, blocks)),
        None => gzip_blocks(read, size)?,
    })
}

/// The end of the label of a blob with a table of contents, which follows it.
fn chunked_end(read: &ReadAt<'_>, size: u64) -> io::Result<Option<u64>> {
    let Some(at) = size.checked_sub(FOOTER as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER];
    read(at, &mut footer)?;
    let places = Places::from_footer(&footer);
    let end = places.and_then(|places| places.table.offset.checked_sub(FRAME_HEADER as u64));
    Ok(end.filter(|&end| end <= at))
}

fn gzip_blocks(
    read: &ReadAt<'_>,
    size: u64,
) -> io::Result<Option<(Compression, Vec<LabelledBlock>)>> {
    let mut compression = None;
    let mut blocks = Vec::new();
    let mut at = 0;
    while at + ((GZIP_HEADER + GZIP_TRAILER) as u64) <= size {
        let mut header = [0; GZIP_HEADER];
        read(at, &mut header)?;
        let Some(label) = GzipLabel::read(&header) else { return Ok(None) };
        let found = Compression::Gzip { level: label.level };
        let end = at + u64::from(label.size);
        if *compression.get_or_insert(found) != found || end > size {
            return Ok(None);
        }
        let mut contents = [0; 4];
        read(end - 4, &mut contents)?;
        let contents = u32::from_le_bytes(contents).into();
        if contents > found.block_limit() {
            return Ok(None);
        }
        blocks.push(LabelledBlock { at, size: label.size.into(), contents });
        at = end;
    }
    Ok(compression.filter(|_| at == size).map(|compression| (compression, blocks)))
}

/// The level in the label at the end of a zstd blob.
fn zstd_level(read: &ReadAt<'_>, size: u64) -> io::Result<Option<u8>> {
    let Some(at) = size.checked_sub(ZSTD_LABEL as u64) else { return Ok(None) };
    let mut label = [0; ZSTD_LABEL];
    read(at, &mut label)?;
    let [.., level] = label;
    Ok(Some(level).filter(|&level| label == zstd_label(level)))
}

/// The frames before `end`.
fn zstd_blocks(read: &ReadAt<'_>, end: u64) -> io::Result<Option<Vec<LabelledBlock>>> {
    let limit = Compression::ZSTD.block_limit();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < end {
        match zstd_block(read, at, end)? {
            Some(block) if block.contents <= limit => {
                at += block.size;
                blocks.push(block);
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(blocks))
}

/// The frame at this offset, with its content size and without a checksum or dictionary ([RFC
/// 8878](https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1), section 3.1.1).
fn zstd_block(read: &ReadAt<'_>, at: u64, end: u64) -> io::Result<Option<LabelledBlock>> {
    let mut start = [0; ZSTD_HEADER];
    let room = start.len().min((end - at) as usize);
    read(at, &mut start[..room])?;
    let Some((length, contents)) = zstd_header(&start) else { return Ok(None) };
    let mut next = at + length as u64;
    loop {
        if next + 3 > end {
            return Ok(None);
        }
        let mut header = [0; 3];
        read(next, &mut header)?;
        let (stored, is_last) = zstd_part(header);
        next += (header.len() + stored) as u64;
        if is_last {
            let block = LabelledBlock { at, size: next - at, contents };
            return Ok(Some(block).filter(|_| next <= end));
        }
    }
}

/// The largest size of the header of a zstd frame here.
pub(crate) const ZSTD_HEADER: usize = 13;

/// The size of the header of a zstd frame, and the content size that it gives. `None` for what the
/// frames of this byte format do not have: a checksum, a dictionary, no content size.
pub(crate) fn zstd_header(start: &[u8; ZSTD_HEADER]) -> Option<(usize, u64)> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, size @ ..] = *start else { return None };
    if descriptor & 0b0011_1111 != 0b0010_0000 {
        return None;
    }
    let number = |length: usize| {
        size[..length].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    };
    let (length, contents) = match descriptor >> 6 {
        0 => (1, number(1)),
        1 => (2, number(2) + 256),
        2 => (4, number(4)),
        _ => (8, number(8)),
    };
    Some((5 + length, contents))
}

/// How many bytes follow the header of a block in a zstd frame, and whether this is the last one.
pub(crate) fn zstd_part(header: [u8; 3]) -> (usize, bool) {
    let [a, b, c] = header;
    let header = u32::from_le_bytes([a, b, c, 0]);
    // A block of one repeated byte stores it once.
    let stored = if header >> 1 & 3 == 1 { 1 } else { header >> 3 };
    (stored as usize, header & 1 == 1)
}

/// Fills the buffer with the first contents of a compressed block.
pub(crate) fn decompress_start(
    compression: Compression,
    compressed: &[u8],
    start: &mut [u8],
) -> io::Result<()> {
    match compression {
        Compression::Gzip { .. } => GzDecoder::new(compressed).read_exact(start),
        #[cfg(feature = "zstd")]
        Compression::Zstd { .. } => {
            zstd::Decoder::with_buffer(compressed)?.single_frame().read_exact(start)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The contents of a compressed block, which have this size.
///
/// # Errors
///
/// If the block is damaged, has other contents than this size, or ends before `compressed` does.
pub(crate) fn decompress(
    compression: Compression,
    compressed: &[u8],
    size: usize,
) -> io::Result<Vec<u8>> {
    match compression {
        #[cfg(feature = "gzip")]
        Compression::Gzip { .. } => {
            let mut contents = vec![0; size];
            let mut decompressor = libdeflater::Decompressor::new();
            let written = decompressor.gzip_decompress(compressed, &mut contents);
            if written.map_err(io::Error::other)? < size || !ends_once(compressed, &contents) {
                return Err(io::Error::other(
                    "the gzip member has another size than its label says",
                ));
            }
            Ok(contents)
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd { .. } => zstd::bulk::decompress(compressed, size),
        _ => {
            let mut contents = vec![0; size];
            decompress_start(compression, compressed, &mut contents)?;
            Ok(contents)
        }
    }
}

/// Whether the end of a gzip member is only at the end of these bytes.
///
/// libdeflate does not say where it found the end, and others would read a second member there. It
/// compared the checksum and size at the end that it found with the contents. So the end is at the
/// only place that has both.
#[cfg(feature = "gzip")]
fn ends_once(compressed: &[u8], contents: &[u8]) -> bool {
    let mut sum = libdeflater::Crc::new();
    sum.update(contents);
    let mut end = [0; GZIP_TRAILER];
    end[..4].copy_from_slice(&sum.sum().to_le_bytes());
    end[4..].copy_from_slice(&(contents.len() as u32).to_le_bytes());
    let found = compressed.windows(GZIP_TRAILER).position(|bytes| bytes == end);
    found.is_some_and(|at| at + GZIP_TRAILER == compressed.len())
}
