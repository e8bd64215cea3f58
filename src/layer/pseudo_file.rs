//! Files whose size is not what they say: those of `/proc` and `/sys`.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::basics::{Error, Result};

/// Makes sure that a regular file that says it is empty is. Such a file is read at no other place.
///
/// # Errors
///
/// [`Error::SourceSize`], and [`Error::SourceUnreadable`] for a file that may not be read.
pub(crate) fn check_empty(path: &Path) -> Result<()> {
    let unreadable = |cause| Error::source(path, cause);
    let lies = || Error::SourceSize { path: path.to_owned(), size: 0, found: "more" };
    // Some files of the kernel wait for something to say.
    let mut file = OpenOptions::new();
    let mut file = file
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(unreadable)?;
    match file.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(lies()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(lies()),
        Err(cause) => Err(unreadable(cause)),
    }
}
