//! Entries of a layer, and the sources of their bytes.

use std::{
    cmp::Ordering,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FileType, Stat, fstat};

use crate::{
    basics::{Error, Result},
    store::checked::Stamp,
    tarfile::{
        Extent, LayerPath, Xattrs,
        header::{Fields, HeaderKind},
        read_extents,
    },
};

/// An entry of a layer, complete except for the contents of files. There may be millions of
/// entries, so values that few of them need are stored elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) path: LayerPath,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: i64,
    pub(crate) xattrs: Xattrs,
}

impl Entry {
    /// The number of bytes of contents after the header.
    pub(crate) fn content_size(&self) -> u64 {
        if let Kind::File(content) = &self.kind { content.size() } else { 0 }
    }

    /// The values for its headers.
    pub(crate) fn fields(&self) -> Fields<'_> {
        let kind = match &self.kind {
            Kind::Directory => HeaderKind::Directory,
            Kind::File(_) | Kind::Whiteout => HeaderKind::File,
            Kind::Symlink(target) => HeaderKind::Symlink(target),
            Kind::HardLink(path) => HeaderKind::HardLink(path),
            Kind::CharDevice(major, minor) => HeaderKind::CharDevice(*major, *minor),
            Kind::BlockDevice(major, minor) => HeaderKind::BlockDevice(*major, *minor),
            Kind::Fifo => HeaderKind::Fifo,
        };
        let (mode, uid, gid, mtime) = (self.mode, self.uid, self.gid, self.mtime);
        Fields {
            path: &self.path,
            kind,
            mode,
            uid,
            gid,
            mtime,
            nanoseconds: 0,
            size: self.content_size(),
            xattrs: &self.xattrs,
        }
    }

    /// Its source, if that is a file, and otherwise its path in the layer.
    pub(crate) fn origin(&self) -> PathBuf {
        match &self.kind {
            Kind::File(Content::File(file)) => file.path.to_path_buf(),
            Kind::File(Content::Stretch { tar, .. }) => tar.source.path.to_path_buf(),
            Kind::File(Content::Sparse(sparse)) => sparse.tar.source.path.to_path_buf(),
            _ => self.path.to_path(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Directory,
    File(Content),
    Symlink(Vec<u8>),
    /// A link to an earlier file of the layer.
    HardLink(LayerPath),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
    /// An empty file with the name of a whiteout, opaque or not.
    Whiteout,
}

/// Whether two entries for the same path count as one: their attributes and contents are equal.
pub(crate) fn same(a: &Entry, b: &Entry) -> Result<bool> {
    if !same_attributes(a, b) {
        return Ok(false);
    }
    match (&a.kind, &b.kind) {
        (Kind::File(a), Kind::File(b)) => a.same_bytes(b),
        (a, b) => Ok(a == b),
    }
}

pub(crate) fn same_attributes(a: &Entry, b: &Entry) -> bool {
    (a.mode, a.uid, a.gid, a.mtime) == (b.mode, b.uid, b.gid, b.mtime) && a.xattrs == b.xattrs
}

impl Kind {
    /// The kind of entry in messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File(_) => "file",
            Self::Symlink(_) => "symbolic link",
            Self::HardLink(_) => "hard link",
            Self::CharDevice(..) | Self::BlockDevice(..) => "device",
            Self::Fifo => "fifo",
            Self::Whiteout => "whiteout",
        }
    }
}

/// The contents of a file, which can be read at any offset.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Arc<[u8]>),
    File(Box<SourceFile>),
    /// A range of a tar.
    Stretch {
        tar: Arc<TarFile>,
        offset: u64,
        size: u64,
    },
    Sparse(Arc<SparseFile>),
}

/// Ranges of a tar. The gaps between them are zeros.
#[derive(Debug)]
pub(crate) struct SparseFile {
    pub(crate) tar: Arc<TarFile>,
    pub(crate) size: u64,
    pub(crate) extents: Vec<Extent>,
}

/// The state of a file when it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    pub(crate) path: Box<Path>,
    pub(crate) stamp: Stamp,
}

/// A source tar, or the file without a name to which it was unpacked.
#[derive(Debug)]
pub(crate) struct TarFile {
    pub(crate) file: File,
    /// The state of the file when it was listed, with the path of the tar.
    pub(crate) source: SourceFile,
}

