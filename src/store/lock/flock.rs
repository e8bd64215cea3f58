//! Locks on folders with `flock`.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::{Errno, retry_on_intr},
};

use crate::basics::{Error, Result};

/// A lock that is held until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _folder: OwnedFd,
}

impl FolderLock {
    /// Takes the lock, shared with others.
    pub(crate) fn shared(folder: &Path) -> Result<Self> {
        Self::wait(folder, FlockOperation::LockShared)
    }

    /// Takes the lock exclusively.
    pub(crate) fn exclusive(folder: &Path) -> Result<Self> {
        Self::wait(folder, FlockOperation::LockExclusive)
    }

    /// Takes the lock exclusively if it is free now.
    pub(crate) fn try_exclusive(folder: &Path) -> Result<Option<Self>> {
        let file = open_folder(folder)?;
        match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Err(Errno::WOULDBLOCK) => Ok(None),
            locked => locked.map_err(refused(folder)).map(|()| Some(Self { _folder: file })),
        }
    }

    fn wait(folder: &Path, operation: FlockOperation) -> Result<Self> {
        let file = open_folder(folder)?;
        retry_on_intr(|| flock(&file, operation)).map_err(refused(folder))?;
        Ok(Self { _folder: file })
    }
}

/// Opens only a folder, because opening a FIFO waits for its writer.
fn open_folder(folder: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| open(folder, flags, Mode::empty()))
        .map_err(|errno| Error::read(folder)(errno.into()))
}

/// If the file system has no locks (NFS, FUSE), the error says what to do.
fn refused(folder: &Path) -> impl FnOnce(Errno) -> Error {
    let path: PathBuf = folder.to_owned();
    move |errno| match errno {
        Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::BADF | Errno::INVAL => {
            Error::NoLocks { path, cause: errno.into() }
        }
        _ => Error::write(path)(errno.into()),
    }
}
