//! Sources that can be read only once and have no known size: pipes, including standard input.
//! Their bytes are copied into a file without a name.

use std::{collections::HashSet, fs::File, path::Path};

use rustix::fs::{FileType, Stat, stat};

use crate::{
    basics::{Error, Result},
    layer::{
        entry::{Content, identity},
        scratch_file::unpack,
        target::Target,
    },
    recipe::{FileMapping, LayerOptions, Source},
};

/// The contents of a source that is not a regular file. `None` for a regular file, a directory or a
/// link.
///
/// # Errors
///
/// [`Error::SourceNotAFile`] for a source that cannot be read to an end. [`Error::SourcePipe`] for
/// a pipe without a folder to keep its bytes in.
pub(crate) fn read(path: &Path, found: &Stat, options: &LayerOptions) -> Result<Option<Content>> {
    if matches!(
        FileType::from_raw_mode(found.st_mode),
        FileType::RegularFile | FileType::Directory | FileType::Symlink
    ) {
        return Ok(None);
    }
    if is_null(found) {
        return Ok(Some(Content::Bytes([].into())));
    }
    let scratch = scratch(path, options)?;
    let pipe = File::open(path).map_err(|cause| Error::source(path, cause))?;
    let tar = unpack(path, pipe, scratch, options.unpack_limit)?;
    let size = tar.source.stamp.size;
    Ok(Some(Content::Stretch { tar: tar.into(), offset: 0, size }))
}

/// The folder for the bytes of this pipe.
pub(crate) fn scratch<'a>(path: &Path, options: &'a LayerOptions) -> Result<&'a Path> {
    let found = stat(path).map_err(|cause| Error::source(path, cause.into()))?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::Fifo => {
            return options
                .scratch_dir()
                .ok_or_else(|| Error::SourcePipe { path: path.to_owned() });
        }
        FileType::Socket => "socket",
        FileType::CharacterDevice if is_null(&found) => "empty device",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "file of an unknown type",
    };
    Err(Error::SourceNotAFile { path: path.to_owned(), kind })
}

/// Whether this is `/dev/null`, which reads as an empty file.
fn is_null(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && stat("/dev/null").is_ok_and(|null| null.st_rdev == found.st_rdev)
}

/// Whether this source can be read only once.
pub(crate) fn is_pipe(path: &Path) -> bool {
    stat(path).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo)
}

/// Checks that no pipe is the source of two mappings.
pub(crate) fn refuse_twice(files: &[FileMapping], targets: &[Target]) -> Result<()> {
    let mut pipes = HashSet::new();
    for (mapping, target) in files.iter().zip(targets) {
        let (path, found) = match &mapping.source {
            Source::Path(path) => (path, target.stat),
            Source::Tar(path) => (path, stat(path).ok()),
            _ => continue,
        };
        if let Some(found) = found
            && FileType::from_raw_mode(found.st_mode) == FileType::Fifo
            && !pipes.insert(identity(&found))
        {
            return Err(Error::SourcePipeTwice { path: path.clone() });
        }
    }
    Ok(())
}
