//! One file of an image.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt};

use tar::EntryType;

use crate::tarfile::reader::TarEntry;

/// A file, directory, link or device of an image, as the topmost layer that contains it describes
/// it. Names that are hard links of each other share one entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileEntry {
    /// The type, and what only that type has.
    pub kind: FileKind,
    /// The permission bits, with setuid, setgid and sticky: 0 to 0o7777.
    pub mode: u32,
    /// The owner.
    pub uid: u64,
    /// The group.
    pub gid: u64,
    /// The time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// The nanoseconds of that time after its whole seconds.
    pub nanoseconds: u32,
    /// The extended attributes by name, such as `security.capability`.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The layer that contains the entry; the lowest layer is 0.
    pub layer: usize,
    /// The offset of its headers in the tar of that layer; `None` if it has none there.
    pub(crate) offset: Option<u64>,
}

/// The type of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File {
        /// The size of its contents in bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// The target, as it is written in the link.
        target: OsString,
    },
    /// A character device.
    CharDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl FileKind {
    /// The name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Directory => "directory",
            Self::Symlink { .. } => "symlink",
            Self::CharDevice { .. } => "char-device",
            Self::BlockDevice { .. } => "block-device",
            Self::Fifo => "fifo",
        }
    }
}

impl FileEntry {
    /// The entry of a tar; `None` for a hard link and for types that no file system has.
    pub(crate) fn new(entry: &TarEntry, layer: usize) -> Option<Self> {
        let (major, minor) = entry.device;
        let kind = match entry.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                FileKind::File { size: entry.size }
            }
            EntryType::Directory => FileKind::Directory,
            EntryType::Symlink => {
                FileKind::Symlink { target: OsString::from_vec(entry.link.clone()) }
            }
            EntryType::Char => FileKind::CharDevice { major, minor },
            EntryType::Block => FileKind::BlockDevice { major, minor },
            EntryType::Fifo => FileKind::Fifo,
            _ => return None,
        };
        Some(Self {
            kind,
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            nanoseconds: entry.nanoseconds,
            xattrs: entry.xattrs.clone(),
            layer,
            offset: Some(entry.offset),
        })
    }

    /// A directory that no layer has an entry for: it exists because of the files below it.
    pub(crate) fn implied(layer: usize) -> Self {
        Self {
            kind: FileKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: 0,
            nanoseconds: 0,
            xattrs: BTreeMap::new(),
            layer,
            offset: None,
        }
    }

    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// The size of a regular file in bytes; 0 for anything else.
    pub fn size(&self) -> u64 {
        match self.kind {
            FileKind::File { size } => size,
            _ => 0,
        }
    }
}
