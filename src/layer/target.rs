//! Where a mapping's destination leads: the path of what it brings.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

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

/// The path of what a mapping brings. For a folder or a tar, the path of the directory that its
/// contents land in.
pub(crate) struct Target {
    /// As the destination says.
    pub(crate) path: LayerPath,
    /// Where that is above the base.
    pub(crate) place: LayerPath,
    /// What the source is, if it is a path.
    pub(crate) stat: Option<Stat>,
}

impl Target {
    /// Finds the target of a mapping. A destination that ends with a slash is the directory that
    /// the source lands in.
    ///
    /// # Errors
    ///
    /// [`Error::Destination`] for a destination that cannot be one, and the errors of the source.
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
                    "is the root, which cannot be removed: give an opaque whiteout to empty it",
                ));
            }
            Source::Whiteout => path.whiteout(),
            Source::OpaqueWhiteout => path.opaque_whiteout(),
            Source::Bytes(_) | Source::Symlink(_) | Source::Directory | Source::Tar(_) => path,
        };
        Ok(Self { place: path.clone(), path, stat })
    }

    /// What kind of entry the mapping brings to this path.
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

pub(crate) const NAMELESS: &str = "ends with a slash, and the source has no name to land under in \
    that directory: write the whole path";

/// Finds the place of each target above the base. Whiteouts come first, each in the base as it is:
/// what one removes is not there for what is no whiteout.
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

/// The paths that are there because the mappings put something at them: whiteouts put nothing
/// anywhere.
pub(crate) fn provided(targets: &[Target]) -> BTreeSet<LayerPath> {
    targets.iter().map(|target| target.path.clone()).filter(|path| !path.is_whiteout()).collect()
}

/// Whether a destination is written as that of a directory: `/usr/bin/`, `/usr/bin/.`, `/`.
pub(crate) fn names_directory(destination: &Path) -> bool {
    let bytes = destination.as_os_str().as_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.")
}

fn stat_of(source: &Path, follow: bool) -> Result<Stat> {
    let stat = if follow { stat(source) } else { lstat(source) };
    stat.map_err(|cause| match fs::read_link(source) {
        // The link is there; what is missing is what it names.
        Ok(target) if cause == Errno::NOENT => Error::SourceMissing {
            path: source.parent().map_or_else(PathBuf::new, Path::to_owned).join(target),
        },
        _ => Error::source(source, cause.into()),
    })
}
