//! Layers applied one after the other, as [the
//! specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#applying-changesets)
//! says.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    rootfs::entry::FileEntry,
    tarfile::{path::LayerPath, reader::TarEntry},
};

/// The files of the layers so far.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    files: BTreeMap<LayerPath, Placed>,
    /// The layer that is applied now.
    layer: usize,
}

#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) entry: Arc<FileEntry>,
    /// The layer that put it here: not that of the entry if this is a hard link to a lower layer.
    layer: usize,
}

/// What one entry of a tar changes, in the order in which a file system has to follow.
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
    File(LayerPath, Arc<FileEntry>),
    /// A second name of a file.
    HardLink { path: LayerPath, target: LayerPath },
}

impl Merge {
    /// The files, by path.
    pub(crate) fn files(&self) -> &BTreeMap<LayerPath, Placed> {
        &self.files
    }

    /// Begins the layer with this number.
    pub(crate) fn begin(&mut self, layer: usize) {
        self.layer = layer;
    }

    /// Applies the next entry of the layer.
    ///
    /// # Errors
    ///
    /// Why the entry is left out, in words that follow its name.
    pub(crate) fn apply(&mut self, entry: &TarEntry) -> Result<Change, String> {
        let path = LayerPath::parse_member(&entry.path)?;
        let mut change = Change::default();
        if let Some(removed) = path.removed() {
            self.remove(&removed, true, self.layer, &mut change);
            return Ok(change);
        }
        if path.is_whiteout() {
            self.remove(&path.parent(), false, self.layer, &mut change);
            return Ok(change);
        }
        if entry.kind.is_hard_link() {
            self.link(path, entry, &mut change)?;
            return Ok(change);
        }
        let Some(new) = FileEntry::new(entry, self.layer) else {
            let kind = char::from(entry.kind.as_byte()).escape_debug();
            return Err(format!("has the type '{kind}', which no file system has"));
        };
        if path.is_root() && !new.is_dir() {
            return Err("is the root, and not a directory".to_owned());
        }
        self.add_parents(&path, &mut change);
        let old = self.files.get(&path).map(|placed| placed.entry.is_dir());
        let is_kept = path.is_root() || old == Some(true) && new.is_dir();
        if old.is_some() && !is_kept {
            self.remove(&path, true, usize::MAX, &mut change);
        }
        let new = Arc::new(new);
        change.put = match new.is_dir() {
            true if is_kept => None,
            true => Some(Put::Directory(path.clone())),
            false => Some(Put::File(path.clone(), Arc::clone(&new))),
        };
        self.files.insert(path, Placed { entry: new, layer: self.layer });
        Ok(change)
    }

    fn link(
        &mut self,
        path: LayerPath,
        entry: &TarEntry,
        change: &mut Change,
    ) -> Result<(), String> {
        let name = String::from_utf8_lossy(&entry.link);
        let target = LayerPath::parse_member(&entry.link)
            .map_err(|reason| format!("is a hard link to {name:?}, which {reason}"))?;
        let found = self.files.get(&target).filter(|placed| !placed.entry.is_dir());
        let Some(found) = found.filter(|_| target != path && !target.is_below(&path)) else {
            return Err(format!("is a hard link to {name:?}, which does not exist"));
        };
        if path.is_below(&target) {
            return Err(format!("is a hard link to {name:?}, and lies below it"));
        }
        let entry = Arc::clone(&found.entry);
        self.add_parents(&path, change);
        self.remove(&path, true, usize::MAX, change);
        change.put = Some(Put::HardLink { path: path.clone(), target });
        self.files.insert(path, Placed { entry, layer: self.layer });
        Ok(())
    }

    /// Makes a directory of every parent that is missing or something else.
    fn add_parents(&mut self, path: &LayerPath, change: &mut Change) {
        let mut missing = Vec::new();
        for parent in path.ancestors() {
            match self.files.get(&parent) {
                // Its parents are directories too.
                Some(placed) if placed.entry.is_dir() => break,
                Some(_) => self.remove(&parent, true, usize::MAX, change),
                None => {}
            }
            missing.push(parent);
        }
        for parent in missing.into_iter().rev() {
            let entry = Arc::new(FileEntry::implied(self.layer));
            self.files.insert(parent.clone(), Placed { entry, layer: self.layer });
            change.implied.push(parent);
        }
    }

    /// Removes what layers before `until` put below a path, and at it if `itself`.
    fn remove(&mut self, path: &LayerPath, itself: bool, until: usize, change: &mut Change) {
        let found = self.files.range(path..);
        let found = found.take_while(|(other, _)| *other == path || other.is_below(path));
        let gone = |(other, placed): &(&LayerPath, &Placed)| {
            placed.layer < until && (itself || *other != path)
        };
        let gone: Vec<_> = found
            .filter(gone)
            .map(|(other, placed)| (other.clone(), placed.entry.is_dir()))
            .collect();
        for (path, is_dir) in gone.into_iter().rev() {
            // A directory that the layer has something in is a directory of the layer.
            let has_more = is_dir
                && self.files.range(&path..).nth(1).is_some_and(|(other, _)| other.is_below(&path));
            if has_more {
                continue;
            }
            self.files.remove(&path);
            change.removed.push((path, is_dir));
        }
    }
}
