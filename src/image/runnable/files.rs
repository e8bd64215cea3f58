//! The files of an image by their paths, for the check.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{
    basics::Result,
    image::runnable::needs::Needs,
    tarfile::{LayerPath, LinkFault, follow},
};

/// The files of an image.
pub(crate) trait Files {
    /// What is at a path. A link there is not followed.
    fn at(&self, path: &LayerPath) -> Option<At>;

    /// What a regular file needs. `None` if it needs nothing, or if its contents are not known.
    fn needs(&self, path: &LayerPath) -> Result<Option<Needs>>;

    /// The text of a small file; `None` if its contents are not known.
    fn text(&self, path: &LayerPath) -> Result<Option<String>>;

    /// The executable files whose contents are known.
    fn executables(&self) -> BTreeSet<LayerPath>;

    /// Whether a file with this name may be in any folder of the image.
    fn may_have(&self, name: &str) -> bool;
}

/// What is at a path.
pub(crate) enum At {
    Directory,
    Symlink(Vec<u8>),
    /// Anything else, with the path under which its layer has the contents, and the mode if it is
    /// known.
    File {
        path: LayerPath,
        mode: Option<u32>,
    },
}

/// Why a path does not lead to a file.
pub(crate) enum Broken {
    Missing,
    /// A link leads to a path without a file.
    Link(PathBuf),
}

impl Broken {
    /// The target of the link.
    pub(crate) fn target(self) -> Option<PathBuf> {
        match self {
            Self::Missing => None,
            Self::Link(target) => Some(target),
        }
    }
}

impl dyn Files + '_ {
    /// The path of the file that this path leads to through symbolic links.
    pub(crate) fn resolve(&self, path: &Path) -> Result<LayerPath, Broken> {
        let start = LayerPath::parse(path).map_err(|_| Broken::Missing)?;
        let mut last_target = None;
        let followed = follow(&start, &LayerPath::root(), |path| {
            let Some(At::Symlink(target)) = self.at(path) else { return Ok(None) };
            // A link of a parent directory is not what the path names.
            let is_named = path.to_path().file_name() == start.to_path().file_name();
            if last_target.is_none() && !is_named {
                return Ok(Some(target));
            }
            last_target = Some(path.parent().to_path().join(OsStr::from_bytes(&target)));
            Ok::<_, LinkFault>(Some(target))
        });
        let broken = || last_target.clone().map_or(Broken::Missing, Broken::Link);
        match self.at(&followed.map_err(|_| broken())?) {
            Some(At::File { path, .. }) => Ok(path),
            _ => Err(broken()),
        }
    }

    /// The mode of a file, if it is known.
    pub(crate) fn mode(&self, path: &LayerPath) -> Option<u32> {
        match self.at(path)? {
            At::File { mode, .. } => mode,
            _ => None,
        }
    }
}
