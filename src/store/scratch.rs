//! Copies a stream into a file without a name.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use crate::basics::error::{Error, Result};

/// The result of copying a stream.
pub(crate) enum Copied {
    File(File),
    /// The stream has more bytes than the limit.
    TooLarge,
    /// Reading failed after this number of bytes.
    Unreadable(u64, io::Error),
}

/// Copies a stream into a file without a name in the scratch folder.
///
/// # Errors
///
/// [`Error::Write`].
pub(crate) fn copy(mut stream: impl Read, scratch: &Path, limit: u64) -> Result<Copied> {
    let mut file = tempfile::tempfile_in(scratch).map_err(Error::write(scratch))?;
    let mut size = 0;
    let mut part = vec![0; 256 << 10];
    loop {
        let read = match stream.read(&mut part) {
            Ok(0) => return Ok(Copied::File(file)),
            Ok(read) => read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Ok(Copied::Unreadable(size, cause)),
        };
        size += read as u64;
        if size > limit {
            return Ok(Copied::TooLarge);
        }
        file.write_all(&part[..read]).map_err(Error::write(scratch))?;
    }
}
