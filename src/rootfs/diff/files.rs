//! The files of two images compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
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
    let mut found = BTreeMap::new();
    let mut changed = [BTreeSet::new(), BTreeSet::new()];
    let first_names = [old, new].map(first_names);
    let paths: BTreeSet<_> =
        [old, new].iter().flat_map(|files| files.merge.files().keys()).collect();
    for path in paths {
        let sides = [(old, &first_names[0]), (new, &first_names[1])]
            .map(|(files, names)| Some(Side { files, entry: files.entry(path)?, names, path }));
        let difference = match &sides {
            [None, _] => Some((FileChange::Added, Vec::new())),
            [_, None] => Some((FileChange::Removed, Vec::new())),
            [Some(old), Some(new)] => {
                let fields = fields(old, new);
                (!fields.is_empty()).then_some((FileChange::Changed, fields))
            }
        };
        let Some((change, fields)) = difference else { continue };
        for (changed, side) in changed.iter_mut().zip(&sides) {
            changed.extend(side.as_ref().map(|side| side.entry.layer));
        }
        found.insert(path.clone(), (change, fields));
    }
    for (at, files, other) in [(0, old, new), (1, new, old)] {
        for (whiteout, layer) in &files.whiteouts {
            let removed = whiteout.removed().unwrap_or_else(|| whiteout.parent());
            let mut below = found
                .range(&removed..)
                .take_while(|(path, _)| **path == removed || path.is_below(&removed));
            if !other.whiteouts.contains_key(whiteout) && below.next().is_some() {
                changed[at].insert(*layer);
            }
        }
    }
    let file = |(path, (change, fields)): (LayerPath, _)| FileDiff {
        path: path.to_path(),
        change,
        fields,
    };
    (found.into_iter().map(file).collect(), changed)
}

/// A file of one image.
struct Side<'a> {
    files: &'a ImageFiles,
    entry: &'a FileEntry,
    names: &'a HashMap<(usize, u64), &'a LayerPath>,
    path: &'a LayerPath,
}

impl Side<'_> {
    /// What tells the contents from others: their digest, or else their place.
    fn contents(&self) -> String {
        let digest = self.files.digest(self.entry).map(|digest| digest.to_string());
        digest.unwrap_or_else(|| format!("{}, {:?}", self.entry.layer, self.entry.offset))
    }

    /// The first name of the file, if this is another one.
    fn link(&self) -> String {
        let place = self.entry.offset.map(|offset| (self.entry.layer, offset));
        let first =
            place.and_then(|place| self.names.get(&place)).filter(|name| **name != self.path);
        first.map(|name| name.to_path().display().to_string()).unwrap_or_default()
    }
}

/// The first path of each file, by the layer and offset of its entry.
fn first_names(files: &ImageFiles) -> HashMap<(usize, u64), &LayerPath> {
    let mut names = HashMap::new();
    for (path, placed) in files.merge.files() {
        if let Some(offset) = placed.entry.offset {
            names.entry((placed.entry.layer, offset)).or_insert(path);
        }
    }
    names
}

/// What differs between two files at the same path.
fn fields(old: &Side<'_>, new: &Side<'_>) -> Vec<FieldDiff> {
    let entries = [old.entry, new.entry];
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
