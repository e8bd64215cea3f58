//! The entries of one layer that matter for a layer above it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tarfile::LayerPath;

/// The entry of a layer at each path, sorted by path. A recipe contains only the entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BaseIndex {
    entries: Vec<(LayerPath, BaseEntry)>,
    #[serde(skip)]
    outside: Option<Outside>,
}

/// The entries of a layer with names outside of the image. Unpackers refuse them, or write to other
/// places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outside {
    /// The name of the first one, as in the layer.
    pub(crate) first: Vec<u8>,
    pub(crate) count: u64,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum BaseEntry {
    Directory(BaseDirectory),
    /// A directory in a recipe for which no layer has an entry, but only entries below it.
    ImpliedDirectory,
    /// A symbolic link with this target.
    Symlink(#[serde(with = "crate::tarfile::path::bytes")] Vec<u8>),
    /// Anything else without files below it, including a whiteout.
    File,
}

/// The attributes of a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BaseDirectory {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl BaseIndex {
    /// Creates an index of these entries.
    pub(crate) fn from_entries(entries: BTreeMap<LayerPath, BaseEntry>) -> Self {
        Self { entries: entries.into_iter().collect(), outside: None }
    }

    /// Adds the entries with names outside of the image.
    pub(crate) fn with_outside(self, outside: Option<Outside>) -> Self {
        Self { outside, ..self }
    }

    pub(crate) fn entries(&self) -> &[(LayerPath, BaseEntry)] {
        &self.entries
    }

    pub(crate) fn outside(&self) -> Option<&Outside> {
        self.outside.as_ref()
    }

    /// The layer's entry for this path.
    pub(crate) fn get(&self, path: &LayerPath) -> Option<&BaseEntry> {
        self.entries
            .binary_search_by(|(other, _)| other.cmp(path))
            .ok()
            .map(|at| &self.entries[at].1)
    }

    /// Whether the layer has a file below this path. Whiteouts do not count.
    pub(crate) fn has_below(&self, path: &LayerPath) -> bool {
        let after = self.entries.partition_point(|(other, _)| other <= path);
        let below = self.entries[after..].iter().map(|(other, _)| other);
        below.take_while(|other| other.is_below(path)).any(|other| !other.is_whiteout())
    }
}
