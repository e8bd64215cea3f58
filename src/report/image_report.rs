//! What became of each file of an image.

use std::{cmp::Reverse, collections::BTreeMap, path::PathBuf};

use crate::{
    basics::{Digest, Warning},
    rootfs::unpack::skipped::Skipped,
};

/// The files in the layers of an image, with what became of each.
///
/// Sizes are those of the contents, before compression.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImageReport {
    /// The layers, lowest first.
    pub layers: Vec<LayerReport>,
    /// The regular files of all layers, lowest layer first, in the order of the layer. A hard link
    /// is not a file of its own.
    pub files: Vec<ReportedFile>,
    /// What keeps a container from starting: see [`check_runnable`](crate::check_runnable).
    pub warnings: Vec<Warning>,
    /// What the layers contain and no file system can.
    pub skipped: Vec<Skipped>,
}

/// What a layer contains.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerReport {
    /// The digest of the blob.
    pub digest: Digest,
    /// The size of the blob.
    pub blob_size: u64,
    /// The size of all files.
    pub size: u64,
    /// The number of entries of all kinds.
    pub entries: u64,
    /// The number of entries that are whiteouts.
    pub whiteouts: u64,
}

/// A regular file of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportedFile {
    /// The path in the image.
    pub path: PathBuf,
    /// The layer that contains the file; the lowest is 0.
    pub layer: usize,
    /// The size of the contents.
    pub size: u64,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The digest of the contents. A sparse file has none.
    pub digest: Option<Digest>,
    /// What became of the file.
    pub fate: Fate,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A container sees it.
    Visible,
    /// A layer has something else at the path.
    Overwritten {
        /// The number of that layer.
        by: usize,
    },
    /// A whiteout of a layer removes it.
    Deleted {
        /// The number of that layer.
        by: usize,
    },
}

impl ImageReport {
    /// The files that a container sees.
    pub fn visible(&self) -> impl Iterator<Item = &ReportedFile> {
        self.files.iter().filter(|file| file.fate == Fate::Visible)
    }

    /// The size of the files that a container sees.
    pub fn size(&self) -> u64 {
        total(self.visible().map(|file| file.size))
    }

    /// The files of which a layer has another version.
    pub fn overwritten(&self) -> impl Iterator<Item = &ReportedFile> {
        self.files.iter().filter(|file| matches!(file.fate, Fate::Overwritten { .. }))
    }

    /// The files that a whiteout removes.
    pub fn deleted(&self) -> impl Iterator<Item = &ReportedFile> {
        self.files.iter().filter(|file| matches!(file.fate, Fate::Deleted { .. }))
    }

    /// Files with the same contents that a container sees. The groups that waste most come first.
    pub fn duplicates(&self) -> Vec<Vec<&ReportedFile>> {
        let mut groups: BTreeMap<Digest, Vec<&ReportedFile>> = BTreeMap::new();
        for file in self.visible().filter(|file| file.size > 0) {
            if let Some(digest) = file.digest {
                groups.entry(digest).or_default().push(file);
            }
        }
        let mut groups: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
        groups.iter_mut().for_each(|group| group.sort_by(|a, b| a.path.cmp(&b.path)));
        groups.sort_by_key(|group| (Reverse(duplicated(group)), group[0].path.clone()));
        groups
    }

    /// The files that a container sees with setuid or setgid.
    pub fn setuid(&self) -> impl Iterator<Item = &ReportedFile> {
        self.visible().filter(|file| file.mode & 0o6000 != 0)
    }
}

/// The bytes that a group of [`ImageReport::duplicates`] would save as one file.
pub(crate) fn duplicated(group: &[&ReportedFile]) -> u64 {
    total(group.iter().skip(1).map(|file| file.size))
}

/// The sum, or the largest number: a sparse file may claim any size.
pub(crate) fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}
