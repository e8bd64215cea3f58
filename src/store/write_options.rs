//! How the files of a layout are written: what survives a power loss, and whether locks keep other
//! writers away.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, absolute},
};

use rustix::io::Errno;

use crate::basics::error::{Error, Result};

/// How the files of a layout, or of a folder between the program's steps, are written.
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
    /// Whether all that was written is on disk when a function returns; on by default. Blobs are
    /// synced before they get their names, then the directories, then the index, so that a power
    /// loss at any time leaves the old state or the new one. Without it, a power loss can leave
    /// files that are empty or have other bytes.
    pub sync: bool,
    /// Whether locks keep other writers and collectors of garbage away; on by default. Without it,
    /// the caller promises that no other program writes to the folder: for file systems that have
    /// no locks.
    pub lock: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { sync: true, lock: true }
    }
}

impl WriteOptions {
    /// Sets whether all that was written is on disk when a function returns.
    pub fn sync(self, sync: bool) -> Self {
        Self { sync, ..self }
    }

    /// Sets whether locks keep other writers away.
    pub fn lock(self, lock: bool) -> Self {
        Self { lock, ..self }
    }

    /// Waits until the contents and the size of a file are on disk.
    pub(crate) fn sync_file(self, file: &File, path: &Path) -> Result<()> {
        match self.sync {
            true => supported(file.sync_data()).map_err(Error::write(path)),
            false => Ok(()),
        }
    }

    /// The same for a file that is there already. Where nothing of it is left to write, this costs
    /// nothing.
    pub(crate) fn sync_path(self, path: &Path) -> Result<()> {
        match self.sync {
            true => self.sync_file(&File::open(path).map_err(Error::read(path))?, path),
            false => Ok(()),
        }
    }

    /// Waits until the names in a directory are on disk.
    pub(crate) fn sync_folder(self, folder: &Path) -> Result<()> {
        match self.sync {
            true => File::open(folder)
                .and_then(|folder| supported(folder.sync_all()))
                .map_err(Error::write(folder)),
            false => Ok(()),
        }
    }

    /// Waits until the names that lead to a directory are on disk, as far as its file system
    /// reaches. A directory that nobody may open was made before, by another user.
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

/// A file system that cannot sync this kind of file has nothing to wait for.
fn supported(synced: io::Result<()>) -> io::Result<()> {
    match synced.as_ref().map_err(Errno::from_io_error) {
        Err(Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS)) => Ok(()),
        _ => synced,
    }
}
