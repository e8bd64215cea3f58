//! Copies a stream to a file without a name, which is then the source.

use std::{fs, io::Read, path::Path};

use rustix::fs::fstat;

use crate::{
    basics::{Error, Result},
    layer::entry::{SourceFile, TarFile},
    store::scratch::{self, Copied},
};

/// Copies a stream to a file without a name.
pub(crate) fn unpack(path: &Path, stream: impl Read, folder: &Path, limit: u64) -> Result<TarFile> {
    fs::create_dir_all(folder).map_err(Error::write(folder))?;
    let file = match scratch::copy(stream, folder, limit)? {
        Copied::File(file) => file,
        Copied::TooLarge => return Err(too_large(path, limit)),
        Copied::Unreadable(offset, cause) => {
            let reason =
                format!("it cannot be decompressed ({cause}): make or fetch the tar again");
            return Err(damaged(path, offset, reason));
        }
    };
    let stat = fstat(&file).map_err(|cause| Error::write(folder)(cause.into()))?;
    Ok(TarFile { file, source: SourceFile::new(path.to_owned(), &stat) })
}

pub(crate) fn too_large(path: &Path, limit: u64) -> Error {
    let reason = format!(
        "it unpacks to more than the limit of {limit} bytes: raise the unpack limit if you trust \
         it"
    );
    damaged(path, limit, reason)
}

/// An error in a source tar at this offset.
pub(crate) fn damaged(path: &Path, offset: u64, reason: String) -> Error {
    Error::SourceTar { path: path.to_owned(), offset, reason }
}