impl PartialEq for Content {
    /// Whether both have the same location. Does not compare bytes.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::File(a), Self::File(b)) => a == b,
            (
                Self::Stretch { tar: a, offset: x, size: m },
                Self::Stretch { tar: b, offset: y, size: n },
            ) => Arc::ptr_eq(a, b) && m == n && (x == y || *m == 0),
            (Self::Sparse(a), Self::Sparse(b)) => {
                Arc::ptr_eq(&a.tar, &b.tar) && a.size == b.size && a.extents == b.extents
            }
            _ => false,
        }
    }
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.stamp.size,
            Self::Stretch { size, .. } => *size,
            Self::Sparse(sparse) => sparse.size,
        }
    }

    /// Fills the buffer with contents, starting at `offset`. The buffer must not extend beyond the
    /// contents.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).expect("an offset into bytes in memory");
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                Ok(())
            }
            Self::File(file) => file.read_at(offset, buffer),
            Self::Stretch { tar, offset: start, .. } => {
                tar.checked(|file| file.read_exact_at(buffer, start + offset))
            }
            Self::Sparse(sparse) => {
                sparse.tar.checked(|file| read_extents(file, &sparse.extents, offset, buffer))
            }
        }
    }
}

impl TarFile {
    /// Reads, and checks that the file has not changed since it was listed.
    fn checked(&self, read: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
        read(&self.file).map_err(|cause| self.source.unreadable(cause))?;
        self.source.check(&self.file)
    }
}

impl Content {
    /// Whether both have the same bytes. Reads them only if necessary.
    fn same_bytes(&self, other: &Self) -> Result<bool> {
        if self == other || self.size() != other.size() {
            return Ok(self == other);
        }
        let (mut offset, mut same) = (0, true);
        let mut theirs = Vec::new();
        let mut failed = Ok(());
        self.for_each_part(|ours| {
            theirs.resize(ours.len(), 0);
            failed = other.read_at(offset, &mut theirs);
            offset += ours.len() as u64;
            same = failed.is_ok() && ours == theirs;
            same
        })?;
        failed.map(|()| same)
    }

    /// Reads the contents in order, until the function returns false.
    pub(crate) fn for_each_part(&self, mut f: impl FnMut(&[u8]) -> bool) -> Result<()> {
        const PART: u64 = 256 << 10;
        let mut buffer = Vec::new();
        let mut offset = 0;
        while offset < self.size() {
            buffer.resize(PART.min(self.size() - offset) as usize, 0);
            self.read_at(offset, &mut buffer)?;
            offset += buffer.len() as u64;
            if !f(&buffer) {
                break;
            }
        }
        Ok(())
    }
}

impl SourceFile {
    /// The device and inode, which all names of the file share.
    pub(crate) fn inode(&self) -> (u64, u64) {
        (self.stamp.device, self.stamp.inode)
    }

    pub(crate) fn new(path: PathBuf, stat: &Stat) -> Self {
        Self { path: path.into_boxed_path(), stamp: Stamp::of_stat(stat) }
    }

    /// Opens the file for each range: a layer may have more files than a process can keep open, and
    /// several threads read the ranges of a large file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let changed = |change| Error::SourceChanged { path: self.path.to_path_buf(), change };
        let file = File::open(&self.path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => changed("vanished"),
            _ => Error::SourceUnreadable { path: self.path.to_path_buf(), cause },
        })?;
        if let Err(cause) = file.read_exact_at(buffer, offset) {
            self.check(&file)?;
            // The file has not changed, but is shorter than its reported size.
            if cause.kind() == io::ErrorKind::UnexpectedEof {
                return Err(Error::SourceSize {
                    path: self.path.to_path_buf(),
                    size: self.stamp.size,
                    found: "fewer",
                });
            }
            return Err(self.unreadable(cause));
        }
        self.check(&file)
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::SourceChanged { path: self.path.to_path_buf(), change: "shrank" }
            }
            _ => Error::SourceUnreadable { path: self.path.to_path_buf(), cause },
        }
    }

    /// Checks that the file has not changed. Called after a read, to detect all writes before it.
    pub(crate) fn check(&self, file: &File) -> Result<()> {
        let now = fstat(file).map_err(|cause| Error::source(&*self.path, cause.into()))?;
        let changed = |change| Err(Error::SourceChanged { path: self.path.to_path_buf(), change });
        // A new name or another owner changes the change time, and not the contents.
        let stamp = Stamp { changed: self.stamp.changed, ..Stamp::of_stat(&now) };
        match stamp.size.cmp(&self.stamp.size) {
            _ if stamp == self.stamp => Ok(()),
            _ if !FileType::from_raw_mode(now.st_mode).is_file() => changed("changed"),
            Ordering::Greater => changed("grew"),
            Ordering::Less => changed("shrank"),
            Ordering::Equal => changed("changed"),
        }
    }
}

/// Device and inode, which are the same for every path to a file.
#[allow(clippy::unnecessary_cast, reason = "these types are not the same on every system")]
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer may have millions of entries.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn entries_are_small() {
        assert_eq!(size_of::<Content>(), 32);
        assert_eq!(size_of::<Kind>(), 32);
        assert_eq!(size_of::<Entry>(), 88);
    }
}
