//! Layers applied one after the other, as [the
//! specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#applying-changesets)
//! says.
//!
//! A whiteout removes what the layers below its own layer contain, wherever it is in its layer. It
//! adds nothing, not even its parents: umoci writes whiteouts of files in a directory below the file
//! that replaces the directory.

pub(crate) mod look;

use crate::{
    layer::{
        by_path::{ByPath, HasPath},
        layer_files::{File, Is, Member},
    },
    tarfile::path::LayerPath,
};

/// The files of the layers so far. [`look`](look::look) finds single ones with less work.
#[derive(Clone, Default)]
pub(crate) struct Merge {
    files: ByPath<Placed>,
    /// The layer that is applied now.
    layer: u32,
}

/// A file at its path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) path: LayerPath,
    pub(crate) file: File,
    /// The layer that has the entry of the file; the lowest is 0.
    layer: u32,
    /// The topmost layer that has something here, or below this directory. If it is not that of the
    /// entry, this is a directory of a lower layer, or a hard link to a file of one.
    by: u32,
}

/// What one entry of a layer changes, in the order in which a file system has to follow.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// Paths that no longer exist, and whether each was a directory; those below a directory come
    /// before it.
    pub(crate) removed: Vec<(LayerPath, bool)>,
    /// Directories that exist because of what is below them, from the root down.
    pub(crate) implied: Vec<LayerPath>,
    /// What is new.
    pub(crate) put: Option<Put>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Put {
    /// A directory that did not exist.
    Directory(LayerPath),
    /// Anything else.
    File(LayerPath),
    /// A second name of a file.
    HardLink { path: LayerPath, target: LayerPath },
}

impl Placed {
    /// The layer that has the entry of the file; the lowest is 0.
    pub(crate) fn layer(&self) -> usize {
        self.layer as usize
    }

    /// The topmost layer that has something here, or below this directory.
    #[cfg(feature = "cli")]
    pub(crate) fn by(&self) -> usize {
        self.by as usize
    }

    /// What tells the file from all others, and its names do not: its layer, and the offset in it.
    /// `None` for a directory without an entry.
    pub(crate) fn place(&self) -> Option<(usize, u64)> {
        Some((self.layer(), self.file.offset()?))
    }
}

impl HasPath for Placed {
    fn path(&self) -> &LayerPath {
        &self.path
    }
}

impl Merge {
    /// All files, in the order of their paths.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Placed> {
        self.files.iter()
    }

    /// The file at a path. Symbolic links are not followed.
    pub(crate) fn get(&self, path: &LayerPath) -> Option<&Placed> {
        self.files.get(path)
    }

    /// Begins the layer with this number.
    pub(crate) fn begin(&mut self, layer: usize) {
        // No manifest has room for so many layers.
        self.layer = u32::try_from(layer).unwrap_or(u32::MAX - 1);
    }

    /// Applies the next entry of the layer.
    ///
    /// # Errors
    ///
    /// Why the entry is left out, in words that follow its name.
    pub(crate) fn apply(&mut self, Member { path, is }: Member) -> Result<Change, String> {
        let mut change = Change::default();
        match is {
            Is::Whiteout => self.hide(&path, &mut change),
            Is::HardLink(target) => self.link(path, target, &mut change)?,
            Is::File(file) => self.put(path, file, &mut change),
        }
        Ok(change)
    }

    fn put(&mut self, path: LayerPath, file: File, change: &mut Change) {
        self.add_parents(&path, change);
        let old = self.files.get(&path).map(|placed| placed.file.is_dir());
        let is_kept = path.is_root() || old == Some(true) && file.is_dir();
        if old.is_some() && !is_kept {
            self.remove(&path, change);
        }
        change.put = match file.is_dir() {
            true if is_kept => None,
            true => Some(Put::Directory(path.clone())),
            false => Some(Put::File(path.clone())),
        };
        self.insert(path, file, self.layer);
    }

    fn insert(&mut self, path: LayerPath, file: File, layer: u32) {
        self.files.insert(Placed { path, file, layer, by: self.layer });
    }

    fn link(
        &mut self,
        path: LayerPath,
        target: LayerPath,
        change: &mut Change,
    ) -> Result<(), String> {
        let refuse = |reason| {
            let name = target.to_bytes();
            Err(format!("is a hard link to {:?}, {reason}", String::from_utf8_lossy(&name)))
        };
        let found = self.files.get_mut(&target).filter(|placed| !placed.file.is_dir());
        let Some(found) = found.filter(|_| target != path && !target.is_below(&path)) else {
            return refuse("which does not exist");
        };
        if path.is_below(&target) {
            return refuse("and lies below it");
        }
        found.file.is_linked = true;
        let (file, layer) = (found.file.clone(), found.layer);
        self.add_parents(&path, change);
        self.remove(&path, change);
        self.insert(path.clone(), file, layer);
        change.put = Some(Put::HardLink { path, target });
        Ok(())
    }

    /// Makes a directory of every parent that is missing or something else.
    fn add_parents(&mut self, path: &LayerPath, change: &mut Change) {
        let mut missing = Vec::new();
        for parent in path.ancestors() {
            match self.files.get_mut(&parent) {
                // Its parents are directories of this layer too.
                Some(placed) if placed.file.is_dir() && placed.by == self.layer => break,
                Some(placed) if placed.file.is_dir() => {
                    placed.by = self.layer;
                    continue;
                }
                Some(_) => self.remove(&parent, change),
                None => {}
            }
            missing.push(parent);
        }
        for parent in missing.into_iter().rev() {
            self.insert(parent.clone(), File::implied(), self.layer);
            change.implied.push(parent);
        }
    }

    /// Removes what lower layers have at a path and below it, or below a directory that a whiteout
    /// empties. A directory in which this layer has something stays.
    fn hide(&mut self, whiteout: &LayerPath, change: &mut Change) {
        let removed = whiteout.removed();
        let (path, itself) = match &removed {
            Some(removed) => (removed, true),
            None => (&whiteout.parent(), false),
        };
        let (mut gone, mut emptied) = (Vec::new(), Vec::new());
        for placed in self.at_and_below(path).filter(|placed| itself || placed.path != *path) {
            if placed.by < self.layer {
                gone.push(placed.path.clone());
            } else if placed.file.is_dir() && placed.layer < self.layer {
                emptied.push(placed.path.clone());
            }
        }
        self.remove_all(gone, change);
        for path in emptied {
            self.insert(path, File::implied(), self.layer);
        }
    }

    /// Removes what is at a path and below it.
    fn remove(&mut self, path: &LayerPath, change: &mut Change) {
        let gone = self.at_and_below(path).map(|placed| placed.path.clone()).collect();
        self.remove_all(gone, change);
    }

    fn at_and_below<'a>(&'a self, path: &'a LayerPath) -> impl Iterator<Item = &'a Placed> {
        let found = self.files.starting_at(path);
        found.take_while(move |placed| placed.path == *path || placed.path.is_below(path))
    }

    fn remove_all(&mut self, gone: Vec<LayerPath>, change: &mut Change) {
        for path in gone.into_iter().rev() {
            if let Some(placed) = self.files.remove(&path) {
                change.removed.push((path, placed.file.is_dir()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image may have millions of files.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn placed_files_are_small() {
        assert_eq!(size_of::<Placed>(), 80);
    }
}
