//! Files whose bytes are known to be those of a blob.
//!
//! A file is hashed once, and then known by its [`Stamp`]: as long as device, inode, size and both
//! times stay the same, so do its bytes. Every write changes the time of the last change (ctime),
//! which a program can only set by setting the system's clock.

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{
        digest::HashRead,
        error::{Error, Result},
    },
    document::descriptor::Descriptor,
    tarfile::reader::{Extent, read_extents},
};

/// The bytes of a blob in a file, all of which were hashed before the first can be read.
///
/// It is a reader, which stops with an error when the file changes.
pub struct CheckedFile {
    pub(crate) bytes: FileBytes,
    pub(crate) stamp: Stamp,
}

impl CheckedFile {
    /// The number of bytes of the whole blob.
    pub fn size(&self) -> u64 {
        self.bytes.size
    }

    /// The next byte to be read is the one at this offset.
    pub fn seek(&mut self, at: u64) {
        self.bytes.at = at;
    }
}

impl fmt::Debug for CheckedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedFile").field("size", &self.bytes.size).finish_non_exhaustive()
    }
}

impl Read for CheckedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        match Stamp::of(&self.bytes.file)? == self.stamp {
            true => Ok(read),
            false => Err(Error::read(&self.bytes.path)(io::Error::other(CHANGED)).into()),
        }
    }
}

pub(crate) const CHANGED: &str = "it changed while it was read";

/// A blob's bytes in a file, not checked.
#[derive(Clone)]
pub(crate) struct FileBytes {
    pub(crate) file: Arc<File>,
    /// Where in the file they lie: all of it, or parts of an archive.
    pub(crate) extents: Arc<[Extent]>,
    pub(crate) size: u64,
    pub(crate) at: u64,
    /// For messages.
    pub(crate) path: PathBuf,
}

impl FileBytes {
    /// All bytes of a file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::read(path))?;
        let size = file.metadata().map_err(Error::read(path))?.len();
        Ok(Self::new(file, 0, size, path))
    }

    /// So many bytes of a file, from this one on.
    pub(crate) fn new(file: File, offset: u64, size: u64, path: &Path) -> Self {
        Self::of_extents(
            Arc::new(file),
            [Extent { at: 0, length: size, offset }].into(),
            size,
            path,
        )
    }

    /// What lies in these extents, and zeros between them.
    pub(crate) fn of_extents(
        file: Arc<File>,
        extents: Arc<[Extent]>,
        size: u64,
        path: &Path,
    ) -> Self {
        Self { file, extents, size, at: 0, path: path.to_owned() }
    }

    /// Where the first byte lies.
    pub(crate) fn offset(&self) -> u64 {
        self.extents.first().map_or(0, |extent| extent.offset)
    }

    /// Hashes all of them.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if they are not those of the blob; [`Error::Read`].
    pub(crate) fn check(&self, descriptor: &Descriptor) -> Result<()> {
        let mut bytes = HashRead::new(Self { at: 0, ..self.clone() });
        let mut buffer = vec![0; 256 << 10];
        while bytes.read(&mut buffer).map_err(Error::read(&self.path))? > 0 {}
        let (digest, size) = bytes.finish();
        descriptor.check(size, Some(digest))
    }
}

impl Read for FileBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        read_extents(&self.file, &self.extents, self.at, &mut buffer[..room])?;
        self.at += room as u64;
        Ok(room)
    }
}

/// What tells one state of a file from another; of a symbolic link, of the file that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// Seconds and nanoseconds of the last write, and of the last change of whatever kind.
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of_metadata(&metadata))
    }

    /// `None` for a file that cannot be looked at.
    #[cfg(feature = "registry")]
    pub(crate) fn at(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::of_metadata(&metadata))
    }

    pub(crate) fn of_metadata(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}
