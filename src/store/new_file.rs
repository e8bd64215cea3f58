//! Files that appear at their path only when they are complete.

use std::{
    fs::{File, Permissions},
    io::{self, Seek, Write},
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, linkat, open},
    io::{Errno, retry_on_intr},
};
use tempfile::{Builder, NamedTempFile};

use crate::{
    basics::{Error, Result},
    store::write_options::WriteOptions,
};

/// The prefix of names of files that are still being written. If such a file is left, a program
/// that holds the layout exclusively can remove it.
pub(crate) const TEMPORARY: &str = ".oci-layout-";

/// A file that appears at its path only when it is complete: readers see either the old file or the
/// new one. Until then it has no name, so that nothing is left if it is dropped or the program is
/// killed. If the file system does not support this, it has a [temporary
/// name](NewFile::temporary_path) in the same folder.
///
/// ```
/// # use oci_layout::{Image, NewFile, WriteOptions, archive::{ArchiveOptions, image_archive}};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("image.tar");
/// # let images = [] as [Image; 0];
/// let mut file = NewFile::create(&path, WriteOptions::default())?;
/// image_archive(&mut file, images, ArchiveOptions::default())?;
/// file.keep()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NewFile {
    file: Temporary,
    path: PathBuf,
    options: WriteOptions,
}

impl NewFile {
    /// Starts a file. An existing file stays until the new one is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the file cannot be created.
    pub fn create(path: impl AsRef<Path>, options: WriteOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = Temporary::new_in(folder_of(&path)).map_err(|error| match error {
            Error::Write { cause, .. } => Error::Write { path: path.clone(), cause },
            other => other,
        })?;
        Ok(Self { file, path, options })
    }

    /// The name of the incomplete file, if it has one.
    pub fn temporary_path(&self) -> Option<&Path> {
        match &self.file {
            Temporary::Unnamed(_) => None,
            Temporary::Named(file) => Some(file.path()),
        }
    }

    /// Moves the file to its path and sets the mode to 0644. With [`WriteOptions::sync`], its
    /// contents are on disk before it appears there, and its name afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if that fails. In this case, the old file stays.
    pub fn keep(self) -> Result<()> {
        self.file.persist(&self.path, self.options)?;
        self.options.sync_folder(folder_of(&self.path))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file whose name is only known at its end.
#[derive(Debug)]
pub(crate) enum Temporary {
    Unnamed(File),
    /// Removed when it is dropped.
    Named(NamedTempFile),
}

impl Temporary {
    /// Creates a file in the file system of this folder.
    pub(crate) fn new_in(folder: &Path) -> Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match retry_on_intr(|| open(folder, flags, Mode::from_raw_mode(0o600))) {
            Ok(file) => Ok(Self::Unnamed(file.into())),
            // Errors of file systems that do not support it, and of old kernels.
            Err(Errno::NOTSUP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::NOSYS) => {
                named(folder)
            }
            Err(errno) => Err(Error::write(folder)(errno.into())),
        }
    }

    pub(crate) fn file(&self) -> &File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Syncs the contents, sets the mode that all files of a layout have, whatever the umask is,
    /// gives the file its name, and returns it. Does not sync the directory.
    pub(crate) fn persist(self, path: &Path, options: WriteOptions) -> Result<File> {
        self.file().set_permissions(Permissions::from_mode(0o644)).map_err(Error::write(path))?;
        options.sync_file(self.file(), path)?;
        let file = match self {
            Self::Named(file) => {
                return file.persist(path).map_err(|error| Error::write(path)(error.error));
            }
            Self::Unnamed(file) => file,
        };
        match link(&file, path) {
            Ok(()) => Ok(file),
            Err(Errno::EXIST) => {
                // No call replaces an existing file by a file without a name, so it gets a
                // temporary name for a moment.
                let to = |name: &Path| link(&file, name).map_err(io::Error::from);
                let named = Builder::new()
                    .prefix(TEMPORARY)
                    .make_in(folder_of(path), to)
                    .map_err(Error::write(path))?;
                named.persist(path).map_err(|error| Error::write(path)(error.error))?;
                Ok(file)
            }
            // The file system has no hard links, or the system has no /proc.
            Err(
                Errno::PERM
                | Errno::NOTSUP
                | Errno::NOSYS
                | Errno::NOENT
                | Errno::MLINK
                | Errno::XDEV,
            ) => copy(file, path, options),
            Err(errno) => Err(Error::write(path)(errno.into())),
        }
    }
}

/// Replaces a file atomically by one with these parts, whose contents are synced before the rename;
/// the directory is not.
pub(crate) fn replace(path: &Path, parts: &[&[u8]], options: WriteOptions) -> Result<()> {
    let file = Temporary::new_in(folder_of(path))?;
    parts.iter().try_for_each(|part| file.file().write_all(part)).map_err(Error::write(path))?;
    file.persist(path, options).map(drop)
}

fn named(folder: &Path) -> Result<Temporary> {
    let file =
        Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(Error::write(folder))?;
    Ok(Temporary::Named(file))
}

/// Gives a file without a name this name, through `/proc`. Doing so by its file descriptor is only
/// allowed for root.
fn link(file: &File, path: &Path) -> Result<(), Errno> {
    let file = format!("/proc/self/fd/{}", file.as_raw_fd());
    retry_on_intr(|| linkat(CWD, &*file, CWD, path, AtFlags::SYMLINK_FOLLOW))
}

fn copy(mut file: File, path: &Path, options: WriteOptions) -> Result<File> {
    let to = named(folder_of(path))?;
    file.rewind().and_then(|()| io::copy(&mut file, &mut to.file())).map_err(Error::write(path))?;
    to.persist(path, options)
}
