//! The compressed blocks of earlier layers, which a new layer uses again where its tar has the same
//! blocks.

use std::{collections::HashMap, io};

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
    blocks: HashMap<Key, Vec<Place>>,
}

/// What is compared before a block is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    compression: Compression,
    /// The size of the block, not compressed.
    size: u64,
    /// The CRC-32 of the first bytes.
    sum: u32,
}

/// A compressed block in a blob.
#[derive(Clone, Copy, Debug)]
struct Place {
    blob: usize,
    at: u64,
    size: u64,
}

/// The number of bytes at the beginning of a block that its key depends on.
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
            let mut compressed = vec![0; size.min(ENOUGH) as usize];
            read(at, &mut compressed).map_err(Error::read(&blob.bytes.path))?;
            let mut start = vec![0; contents.min(START as u64) as usize];
            if labelled::decompress_start(compression, &compressed, &mut start).is_ok() {
                let key = Key { compression, size: contents, sum: crc32(&start) };
                self.blocks.entry(key).or_default().push(place);
            }
        }
        self.blobs.push((digest, blob));
        Ok(count)
    }

    /// The compressed form of this block, if an earlier layer has it.
    pub(crate) fn find(&self, compression: Compression, block: &[u8]) -> Option<Vec<u8>> {
        let start = &block[..block.len().min(START)];
        let key = Key { compression, size: block.len() as u64, sum: crc32(start) };
        let places = self.blocks.get(&key).map_or(&[][..], Vec::as_slice);
        places.iter().find_map(|place| {
            let compressed = self.read(place).ok()?;
            let contents = labelled::decompress(compression, &compressed, block.len()).ok()?;
            (contents == block).then_some(compressed)
        })
    }

    /// The blob with this digest, if it is one of those whose blocks were added.
    pub(crate) fn blob(&self, digest: Digest) -> Option<&CheckedFile> {
        self.blobs.iter().find(|(other, _)| *other == digest).map(|(_, blob)| blob)
    }

    fn read(&self, place: &Place) -> io::Result<Vec<u8>> {
        let mut compressed = vec![0; place.size as usize];
        self.blobs[place.blob].1.read_exact_at(place.at, &mut compressed)?;
        Ok(compressed)
    }
}
