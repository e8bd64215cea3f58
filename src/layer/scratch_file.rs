//! The bytes of a stream as a source, in a file without a name.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use rustix::fs::fstat;

use crate::{
    basics::{Error, Result},
    layer::entry::{SourceFile, TarFile},
};

/// What a stream gives, in a file without a name.
pub(crate) fn unpack(
    path: &Path,
    mut stream: impl Read,
    scratch: &Path,
    limit: u64,
) -> Result<TarFile> {
    fs::create_dir_all(scratch).map_err(Error::write(scratch))?;
    let mut file = tempfile::tempfile_in(scratch).map_err(Error::write(scratch))?;
    let mut size = 0;
    let mut part = vec![0; 256 << 10];
    loop {
        let read = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let read = read
            .map_err(|cause| damaged(path, size, format!("it cannot be decompressed: {cause}")))?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > limit {
            return Err(too_large(path, limit));
        }
        file.write_all(&part[..read]).map_err(Error::write(scratch))?;
    }
    let stat = fstat(&file).map_err(|cause| Error::write(scratch)(cause.into()))?;
    Ok(TarFile { file, source: SourceFile::new(path.to_owned(), &stat) })
}

pub(crate) fn too_large(path: &Path, limit: u64) -> Error {
    let reason = format!(
        "it unpacks to more than the limit of {limit} bytes: set a higher unpack limit if that is \
         right"
    );
    damaged(path, limit, reason)
}

/// An error on a tar as a source, at this byte of it.
pub(crate) fn damaged(path: &Path, offset: u64, reason: String) -> Error {
    Error::SourceTar { path: path.to_owned(), offset, reason }
}
