//! Options for writing layouts: durability and locks.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, absolute},
};

use rustix::io::Errno;

use crate::basics::{Error, Result};

/// Options for writing a layout, or a folder between steps of the program.
///
/// ```
/// use oci_layout::WriteOptions;
/// let scratch = WriteOptions::default().sync(false);
/// assert!(scratch.lock && !scratch.sync);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
#[non_exhaustive]
pub struct WriteOptions {
    /// Whether all data is on disk when a function returns. The default is true. Blobs are synced
    /// before they get their names, then the directories, then the index, so that a power loss at
    /// any time leaves the old state or the new one. Without it, a power loss can leave files that
    /// are empty or have wrong contents.
    pub sync: bool,
    /// Whether to use locks against other writers and garbage collectors. The default is true.
    /// Disable it for file systems without locks, but only if no other program writes to the
    /// folder.
    pub lock: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { sync: true, lock: true }
    }
}

impl WriteOptions {
    /// Sets whether all data is on disk when a function returns.
    pub fn sync(self, sync: bool) -> Self {
        Self { sync, ..self }
    }

    /// Sets whether to use locks against other writers and garbage collectors.
    pub fn lock(self, lock: bool) -> Self {
        Self { lock, ..self }
    }

    /// Syncs the contents and the size of a file.
    pub(crate) fn sync_file(self, file: &File, path: &Path) -> Result<()> {
        match self.sync {
            true => supported(file.sync_data()).map_err(Error::write(path)),
            false => Ok(()),
        }
    }

    /// Syncs an existing file. This takes no time if it is already on disk.
    pub(crate) fn sync_path(self, path: &Path) -> Result<()> {
        match self.sync {
            true => self.sync_file(&File::open(path).map_err(Error::read(path))?, path),
            false => Ok(()),
        }
    }

    /// Syncs the names in a directory.
    pub(crate) fn sync_folder(self, folder: &Path) -> Result<()> {
        match self.sync {
            true => File::open(folder)
                .and_then(|folder| supported(folder.sync_all()))
                .map_err(Error::write(folder)),
            false => Ok(()),
        }
    }

    /// Syncs the names of a directory and its ancestors, within its file system. A directory that
    /// cannot be opened was created earlier, by another user.
    pub(crate) fn sync_way_to(self, folder: &Path) -> Result<()> {
        if !self.sync {
            return Ok(());
        }
        let folder = absolute(folder).map_err(Error::read(folder))?;
        let device = folder.metadata().map_err(Error::read(&folder))?.dev();
        for above in folder.ancestors().skip(1) {
            match File::open(above) {
                Ok(file) if file.metadata().is_ok_and(|above| above.dev() == device) => {
                    supported(file.sync_all()).map_err(Error::write(above))?;
                }
                _ => break,
            }
        }
        Ok(())
    }
}

/// Ignores errors of file systems that cannot sync this kind of file.
fn supported(synced: io::Result<()>) -> io::Result<()> {
    match synced.as_ref().map_err(Errno::from_io_error) {
        Err(Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS)) => Ok(()),
        _ => synced,
    }
}
