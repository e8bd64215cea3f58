//! Writes blobs atomically: first to a temporary file in the same folder, which is then renamed.

use std::{
    fs,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{Digest, Error, Result},
    document::Descriptor,
    store::{
        beneath,
        checked::{CheckedFile, FileBytes},
        known_files::KnownFiles,
        lease::Lease,
        lock::Lock,
        new_file::Temporary,
        write_options::WriteOptions,
    },
};

/// `blobs/sha256` of a layout that may not have an index yet. While this value exists, no garbage
/// collector removes blobs there.
#[derive(Debug)]
pub(crate) struct BlobFiles {
    folder: PathBuf,
    known: Arc<KnownFiles>,
    options: WriteOptions,
    lock: Option<Lock>,
}

impl BlobFiles {
    /// Opens the folder, and creates it if necessary.
    pub(crate) fn create(layout: &Path, options: WriteOptions) -> Result<Self> {
        create_folder(layout, "blobs/sha256")?;
        let lock = Lock::shared(layout, options)?;
        Ok(Self { folder: layout.join("blobs/sha256"), known: Arc::default(), options, lock })
    }

    /// Sets the record of files whose digests are known.
    pub(crate) fn known(self, known: &Arc<KnownFiles>) -> Self {
        Self { known: Arc::clone(known), ..self }
    }

    pub(crate) fn options(&self) -> WriteOptions {
        self.options
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the blob with this digest.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// Opens a blob of this folder and verifies all its bytes.
    pub(crate) fn checked(&self, path: &Path, descriptor: &Descriptor) -> Result<CheckedFile> {
        self.known.check(FileBytes::open(path)?, descriptor)
    }

    /// What tells garbage collection in this process of the lock; `None` without a lock.
    pub(crate) fn lease(&self) -> Result<Option<Lease>> {
        let layout = self.folder.ancestors().nth(2).filter(|_| self.lock.is_some());
        layout.map(Lease::new).transpose()
    }

    /// Starts a new blob, whose digest is only known at its end.
    pub(crate) fn new_blob(&self) -> Result<NewBlob> {
        let file = Temporary::new_in(&self.folder)?;
        Ok(NewBlob { file, folder: self.folder.clone() })
    }

    /// Moves the blob to its final path.
    pub(crate) fn keep(&self, blob: NewBlob, digest: Digest) -> Result<PathBuf> {
        let path = self.path(digest);
        let file = blob.file.persist(&path, self.options)?;
        self.known.add(&file, digest);
        Ok(path)
    }
}

/// Creates a folder of the layout. Fails if a link has its name: the layout may come from a
/// stranger, and the link may lead to another layout.
pub(crate) fn create_folder(layout: &Path, name: &str) -> Result<()> {
    let path = layout.join(name);
    fs::create_dir_all(&path).map_err(Error::write(&path))?;
    beneath::folder(layout, name)
        .map(drop)
        .map_err(|cause| beneath::unreadable(layout, name, cause))
}

/// A blob that is being written. Dropping it removes it. Write errors name its folder.
pub(crate) struct NewBlob {
    file: Temporary,
    folder: PathBuf,
}

impl NewBlob {
    /// Copies a file. The system copies between two files directly, or shares their blocks. Returns
    /// the number of bytes.
    pub(crate) fn copy_from(&mut self, mut file: &fs::File) -> Result<u64> {
        io::copy(&mut file, &mut self.file.file()).map_err(Error::write(&self.folder))
    }

    /// Copies a blob whose bytes were verified.
    pub(crate) fn copy_checked(&mut self, blob: &CheckedFile) -> Result<()> {
        let read = |cause| Error::read(&blob.bytes.path)(cause);
        if let Some(mut file) = blob.whole_file() {
            // Others may have moved in the same file.
            file.rewind().map_err(read)?;
            self.copy_from(file)?;
        } else {
            let mut buffer = vec![0; 256 << 10];
            let mut at = 0;
            while at < blob.size() {
                let length = (blob.size() - at).min(buffer.len() as u64) as usize;
                let part = &mut buffer[..length];
                blob.read_exact_at(at, part).map_err(read)?;
                self.write_all(part).map_err(Error::sink)?;
                at += length as u64;
            }
        }
        blob.is_unchanged().map_err(read)
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.file().write(bytes).map_err(|cause| Error::write(&self.folder)(cause).into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
