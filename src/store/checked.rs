//! Files whose contents are known to match a blob.
//!
//! A file is hashed once, and recognised by its [`Stamp`] afterwards: while device, inode, size and
//! both times stay the same, so do its contents. Every write changes the change time (ctime), which
//! programs can only set by setting the clock of the system.

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::Stat;
#[cfg(feature = "registry")]
use rustix::io::ReadWriteFlags;

use crate::{
    basics::{Error, HashRead, Result},
    document::Descriptor,
    tarfile::{Extent, read_extents},
};

/// The bytes of a blob in a file, all of which were verified before the first can be read.
///
/// Reading stops with an error if the file changes.
pub struct CheckedFile {
    pub(crate) bytes: FileBytes,
    pub(crate) stamp: Stamp,
}

impl CheckedFile {
    /// The number of bytes of the whole blob.
    pub fn size(&self) -> u64 {
        self.bytes.size
    }

    /// Moves to this offset.
    pub fn seek(&mut self, at: u64) {
        self.bytes.at = at;
    }

    /// Fills the buffer if the system has these bytes in memory. Otherwise returns `false` at once,
    /// and stays at the same offset.
    #[cfg(feature = "registry")]
    pub(crate) fn read_cached(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        Ok(self.bytes.read_cached(buffer) && self.is_unchanged().map(|()| true)?)
    }

    /// Fills the buffer, starting at this offset.
    pub(crate) fn read_exact_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_extents(&self.bytes.file, &self.bytes.extents, at, buffer)?;
        self.is_unchanged()
    }

    /// The file, if it has nothing but the blob.
    pub(crate) fn whole_file(&self) -> Option<&File> {
        let [extent] = &*self.bytes.extents else { return None };
        let whole = Extent { at: 0, length: self.stamp.size, offset: 0 };
        (*extent == whole && self.bytes.size == self.stamp.size).then_some(&*self.bytes.file)
    }

    pub(crate) fn is_unchanged(&self) -> io::Result<()> {
        match Stamp::of(&self.bytes.file)? == self.stamp {
            true => Ok(()),
            false => Err(Error::read(&self.bytes.path)(io::Error::other(CHANGED)).into()),
        }
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
        self.is_unchanged().map(|()| read)
    }
}

pub(crate) const CHANGED: &str = "it changed while it was being read";

/// The bytes of a blob in a file, not verified.
#[derive(Clone)]
pub(crate) struct FileBytes {
    pub(crate) file: Arc<File>,
    /// The extents of the bytes in the file: the whole file, or parts of an archive.
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
    /// [`Error::Read`] if the file cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::read(path))?;
        let size = file.metadata().map_err(Error::read(path))?.len();
        Ok(Self::new(file, 0, size, path))
    }

    /// This many bytes of a file, starting at an offset.
    pub(crate) fn new(file: File, offset: u64, size: u64, path: &Path) -> Self {
        Self::of_extents(
            Arc::new(file),
            [Extent { at: 0, length: size, offset }].into(),
            size,
            path,
        )
    }

    /// The bytes in these extents, with zeros in the gaps between them.
    pub(crate) fn of_extents(
        file: Arc<File>,
        extents: Arc<[Extent]>,
        size: u64,
        path: &Path,
    ) -> Self {
        Self { file, extents, size, at: 0, path: path.to_owned() }
    }

    /// The offset of the first byte.
    pub(crate) fn offset(&self) -> u64 {
        self.extents.first().map_or(0, |extent| extent.offset)
    }

    /// Fills the buffer if the system has these bytes in memory. Otherwise, or if the file system
    /// cannot tell, returns `false` at once, and stays at the same offset.
    #[cfg(feature = "registry")]
    fn read_cached(&mut self, buffer: &mut [u8]) -> bool {
        let (length, end) = (buffer.len(), self.at + buffer.len() as u64);
        // Only a sparse member of an archive has several extents.
        let [extent] = &*self.extents else { return false };
        if self.at < extent.at || extent.at + extent.length < end {
            return false;
        }
        let offset = extent.offset + (self.at - extent.at);
        let buffers = &mut [io::IoSliceMut::new(buffer)];
        let is_read =
            rustix::io::preadv2(&self.file, buffers, offset, ReadWriteFlags::NOWAIT) == Ok(length);
        self.at = if is_read { end } else { self.at };
        is_read
    }

    /// Hashes all bytes.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`] if they do not match the blob. [`Error::Read`] if they cannot be
    /// read.
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

/// Distinguishes states of a file. For a symbolic link, of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// Seconds and nanoseconds of the modification time and of the change time.
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::of_metadata(&metadata))
    }

    /// `None` for a file whose metadata cannot be read.
    #[cfg(feature = "registry")]
    pub(crate) fn at(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::of_metadata(&metadata))
    }

    #[allow(clippy::unnecessary_cast, reason = "these types are not the same on every system")]
    pub(crate) fn of_stat(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
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
