//! Blobs in a storage: written in parts, read in parts, and never whole in memory.

use std::{
    io::{self, Cursor, Read},
    ops::Range,
    time::Duration,
};

use object_store::{
    Error as StoreError, ObjectStoreExt, PutMode, PutPayload, path::Path as Key, signer::Method,
};

use crate::{
    basics::{
        digest::Hasher,
        error::{Error, Result},
        stop::Stop,
    },
    document::descriptor::Descriptor,
    on_demand::storage::Storage,
};

/// The size of a part that is written. Services require 5 MiB, and allow 10,000 parts.
const WRITTEN: usize = 16 << 20;

/// The size of a part that is read.
const READ: u64 = 4 << 20;

impl Storage {
    /// Whether there is a blob with this size. Its bytes are not read.
    pub(crate) fn has_blob(&self, key: &str, descriptor: &Descriptor) -> Result<bool> {
        match self.wait(self.store.head(&Key::from(key))) {
            Ok(found) => Ok(found.size == descriptor.size),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.not_read(key, error)),
        }
    }

    /// Writes a blob, which appears when it is complete and has the digest of the descriptor.
    /// Several processes may write the same blob at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if the reader gives other bytes. Nothing is written then, nor if
    /// `stop` is set.
    pub(crate) fn add_blob(
        &self,
        key: &str,
        descriptor: &Descriptor,
        reader: &mut dyn Read,
        stop: &Stop,
    ) -> Result<()> {
        let unreadable = |cause| Error::blob(descriptor.digest, cause);
        let mut hasher = Hasher::default();
        let mut part = next(reader, &mut hasher).map_err(unreadable)?;
        if part.len() < WRITTEN {
            check(hasher, descriptor)?;
            // What is there has another size, or another process has just written the same bytes.
            return self.write(key, part, PutMode::Overwrite).map(drop);
        }
        let path = Key::from(key);
        let begun = self.wait(self.store.put_multipart(&path));
        let mut upload = begun.map_err(|error| self.not_written(key, error))?;
        let send = || -> Result<()> {
            while !part.is_empty() {
                if stop.is_set() {
                    return Err(Error::write(self.place.join(key))(
                        io::ErrorKind::Interrupted.into(),
                    ));
                }
                let sent = self.wait(upload.put_part(PutPayload::from(part)));
                sent.map_err(|error| self.not_written(key, error))?;
                part = next(reader, &mut hasher).map_err(unreadable)?;
            }
            check(hasher, descriptor)
        };
        let sent = send();
        let completed = sent.and_then(|()| {
            let completed = self.wait(upload.complete());
            completed.map(drop).map_err(|error| self.not_written(key, error))
        });
        if completed.is_err() {
            // Parts that remain are those of an upload that nobody completes.
            let _ = self.wait(upload.abort());
        }
        // Another process may have been faster, which some services refuse.
        completed.or_else(|error| match self.has_blob(key, descriptor) {
            Ok(true) => Ok(()),
            _ => Err(error),
        })
    }

    /// Reads a blob. Its last part is returned only if all bytes have the digest. A damaged blob is
    /// removed. Returns `None` if there is none.
    pub(crate) fn blob(&self, key: &str, descriptor: &Descriptor) -> Result<Option<StoredBlob>> {
        if !self.has_blob(key, descriptor)? {
            return Ok(None);
        }
        Ok(Some(StoredBlob {
            storage: self.clone(),
            key: key.to_owned(),
            descriptor: descriptor.clone(),
            at: 0,
            part: Cursor::default(),
            hasher: Hasher::default(),
        }))
    }

    /// A URL by which anybody can read an entry for this time, if the service of the storage signs
    /// such URLs.
    pub(crate) fn signed(&self, key: &str, lasts: Duration) -> Result<Option<String>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let url = self.wait(signer.signed_url(Method::GET, &Key::from(key), lasts));
        url.map(|url| Some(url.to_string())).map_err(|error| self.not_read(key, error))
    }

    fn part(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let bytes = self.wait(self.store.get_range(&Key::from(key), range));
        bytes.map(Into::into).map_err(|error| self.not_read(key, error))
    }
}

/// Reads up to the size of a part that is written.
fn next(reader: &mut dyn Read, hasher: &mut Hasher) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    reader.take(WRITTEN as u64).read_to_end(&mut part)?;
    hasher.update(&part);
    Ok(part)
}

fn check(hasher: Hasher, descriptor: &Descriptor) -> Result<()> {
    let (actual, size) = hasher.finish();
    match actual == descriptor.digest && size == descriptor.size {
        true => Ok(()),
        false => Err(Error::BlobDamaged {
            digest: descriptor.digest,
            expected: descriptor.digest.to_string(),
            actual: actual.to_string(),
        }),
    }
}

/// A blob that is being read.
pub(crate) struct StoredBlob {
    storage: Storage,
    key: String,
    descriptor: Descriptor,
    /// The number of bytes that were fetched.
    at: u64,
    part: Cursor<Vec<u8>>,
    hasher: Hasher,
}

