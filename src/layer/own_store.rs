//! The folders that a layer is written to, which must not become a part of it.

use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Stat, stat};

use crate::{layer::entry::identity, recipe::LayerOptions};

/// The output folders and their ancestors, by device and inode, which are the same for every path
/// to a folder. Each has the relative path to its output folder.
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
            // A folder that does not exist yet will be created in its first existing ancestor.
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

    /// The relative paths from this folder to output folders that it contains or is.
    pub(crate) fn in_folder(&self, folder: &Stat) -> impl Iterator<Item = &Path> {
        let folder = identity(folder);
        self.0.iter().filter(move |(above, _)| *above == folder).map(|(_, path)| path.as_path())
    }

    /// Whether this is an output folder.
    pub(crate) fn is(&self, folder: &Stat) -> bool {
        self.in_folder(folder).any(|path| path.as_os_str().is_empty())
    }
}
