//! The compressed blocks of earlier layers, which a new layer uses again where its tar has the same
//! blocks.

use std::{collections::HashMap, io, sync::OnceLock};

use crate::{
    basics::{Digest, Error, Result, checksum::crc32},
    store::checked::CheckedFile,
    tarfile::{
        Compression,
        labelled::{self, LabelledBlock},
    },
};

/// The compressed blocks of earlier layers.
///
/// A block is used again only if decompressing it gives the bytes of the new block, and only if it
/// was compressed with the same level in this byte format. The new layer therefore has the bytes
/// that it would have without earlier layers.
#[derive(Debug, Default)]
pub(crate) struct EarlierBlocks {
    blobs: Vec<(Digest, CheckedFile)>,
    /// By their compression, and their size when not compressed.
    blocks: HashMap<(Compression, u64), Places>,
}

/// Blocks of equal size.
#[derive(Debug, Default)]
struct Places {
    places: Vec<Place>,
    /// The CRC-32 of the beginning of each, if there are several: most sizes occur once, and then the
    /// block is decompressed at once.
    sums: OnceLock<Vec<Option<u32>>>,
}

/// A compressed block in a blob.
#[derive(Clone, Copy, Debug)]
struct Place {
    blob: usize,
    at: u64,
    size: u64,
}

/// The number of bytes at the beginning of a block that are compared first.
const START: usize = 64 << 10;

/// The number of compressed bytes from which the beginning can be decompressed, whatever it
/// contains. In zstd, a part of 128 KiB is decompressed as a whole.
const ENOUGH: u64 = 192 << 10;

impl EarlierBlocks {
    /// Adds the blocks of a layer. Returns their number, which is zero if the blob is not
    /// compressed, or not in this byte format.
    ///
    /// # Errors
    ///
    /// [`Error::Read`](crate::Error::Read) if the file cannot be read.
    pub(crate) fn add(&mut self, digest: Digest, blob: CheckedFile) -> Result<usize> {
        let read = |at, buffer: &mut [u8]| blob.read_exact_at(at, buffer);
        let found = labelled::blocks(&read, blob.size());
        let Some((compression, found)) = found.map_err(Error::read(&blob.bytes.path))? else {
            self.blobs.push((digest, blob));
            return Ok(0);
        };
        let count = found.len();
        for LabelledBlock { at, size, contents } in found {
            let place = Place { blob: self.blobs.len(), at, size };
            let places = self.blocks.entry((compression, contents)).or_default();
            places.places.push(place);
            places.sums.take();
        }
        self.blobs.push((digest, blob));
        Ok(count)
    }

    /// The compressed form of this block, if an earlier layer has it.
    pub(crate) fn find(&self, compression: Compression, block: &[u8]) -> Option<Vec<u8>> {
        let Places { places, sums } = self.blocks.get(&(compression, block.len() as u64))?;
        let same = |place: &Place| {
            let compressed = self.read(place, place.size).ok()?;
            let contents = labelled::decompress(compression, &compressed, block.len()).ok()?;
            (contents == block).then_some(compressed)
        };
        if let [only] = places.as_slice() {
            return same(only);
        }
        let length = block.len().min(START);
        let sum = |place| self.sum_of_start(compression, place, length);
        let sums = sums.get_or_init(|| places.iter().map(sum).collect());
        let wanted = Some(crc32(&block[..length]));
        places
            .iter()
            .zip(sums)
            .filter(|(_, sum)| **sum == wanted)
            .find_map(|(place, _)| same(place))
    }

    /// The CRC-32 of the first bytes of a block. `None` if it is damaged.
    fn sum_of_start(&self, compression: Compression, place: &Place, length: usize) -> Option<u32> {
        let compressed = self.read(place, place.size.min(ENOUGH)).ok()?;
        let mut start = vec![0; length];
        labelled::decompress_start(compression, &compressed, &mut start).ok()?;
        Some(crc32(&start))
    }

    /// The blob with this digest, if it is one of those whose blocks were added.
    pub(crate) fn blob(&self, digest: Digest) -> Option<&CheckedFile> {
        self.blobs.iter().find(|(other, _)| *other == digest).map(|(_, blob)| blob)
    }

    /// The first bytes of a compressed block.
    fn read(&self, place: &Place, size: u64) -> io::Result<Vec<u8>> {
        let mut compressed = vec![0; size as usize];
        self.blobs[place.blob].1.read_exact_at(place.at, &mut compressed)?;
        Ok(compressed)
    }
}
