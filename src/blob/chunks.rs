//! Reads the bytes of a blob and verifies them.

use std::io::{self, Read, Write};

use crate::{
    basics::{Error, HashRead, Hasher, Result},
    blob::traits::Blob,
    document::{Descriptor, MAX_DOCUMENT},
    store::CheckedFile,
};

/// The size of a chunk. The last chunk of a blob is smaller.
pub(crate) const CHUNK: u64 = 256 << 10;

/// Reads a blob in chunks. The bytes of a file are all verified before the first chunk is returned.
/// Other bytes are verified while they are read, and the last chunk is returned only if all bytes
/// match the descriptor, so that a wrong blob is never complete. An empty blob has one empty chunk,
/// which is verified like any other.
pub(crate) struct Chunks {
    descriptor: Descriptor,
    source: Source,
    /// The number of bytes read.
    at: u64,
    is_over: bool,
}

enum Source {
    Checked(CheckedFile),
    /// Hashed while they are read.
    Unchecked(Box<dyn Read + Send>, Hasher),
}

impl Chunks {
    pub(crate) fn open(blob: &dyn Blob) -> Result<Self> {
        match blob.checked()? {
            Some(file) => Ok(Self::of(blob.descriptor(), Source::Checked(file))),
            None => Ok(Self::new(blob.descriptor(), blob.open()?)),
        }
    }

    /// Reads the blob with this descriptor.
    pub(crate) fn new(descriptor: &Descriptor, reader: Box<dyn Read + Send>) -> Self {
        Self::of(descriptor, Source::Unchecked(reader, Hasher::default()))
    }

    fn of(descriptor: &Descriptor, source: Source) -> Self {
        Self { descriptor: descriptor.clone(), source, at: 0, is_over: false }
    }

    /// Skips the chunks before this one. Does not read them from a file.
    #[cfg(feature = "registry")]
    pub(crate) fn skip_to(&mut self, chunk: u64) -> Result<()> {
        match &mut self.source {
            Source::Checked(file) => {
                self.at = chunk * CHUNK;
                file.seek(self.at);
            }
            Source::Unchecked(..) => {
                for _ in self.at / CHUNK..chunk {
                    self.next().transpose()?;
                }
            }
        }
        Ok(())
    }

    /// The next chunk of a file, if it can be returned without waiting for a disk.
    #[cfg(feature = "registry")]
    pub(crate) fn next_cached(&mut self) -> Option<Result<Vec<u8>>> {
        let Source::Checked(file) = &mut self.source else { return None };
        if self.is_over {
            return None;
        }
        let Descriptor { digest, size, .. } = self.descriptor;
        let left = size - self.at;
        let mut bytes = vec![0; left.min(CHUNK) as usize];
        let read = file.read_cached(&mut bytes).map_err(|cause| Error::blob(digest, cause));
        if !matches!(read, Ok(false)) {
            self.at += bytes.len() as u64;
            self.is_over = self.at == size || read.is_err();
        }
        read.map(|is_read| is_read.then_some(bytes)).transpose()
    }

    /// All bytes that are left.
    fn bytes(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for chunk in self {
            bytes.append(&mut chunk?);
        }
        Ok(bytes)
    }

