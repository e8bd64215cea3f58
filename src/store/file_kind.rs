//! Types of files in a layout.

use std::{fs::FileType, os::unix::fs::FileTypeExt};

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Folder,
    /// Any other type, in words.
    Other(&'static str),
}

impl FileKind {
    /// The type in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Other(name) => name,
        }
    }
}

impl From<FileType> for FileKind {
    fn from(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Folder
        } else if kind.is_symlink() {
            Self::Other("symbolic link")
        } else if kind.is_fifo() {
            Self::Other("fifo")
        } else if kind.is_socket() {
            Self::Other("socket")
        } else {
            Self::Other("device")
        }
    }
}
