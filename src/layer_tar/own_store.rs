//! Where a layer's blob is written, which must not become a part of the layer.

use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Stat, stat};

use crate::layer_tar::entry::identity;

/// The folders that a blob lies in, by what the system knows them by: other paths may lead to them too.
pub(crate) struct OwnStore(Vec<((u64, u64), PathBuf)>);

impl OwnStore {
    pub(crate) fn new(store: Option<&Path>) -> Self {
        let Some(blob) = store.and_then(|store| absolute(store.join("blobs/sha256/blob")).ok()) else {
            return Self(Vec::new());
        };
        // What is not there yet will be in what is.
        let real =
            blob.ancestors().find_map(|above| Some(above.canonicalize().ok()?.join(blob.strip_prefix(above).ok()?)));
        let real = real.unwrap_or(blob);
        let folder = |above: &Path| Some((identity(&stat(above).ok()?), real.strip_prefix(above).ok()?.to_owned()));
        Self(real.ancestors().filter_map(folder).collect())
    }

    /// The path of the blob as seen from this folder, if it lies below.
    pub(crate) fn below(&self, folder: &Stat) -> Option<&Path> {
        let folder = identity(folder);
        self.0.iter().find(|(above, _)| *above == folder).map(|(_, path)| path.as_path())
    }
}
