//! Units: sets of files that change together.

use std::collections::{BTreeMap, BTreeSet};

use crate::split::{
    file::{Files, relative},
    folders,
    owners::{Key, Kind, Owners},
    python,
};

/// The units of files, sorted by key.
pub(crate) struct Units<'a> {
    keys: Vec<Key>,
    sizes: Vec<u64>,
    /// The unit of each file. `None` for files of the application.
    owners: BTreeMap<&'a [u8], Option<usize>>,
}

impl<'a> Units<'a> {
    /// Finds the units. A file of at least this size that belongs to no package is a unit.
    pub(crate) fn find(files: &Files<'a>, large_file: u64) -> Self {
        let mut owners = Owners::default();
        python::claim(files, &mut owners);
        folders::claim(files, &mut owners);
        for (path, file) in files {
            if file.size >= large_file {
                owners.claim(path, &large(path));
            }
        }
        keep_links_together(files, &mut owners, large_file);
        let keys: BTreeSet<&Key> = owners.keys().collect();
        let keys: Vec<Key> = keys.into_iter().cloned().collect();
        let mut sizes = vec![0_u64; keys.len()];
        let owners = files
            .iter()
            .map(|(path, file)| {
                let unit = owners.get(path).and_then(|key| keys.binary_search(key).ok());
                if let Some(unit) = unit {
                    sizes[unit] = sizes[unit].saturating_add(file.size);
                }
                (*path, unit)
            })
            .collect();
        Self { keys, sizes, owners }
    }

    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn size(&self, unit: usize) -> u64 {
        self.sizes[unit]
    }

    pub(crate) fn key(&self, unit: usize) -> &Key {
        &self.keys[unit]
    }

    /// The unit with this key.
    pub(crate) fn with(&self, key: &Key) -> Option<usize> {
        self.keys.binary_search(key).ok()
    }

    /// The name of the unit for people.
    pub(crate) fn name(&self, unit: usize) -> String {
        format!("/{}", String::from_utf8_lossy(&self.keys[unit].name))
    }

    /// The files in order, each with its unit.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (&'a [u8], Option<usize>)> {
        self.owners.iter().map(|(path, unit)| (*path, *unit))
    }

    pub(crate) fn has_application(&self) -> bool {
        self.owners.values().any(Option::is_none)
    }
}

fn large(path: &[u8]) -> Key {
    Key { kind: Kind::LargeFile, name: path.to_vec() }
}

/// A hard link must be in the layer of its file. If the names of a file have different owners, they
/// belong to the application, where a change costs least, or are a unit if the file is large.
fn keep_links_together<'a>(files: &Files<'a>, owners: &mut Owners<'a>, large_file: u64) {
    let mut names: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for (path, file) in files {
        let target = file.link_to.as_deref().map(relative);
        let target = target.and_then(|target| files.get_key_value(target));
        if let Some((target, _)) = target {
            names.entry(target).or_insert_with(|| vec![target]).push(path);
        }
    }
    for (target, names) in names {
        let owner = owners.get(target);
        if names.iter().all(|name| owners.get(name) == owner) {
            continue;
        }
        let is_large = files[target].size >= large_file;
        for name in names {
            match files.get_key_value(name) {
                Some((name, _)) if is_large => owners.give(name, large(target)),
                _ => owners.take(name),
            }
        }
    }
}