impl StoredBlob {
    /// Fetches the next part, and verifies the blob before it returns the last one.
    fn fetch(&mut self) -> Result<Vec<u8>> {
        let end = self.descriptor.size.min(self.at + READ);
        let part = self.storage.part(&self.key, self.at..end)?;
        self.hasher.update(&part);
        let is_short = part.len() as u64 != end - self.at;
        self.at = if is_short { self.descriptor.size } else { end };
        if self.at == self.descriptor.size {
            let checked = check(std::mem::take(&mut self.hasher), &self.descriptor);
            if checked.is_err() {
                // The next reader finds none, and the layer is made again.
                let _ = self.storage.remove(&self.key);
            }
            checked?;
        }
        Ok(part)
    }
}

impl Read for StoredBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.position() == self.part.get_ref().len() as u64
            && self.at < self.descriptor.size
            && !buffer.is_empty()
        {
            self.part = Cursor::new(self.fetch()?);
        }
        self.part.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{basics::digest::Digest, document::descriptor::MediaType, registry::Client};

    /// This many bytes, which are read in pieces of an odd size. All bytes of a piece are equal.
    struct Bytes(u64);

    impl Read for Bytes {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            const PIECE: u64 = 70_001;
            let Some(last) = self.0.checked_sub(1) else { return Ok(0) };
            let n = buffer.len().min(usize::try_from(last % PIECE + 1).unwrap());
            buffer[..n].fill(u8::try_from(last / PIECE % 251).unwrap());
            self.0 -= n as u64;
            Ok(n)
        }
    }

    fn described(size: u64) -> Descriptor {
        let mut bytes = Vec::new();
        Bytes(size).read_to_end(&mut bytes).unwrap();
        Descriptor::new(MediaType::LAYER, Digest::of(&bytes), size)
    }

    fn left(folder: &std::path::Path) -> usize {
        fs::read_dir(folder.join("blobs")).map_or(0, Iterator::count)
    }

    #[test]
    fn blobs_are_written_and_read_in_parts() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::folder(folder.path())?;
        let stop = Stop::default();
        let part = WRITTEN as u64;
        for size in [0, 1, part - 1, part, part + 1, 2 * part + 12_345] {
            let descriptor = described(size);
            let key = format!("blobs/{size}");
            assert!(!storage.has_blob(&key, &descriptor)?);
            assert!(storage.blob(&key, &descriptor)?.is_none());
            storage.add_blob(&key, &descriptor, &mut Bytes(size), &stop)?;
            assert!(storage.has_blob(&key, &descriptor)?);
            let mut read = storage.blob(&key, &descriptor)?.unwrap();
            let mut hasher = Hasher::default();
            let mut buffer = vec![0; 100_000];
            while let n @ 1.. = read.read(&mut buffer).unwrap() {
                hasher.update(&buffer[..n]);
            }
            assert_eq!(hasher.finish(), (descriptor.digest, size));
        }
        assert_eq!(left(folder.path()), 6);
        Ok(())
    }

    #[test]
    fn wrong_and_interrupted_blobs_leave_nothing() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::folder(folder.path())?;
        let part = WRITTEN as u64;
        for size in [10, 2 * part] {
            let descriptor = described(size);
            for other in [size - 1, size + 1] {
                let added =
                    storage.add_blob("blobs/a", &descriptor, &mut Bytes(other), &Stop::default());
                assert!(matches!(added, Err(Error::BlobDamaged { .. })));
            }
        }
        let stop = Stop::default();
        stop.set();
        let descriptor = described(2 * part);
        let added = storage.add_blob("blobs/a", &descriptor, &mut Bytes(2 * part), &stop);
        assert!(matches!(added, Err(Error::Write { .. })));
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut broken = Bytes(part).chain(Broken);
        let added = storage.add_blob("blobs/a", &descriptor, &mut broken, &Stop::default());
        assert!(added.unwrap_err().to_string().contains(&descriptor.digest.to_string()));
        assert_eq!(left(folder.path()), 0);
        Ok(())
    }

    #[test]
    fn services_sign_urls_and_folders_do_not() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Storage::folder(folder.path())?.signed("a/b", Duration::from_secs(60))?, None);
        let options = [
            ("endpoint", "http://storage.example:9000"),
            ("allow_http", "true"),
            ("region", "us-east-1"),
            ("access_key_id", "key"),
            ("secret_access_key", "hidden"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let storage = Storage::bucket("s3://bucket/folder", &options, &Client::default())?;
        assert!(storage.signs());
        let url = storage.signed("blobs/a", Duration::from_secs(60))?.unwrap();
        assert!(url.starts_with("http://storage.example:9000/bucket/folder/blobs/a?"), "{url}");
        assert!(url.contains("X-Amz-Expires=60") && !url.contains("hidden"), "{url}");
        Ok(())
    }
}
