//! The contents of a layer.

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt};

use oci_layout::{Blob, Result, layer_entries};
use serde::Serialize;

use crate::advice;

/// The contents of a layer, or why they cannot be read.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Contents {
    Read {
        entries: u64,
        /// The total size of all files, in bytes.
        size: u64,
        whiteouts: u64,
        /// The paths that hold most of the contents, largest first.
        largest: Vec<Part>,
    },
    Unreadable {
        error: String,
    },
}

impl Contents {
    pub(super) fn is_readable(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

/// A path, with the entries and bytes at and below it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Part {
    pub(super) path: String,
    pub(super) entries: u64,
    pub(super) size: u64,
}

pub(super) fn contents(layer: &dyn Blob) -> Contents {
    match Node::read(layer) {
        Ok((root, whiteouts)) => Contents::Read {
            entries: root.entries,
            size: root.size,
            whiteouts,
            largest: root.largest(),
        },
        Err(error) => Contents::Unreadable { error: advice::error(&error) },
    }
}

/// Folders below this depth are counted with their parent; a hostile path could be endlessly deep.
const DEEPEST: usize = 16;

/// A directory or another entry, with the totals of its contents.
#[derive(Default)]
struct Node {
    entries: u64,
    size: u64,
    below: BTreeMap<Vec<u8>, Node>,
}

impl Node {
    /// Reads a layer into a tree. Returns the root and the number of whiteouts.
    fn read(layer: &dyn Blob) -> Result<(Self, u64)> {
        let (mut root, mut whiteouts) = (Self::default(), 0);
        for entry in layer_entries(layer)? {
            let entry = entry?;
            let name = entry.path.file_name().unwrap_or_default();
            whiteouts += u64::from(name.as_bytes().starts_with(b".wh."));
            root.add(entry.path.as_os_str().as_bytes(), entry.size);
        }
        Ok((root, whiteouts))
    }

    fn add(&mut self, path: &[u8], size: u64) {
        let mut node = self;
        let names =
            path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
        for name in names.take(DEEPEST) {
            node.entries += 1;
            node.size = node.size.saturating_add(size);
            node = node.below.entry(name.to_vec()).or_default();
        }
        node.entries += 1;
        node.size = node.size.saturating_add(size);
    }

    /// Returns the root, but replaces every directory that holds more than half of all bytes with
    /// its contents.
    fn largest(&self) -> Vec<Part> {
        let mut shown = vec![(String::new(), self)];
        let heavy =
            |(_, node): &(String, &Self)| !node.below.is_empty() && node.size > self.size / 2;
        while let Some(index) = shown.iter().position(heavy) {
            let (path, node) = shown.swap_remove(index);
            let child = |(name, node): (&'_ Vec<u8>, _)| {
                (format!("{path}/{}", String::from_utf8_lossy(name)), node)
            };
            shown.extend(node.below.iter().map(child));
        }
        let part = |(path, node): (String, &Self)| Part {
            path: if path.is_empty() { "/".to_owned() } else { path },
            entries: node.entries,
            size: node.size,
        };
        let mut parts: Vec<Part> = shown.into_iter().map(part).collect();
        parts.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_directories_are_expanded() {
        let mut root = Node::default();
        for (path, size) in [
            ("./", 0),
            ("usr/", 0),
            ("usr/lib/", 0),
            ("usr/lib/a", 5),
            ("usr/bin/b", 4),
            ("etc/c", 1),
        ] {
            root.add(path.as_bytes(), size);
        }
        let part = |path: &str, entries, size| Part { path: path.to_owned(), entries, size };
        assert_eq!(
            root.largest(),
            [part("/usr/lib", 2, 5), part("/usr/bin", 1, 4), part("/etc", 1, 1)]
        );
        assert_eq!((root.entries, root.size), (6, 10));
    }
}
