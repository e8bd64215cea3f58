//! Where a layer's own bytes go, which must not become a part of it.

use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Stat, stat};

use crate::{layer::entry::identity, recipe::LayerOptions};

/// The folders that a layer is written to, and those they lie in, by what the system knows them by:
/// whatever path leads to one, it is the same. With each goes the path from there to the one that
/// is written to.
#[derive(Default)]
pub(crate) struct OwnStore(Vec<((u64, u64), PathBuf)>);

impl OwnStore {
    pub(crate) fn new(options: &LayerOptions) -> Self {
        let mut folders = Vec::new();
        for dir in [&options.store, &options.scratch]
            .into_iter()
            .flatten()
            .filter_map(|dir| absolute(dir).ok())
        {
            // What is not there yet will be made in what is.
            let real =
                |above: &Path| Some(above.canonicalize().ok()?.join(dir.strip_prefix(above).ok()?));
            let dir = dir.ancestors().find_map(real).unwrap_or_else(|| dir.clone());
            let folder = |above: &Path| {
                Some((identity(&stat(above).ok()?), dir.strip_prefix(above).ok()?.to_owned()))
            };
            folders.extend(dir.ancestors().filter_map(folder));
        }
        Self(folders)
    }

    /// The paths from this folder to those that are written to, as far as they lie in it or are it.
    pub(crate) fn in_folder(&self, folder: &Stat) -> impl Iterator<Item = &Path> {
        let folder = identity(folder);
        self.0.iter().filter(move |(above, _)| *above == folder).map(|(_, path)| path.as_path())
    }

    /// Whether this folder is written to.
    pub(crate) fn is(&self, folder: &Stat) -> bool {
        self.in_folder(folder).any(|path| path.as_os_str().is_empty())
    }
}
