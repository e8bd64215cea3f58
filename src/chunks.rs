//! The bytes of a blob, checked while they pass.

use std::io::Read;

use crate::{
    blob::Blob,
    descriptor::Descriptor,
    digest::Hasher,
    error::{Error, Result},
    image_layout::store::check,
};

/// The bytes of a chunk; the last one of a blob has fewer.
pub(crate) const CHUNK: u64 = 256 << 10;

/// A blob's bytes in chunks. The last one comes only if all of them are what the descriptor says, so that nobody ever
/// holds a wrong blob that looks whole. An empty blob has an empty chunk, which is checked like any other.
pub(crate) struct Chunks {
    descriptor: Descriptor,
    reader: Box<dyn Read + Send>,
    hasher: Hasher,
    is_over: bool,
}

impl Chunks {
    pub(crate) fn open(blob: &dyn Blob) -> Result<Self> {
        Ok(Self::new(blob.descriptor(), blob.open()?))
    }

    /// Of the blob with this descriptor, which this reads.
    pub(crate) fn new(descriptor: &Descriptor, reader: Box<dyn Read + Send>) -> Self {
        Self { descriptor: descriptor.clone(), reader, hasher: Hasher::default(), is_over: false }
    }

    fn chunk(&mut self) -> Result<Vec<u8>> {
        let Descriptor { digest, size, .. } = self.descriptor;
        let left = size - self.hasher.size();
        let length = left.min(CHUNK);
        let read = |cause| Error::blob(digest, cause);
        let mut bytes = Vec::with_capacity(usize::try_from(length).expect("a chunk is in memory"));
        (&mut self.reader).take(length).read_to_end(&mut bytes).map_err(read)?;
        self.hasher.update(&bytes);
        if length == left || (bytes.len() as u64) < length {
            // One byte more shows that there are too many.
            let more = (&mut self.reader).take(1).read_to_end(&mut Vec::new()).map_err(read)?;
            let (digest, size) = self.hasher.clone().finish();
            check(&self.descriptor, size + more as u64, Some(digest))?;
            self.is_over = true;
        }
        Ok(bytes)
    }
}

impl Iterator for Chunks {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let chunk = self.chunk();
        self.is_over |= chunk.is_err();
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{blob::MemoryBlob, descriptor::MediaType, digest::Digest};

    /// A blob that says one thing and has another.
    struct Liar(Descriptor, Vec<u8>);

    impl Blob for Liar {
        fn descriptor(&self) -> &Descriptor {
            &self.0
        }

        fn open(&self) -> Result<Box<dyn Read + Send>> {
            Ok(Box::new(std::io::Cursor::new(self.1.clone())))
        }
    }

    fn read(blob: impl Blob + 'static) -> (usize, Option<Error>) {
        let mut got = 0;
        for chunk in Chunks::open(&blob).unwrap() {
            match chunk {
                Ok(chunk) => got += chunk.len(),
                Err(error) => return (got, Some(error)),
            }
        }
        (got, None)
    }

    #[test]
    fn right_bytes_come_whole() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes = vec![7; size as usize];
            let blob = MemoryBlob::new(MediaType::LAYER, bytes);
            let chunks: Vec<_> = Chunks::open(&blob).unwrap().map(Result::unwrap).collect();
            assert_eq!(chunks.len() as u64, size.div_ceil(CHUNK).max(1));
            assert_eq!(chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>(), size);
        }
    }

    #[test]
    fn the_last_chunk_of_wrong_bytes_never_comes() {
        for size in [0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 5] {
            let bytes = vec![7; size as usize];
            let right = Descriptor::of(MediaType::LAYER, &bytes);
            let lies = [
                Liar(Descriptor { digest: Digest::of("other"), ..right.clone() }, bytes.clone()),
                Liar(Descriptor { size: size + 1, ..right.clone() }, bytes.clone()),
                Liar(right.clone(), [&*bytes, b"more"].concat()),
            ];
            for lie in lies {
                let size = lie.0.size;
                let (got, error) = read(lie);
                assert!(matches!(error, Some(Error::BlobDamaged { .. })), "{error:?}");
                assert!((got as u64) < size.max(1), "{got} of {size} bytes came");
            }
        }
    }
}