    fn chunk(&mut self) -> Result<Vec<u8>> {
        let Descriptor { digest, size, .. } = self.descriptor;
        let left = size - self.at;
        let length = left.min(CHUNK);
        let read = |cause| Error::blob(digest, cause);
        let mut bytes = Vec::new();
        match &mut self.source {
            Source::Checked(file) => {
                bytes.resize(length as usize, 0);
                file.read_exact(&mut bytes).map_err(read)?;
                self.is_over = length == left;
            }
            Source::Unchecked(reader, hasher) => {
                bytes.reserve_exact(length as usize);
                reader.take(length).read_to_end(&mut bytes).map_err(read)?;
                hasher.update(&bytes);
                if length == left || (bytes.len() as u64) < length {
                    // One more byte shows that there are too many.
                    let more = reader.take(1).read_to_end(&mut Vec::new()).map_err(read)?;
                    let (digest, size) = hasher.clone().finish();
                    self.descriptor.check(size + more as u64, Some(digest))?;
                    self.is_over = true;
                }
            }
        }
        self.at += bytes.len() as u64;
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

/// Returns the bytes of a blob that is a document, all of them verified.
pub(crate) fn read_document(blob: &dyn Blob) -> Result<Vec<u8>> {
    check_size(blob.descriptor())?;
    Chunks::open(blob)?.bytes()
}

/// The same, of a document with this descriptor, which this reads.
pub(crate) fn read_document_from(
    descriptor: &Descriptor,
    reader: Box<dyn Read + Send>,
) -> Result<Vec<u8>> {
    check_size(descriptor)?;
    Chunks::new(descriptor, reader).bytes()
}

fn check_size(Descriptor { media_type, digest, size, .. }: &Descriptor) -> Result<()> {
    if *size <= MAX_DOCUMENT {
        return Ok(());
    }
    let reason = format!(
        "it has {size} bytes, more than the maximum of {MAX_DOCUMENT}: make or fetch it again"
    );
    Err(Error::invalid(format!("{media_type} {digest}"), reason))
}

/// Passes the bytes of a blob to a function, then reads what it left, and verifies all of them. A
/// damaged blob is a better explanation than an error of the function.
pub(crate) fn verified<T>(
    blob: &dyn Blob,
    read: impl FnOnce(&mut (dyn Read + Send)) -> Result<T>,
) -> Result<T> {
    let descriptor = blob.descriptor();
    let mut bytes = HashRead::new(blob.open()?);
    let result = read(&mut bytes);
    io::copy(&mut bytes, &mut io::sink()).map_err(|cause| Error::blob(descriptor.digest, cause))?;
    let (digest, size) = bytes.finish();
    descriptor.check(size, Some(digest))?;
    result
}

/// Copies and verifies the bytes of a blob. Never copies a wrong blob completely.
///
/// # Errors
///
/// [`Error::BlobDamaged`], and the errors of the blob and of the writer.
pub(crate) fn copy(blob: &dyn Blob, to: &mut impl Write) -> Result<()> {
    Chunks::open(blob)?.try_for_each(|chunk| to.write_all(&chunk?).map_err(Error::sink))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        basics::digest::Digest, blob::traits::MemoryBlob, document::descriptor::MediaType,
    };

    /// A blob whose bytes do not match its descriptor.
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
    fn matching_bytes_are_returned_completely() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes = vec![7; size as usize];
            let blob = MemoryBlob::new(MediaType::LAYER, bytes);
            let chunks: Vec<_> = Chunks::open(&blob).unwrap().map(Result::unwrap).collect();
            assert_eq!(chunks.len() as u64, size.div_ceil(CHUNK).max(1));
            assert_eq!(chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>(), size);
        }
    }

    #[cfg(feature = "registry")]
    #[test]
    fn chunks_in_memory_are_those_that_any_reader_returns() {
        use crate::store::{FileBytes, KnownFiles};

        for size in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("blob");
            std::fs::write(&path, &bytes).unwrap();
            let descriptor = Descriptor::of(MediaType::LAYER, &bytes);
            let file = FileBytes::open(&path).unwrap();
            let file = KnownFiles::default().check(file, &descriptor).unwrap();
            let mut chunks = Chunks::of(&descriptor, Source::Checked(file));
            let mut read = Vec::new();
            // A file system may not tell what is in memory: the other way must then continue.
            while let Some(chunk) = chunks.next_cached().or_else(|| chunks.next()) {
                read.append(&mut chunk.unwrap());
            }
            assert!(read == bytes, "{size}");
        }
    }

    #[test]
    fn the_last_chunk_of_a_damaged_blob_is_withheld() {
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
