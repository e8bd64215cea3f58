//! The bytes of a source tar: in its file, or unpacked or copied into a file without a name.

use std::{
    fs::{self, File},
    io::{BufReader, Seek},
    path::Path,
};

use rustix::fs::fstat;

use crate::{
    basics::{Error, Result},
    layer::{
        entry::{SourceFile, TarFile},
        pipe,
        scratch_file::{damaged, unpack},
    },
    recipe::LayerOptions,
    tarfile::{Packing, decompress},
};

/// Whether the tar can be read again in any place. If it is compressed or a pipe, it needs a folder
/// for its contents.
pub(crate) fn can_be_read_again(path: &Path) -> Result<bool> {
    let unreadable = |cause| Error::source(path, cause);
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(false);
    }
    let file = File::open(path).map_err(unreadable)?;
    let (packing, _) = decompress(BufReader::with_capacity(512, file)).map_err(unreadable)?;
    Ok(!packing.is_read())
}

/// Opens the tar. Decompresses it if its first bytes say that it is compressed, and copies it if it
/// is a pipe.
pub(crate) fn open(path: &Path, options: &LayerOptions) -> Result<TarFile> {
    let unreadable = |cause| Error::source(path, cause);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(damaged(path, 0, "it is a folder: use it as a source of files".into()));
    }
    let is_file = metadata.is_file();
    let scratch = match is_file {
        true => options.scratch_dir(),
        // Opening a pipe waits for its writer, so all other faults are reported first.
        false => Some(pipe::scratch(path, options)?),
    };
    let file = File::open(path).map_err(unreadable)?;
    let source =
        SourceFile::new(path.to_owned(), &fstat(&file).map_err(|cause| unreadable(cause.into()))?);
    let stream = BufReader::with_capacity(64 << 10, file.try_clone().map_err(unreadable)?);
    let packed = |cause| damaged(path, 0, format!("it cannot be decompressed: {cause}"));
    let (packing, unpacked) = decompress(stream).map_err(packed)?;
    match packing {
        Packing::Gzip | Packing::Zstd => {}
        Packing::Xz | Packing::Bzip2 => {
            let reason = "it is compressed with bzip2 or xz: decompress it, or compress it with \
                gzip or zstd";
            return Err(damaged(path, 0, reason.into()));
        }
        Packing::Plain if is_file => {
            // Both read from one place in the file.
            (&file).rewind().map_err(unreadable)?;
            return Ok(TarFile { file, source });
        }
        Packing::Plain => {}
    }
    let scratch = scratch.ok_or_else(|| Error::ScratchNeeded { path: path.to_owned() })?;
    let tar = unpack(path, unpacked, scratch, options.unpack_limit)?;
    if is_file {
        source.check(&file)?;
    }
    Ok(tar)
}
