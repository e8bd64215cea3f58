//! Files that report a wrong size, as in `/proc` and `/sys`.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::{
    basics::{Error, Result},
    layer::{
        entry::{Content, Kind},
        stream::TarStream,
    },
};

/// Checks that files of a tar with a reported size of zero are empty.
///
/// # Errors
///
/// Those of [`check_empty`].
pub(crate) fn check_empty_files(stream: &TarStream) -> Result<()> {
    for number in 0..stream.len() {
        if let Some(at) = stream.entry(number)
            && let Kind::File(Content::File(file)) = &at.entry().kind
            && file.stamp.size == 0
        {
            check_empty(&file.path)?;
        }
    }
    Ok(())
}

/// Checks that a regular file with a reported size of zero is empty. Such a file is not read
/// anywhere else.
///
/// # Errors
///
/// [`Error::SourceSize`] if it is not empty. [`Error::SourceUnreadable`] if it cannot be read.
fn check_empty(path: &Path) -> Result<()> {
    let unreadable = |cause| Error::source(path, cause);
    let wrong_size = || Error::SourceSize { path: path.to_owned(), size: 0, found: "more" };
    // Reading some files of the kernel waits for an event.
    let mut file = OpenOptions::new();
    let mut file = file
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(unreadable)?;
    match file.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(wrong_size()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(wrong_size()),
        Err(cause) => Err(unreadable(cause)),
    }
}
