//! The files of two images compared.

use std::{
    collections::{BTreeSet, HashMap},
    iter,
};

use crate::{
    layer::merge::Placed,
    rootfs::{
        diff::{FieldDiff, FileChange, FileDiff},
        entry::{FileEntry, FileKind},
        image_files::ImageFiles,
    },
    tarfile::{header::decimal, path::LayerPath},
};

/// The files that differ, and the layers of the old and new image that such a file is in.
pub(crate) fn differences_of_files(
    old: &ImageFiles,
    new: &ImageFiles,
) -> (Vec<FileDiff>, [BTreeSet<usize>; 2]) {
    let (mut found, mut paths) = (Vec::new(), Vec::new());
    let mut changed = [BTreeSet::new(), BTreeSet::new()];
    for Difference { path, change, layers, fields } in differences(old, new) {
        changed.iter_mut().zip(layers).for_each(|(changed, layer)| changed.extend(layer));
        found.push(FileDiff { path: path.to_path(), change, fields });
        paths.push(path);
    }
    for (at, files, other) in [(0, old, new), (1, new, old)] {
        for (whiteout, layer) in &files.whiteouts {
            let removed = whiteout.removed().unwrap_or_else(|| whiteout.parent());
            let first = paths.partition_point(|path| **path < removed);
            let has_below =
                paths.get(first).is_some_and(|path| **path == removed || path.is_below(&removed));
            if !other.whiteouts.contains_key(whiteout) && has_below {
                changed[at].insert(*layer);
            }
        }
    }
    (found, changed)
}

/// A path at which two images differ.
pub(crate) struct Difference<'a> {
    pub(crate) path: &'a LayerPath,
    pub(crate) change: FileChange,
    /// The layers of the old and the new file.
    layers: [Option<usize>; 2],
    fields: Vec<FieldDiff>,
}

/// The differences of two images, in the order of their paths.
pub(crate) fn differences<'a>(
    old: &'a ImageFiles,
    new: &'a ImageFiles,
) -> impl Iterator<Item = Difference<'a>> {
    let of = [old, new].map(|files| Files { files, first_names: first_names(files) });
    let (mut old, mut new) = (old.merge.iter().peekable(), new.merge.iter().peekable());
    let path_of = |placed: &&'a Placed| &placed.path;
    iter::from_fn(move || {
        loop {
            let next = [old.peek().map(path_of), new.peek().map(path_of)];
            let path = next.into_iter().flatten().min()?;
            let placed = [&mut old, &mut new].map(|files| files.next_if(|it| it.path == *path));
            let (change, fields) = match placed {
                [None, _] => (FileChange::Added, Vec::new()),
                [_, None] => (FileChange::Removed, Vec::new()),
                [Some(old), Some(new)] => {
                    (FileChange::Changed, fields(&of[0].side(old), &of[1].side(new)))
                }
            };
            if change == FileChange::Changed && fields.is_empty() {
                continue;
            }
            let layers = placed.map(|placed| placed.map(Placed::layer));
            return Some(Difference { path, change, layers, fields });
        }
    })
}

/// The files of an image, and the first name of each that has several.
struct Files<'a> {
    files: &'a ImageFiles,
    first_names: HashMap<(usize, u64), &'a LayerPath>,
}

impl Files<'_> {
    fn side<'a>(&'a self, placed: &'a Placed) -> Side<'a> {
        Side { of: self, placed, entry: FileEntry::of(placed) }
    }
}

/// A file of one image.
struct Side<'a> {
    of: &'a Files<'a>,
    placed: &'a Placed,
    entry: FileEntry,
}

impl Side<'_> {
    /// What tells the contents from others: their digest, or else their place.
    fn contents(&self) -> String {
        let digest = self.of.files.digest(self.placed).map(|digest| digest.to_string());
        digest.unwrap_or_else(|| format!("{}, {:?}", self.entry.layer, self.entry.offset))
    }

    /// The first name of the file, if this is another one.
    fn link(&self) -> String {
        let place = self.placed.place();
        let first = place.and_then(|place| self.of.first_names.get(&place));
        let first = first.filter(|name| ***name != self.placed.path);
        first.map(|name| name.to_path().display().to_string()).unwrap_or_default()
    }
}

/// The first path of each file with several names, by the layer and offset of its entry.
fn first_names(files: &ImageFiles) -> HashMap<(usize, u64), &LayerPath> {
    let mut names = HashMap::new();
    for placed in files.merge.iter().filter(|placed| placed.file.is_linked) {
        if let Some(place) = placed.place() {
            names.entry(place).or_insert(&placed.path);
        }
    }
    names
}

/// What differs between two files at the same path.
fn fields(old: &Side<'_>, new: &Side<'_>) -> Vec<FieldDiff> {
    let entries = [&old.entry, &new.entry];
    let mut fields = Vec::new();
    let mut add = |field: &str, of: &dyn Fn(&FileEntry) -> String| {
        let [old, new] = entries.map(of);
        if old != new {
            fields.push(FieldDiff::new(field, old, new));
        }
    };
    add("type", &|entry| entry.kind.name().to_owned());
    // Nothing is said of a directory without an entry.
    if entries.iter().all(|entry| entry.offset.is_some()) {
        add("mode", &|entry| format!("{:04o}", entry.mode));
        add("owner", &|entry| format!("{}:{}", entry.uid, entry.gid));
        add("time", &|entry| decimal(entry.mtime, entry.nanoseconds));
        let names: BTreeSet<_> = entries.iter().flat_map(|entry| entry.xattrs.keys()).collect();
        for name in names {
            let value = |entry: &FileEntry| {
                entry.xattrs.get(name).map(|value| value.escape_ascii().to_string())
            };
            add(&format!("xattr {}", name.escape_ascii()), &|entry| {
                value(entry).unwrap_or_default()
            });
        }
    }
    add("target", &|entry| match &entry.kind {
        FileKind::Symlink { target } => target.to_string_lossy().into_owned(),
        _ => String::new(),
    });
    add("device", &|entry| match entry.kind {
        FileKind::CharDevice { major, minor } | FileKind::BlockDevice { major, minor } => {
            format!("{major},{minor}")
        }
        _ => String::new(),
    });
    let are_files = entries.iter().all(|entry| matches!(entry.kind, FileKind::File { .. }));
    if are_files {
        add("size", &|entry| entry.size().to_string());
        let [old, new] = [old, new].map(Side::contents);
        if old != new {
            fields.push(FieldDiff::new("contents", old, new));
        }
    }
    let [old, new] = [old, new].map(Side::link);
    if old != new {
        fields.push(FieldDiff::new("hard link", old, new));
    }
    // Most files differ in one field or none.
    fields.shrink_to_fit();
    fields
}
