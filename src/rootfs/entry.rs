//! One file of an image.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use crate::layer::{
    layer_files::{File, Kind},
    merge::Placed,
};

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
    /// The entry of a file in a layer.
    pub(crate) fn new(file: &File, layer: usize) -> Self {
        let kind = match &file.kind {
            Kind::File(size) => FileKind::File { size: *size },
            Kind::Directory => FileKind::Directory,
            Kind::Symlink(target) => {
                FileKind::Symlink { target: OsStr::from_bytes(target).to_owned() }
            }
            Kind::CharDevice(major, minor) => FileKind::CharDevice { major: *major, minor: *minor },
            Kind::BlockDevice(major, minor) => {
                FileKind::BlockDevice { major: *major, minor: *minor }
            }
            Kind::Fifo => FileKind::Fifo,
        };
        let (uid, gid) = file.owner();
        let xattrs = file.xattrs();
        let xattrs = xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
        Self {
            kind,
            mode: file.mode.into(),
            uid,
            gid,
            mtime: file.mtime,
            nanoseconds: file.nanoseconds,
            xattrs: xattrs.collect(),
            layer,
            offset: file.offset(),
        }
    }

    /// The entry of a merged file.
    pub(crate) fn of(placed: &Placed) -> Self {
        Self::new(&placed.file, placed.layer())
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
