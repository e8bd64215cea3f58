//! Targets of mappings: resolves destinations.

use std::{collections::BTreeSet, fs, io, os::unix::ffi::OsStrExt, path::Path};

use rustix::{
    fs::{FileType, Stat, lstat, stat},
    io::Errno,
};

use crate::{
    basics::{Error, Result},
    layer::base::{Places, Shape},
    recipe::{FileMapping, Source},
    tarfile::LayerPath,
};

/// The path of a mapping's files. For a folder or a tar, the path of the directory in which its
/// contents land.
pub(crate) struct Target {
    /// The path in the destination.
    pub(crate) path: LayerPath,
    /// The final path above the base.
    pub(crate) place: LayerPath,
    /// The metadata of the source, if it is a path.
    pub(crate) stat: Option<Stat>,
}

impl Target {
    /// Finds the target of a mapping. A destination that ends with a slash is the directory in
    /// which the source lands.
    ///
    /// # Errors
    ///
    /// [`Error::Destination`] for an invalid destination, and the errors of the source.
    pub(crate) fn of(mapping: &FileMapping) -> Result<Self> {
        let destination = &mapping.destination;
        let refuse = |reason| Error::Destination { destination: destination.clone(), reason };
        let path = LayerPath::parse(destination)?;
        let is_into = names_directory(destination);
        let mut stat = None;
        let path = match &mapping.source {
            Source::Path(source) => {
                let found = stat_of(source, mapping.follow)?;
                stat = Some(found);
                match is_into && !FileType::from_raw_mode(found.st_mode).is_dir() {
                    true => path
                        .join(source.file_name().ok_or_else(|| refuse(NAMELESS))?)
                        .map_err(refuse)?,
                    false => path,
                }
            }
            Source::Bytes(_) | Source::Symlink(_) if is_into && !path.is_root() => {
                return Err(refuse(NAMELESS));
            }
            Source::Whiteout if path.is_root() => {
                return Err(refuse(
                    "is the root, which cannot be removed: use an opaque whiteout to empty it",
                ));
            }
            Source::Whiteout => path.whiteout(),
            Source::OpaqueWhiteout => path.opaque_whiteout(),
            Source::Bytes(_) | Source::Symlink(_) | Source::Directory | Source::Tar(_) => path,
        };
        Ok(Self { place: path.clone(), path, stat })
    }

    /// The kind of entry at the target.
    fn shape(&self, mapping: &FileMapping) -> Shape {
        match &mapping.source {
            Source::Directory | Source::Tar(_) => Shape::Directory,
            Source::Symlink(_) => Shape::Symlink,
            Source::Path(_) => match self.stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Some(FileType::Directory) => Shape::Directory,
                Some(FileType::Symlink) => Shape::Symlink,
                _ => Shape::File,
            },
            _ => Shape::File,
        }
    }
}

pub(crate) const NAMELESS: &str = "ends with a slash, but the source has no name to use in that \
    directory: write the whole path";

/// Finds the final path of each target above the base. Whiteouts come first, each in the unchanged
/// base: a path that one of them removes does not exist for other mappings.
pub(crate) fn settle(
    targets: &mut [Target],
    files: &[FileMapping],
    places: &mut Places,
) -> Result<()> {
    for whiteout in targets.iter_mut().filter(|target| target.path.is_whiteout()) {
        whiteout.place = places.of_whiteout(&whiteout.path)?;
    }
    for target in targets.iter().filter(|target| target.path.is_whiteout()) {
        places.hide(&target.place);
    }
    for (target, mapping) in
        targets.iter_mut().zip(files).filter(|(target, _)| !target.path.is_whiteout())
    {
        target.place = places.of(&target.path, target.shape(mapping), &|| mapping.describe())?;
    }
    Ok(())
}

/// The paths at which mappings put something. Whiteouts put nothing anywhere.
pub(crate) fn provided(targets: &[Target]) -> BTreeSet<LayerPath> {
    targets.iter().map(|target| target.path.clone()).filter(|path| !path.is_whiteout()).collect()
}

/// Whether a destination has the form of a directory: `/usr/bin/`, `/usr/bin/.`, `/`.
pub(crate) fn names_directory(destination: &Path) -> bool {
    let bytes = destination.as_os_str().as_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.")
}

fn stat_of(source: &Path, follow: bool) -> Result<Stat> {
    let stat = if follow { stat(source) } else { lstat(source) };
    stat.map_err(|cause| match fs::read_link(source) {
        // The link exists, but not its target.
        Ok(target) if cause == Errno::NOENT => {
            let reason = format!("it is a link to {target:?}, which does not exist");
            let cause = io::Error::new(io::ErrorKind::NotFound, reason);
            Error::SourceUnreadable { path: source.to_owned(), cause }
        }
        _ => Error::source(source, cause.into()),
    })
}
