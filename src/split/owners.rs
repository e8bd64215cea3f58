//! Which unit has which file.

use std::collections::HashMap;

/// What a unit is. Two versions of a package have the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    /// The folder that contains the package, and the name of the package.
    pub(crate) name: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Python,
    Node,
    Vendor,
    LargeFile,
}

/// The unit of each file that has one.
#[derive(Default)]
pub(crate) struct Owners<'a> {
    keys: HashMap<&'a [u8], Key>,
}

impl<'a> Owners<'a> {
    /// Gives a file to a unit, unless another unit has it.
    pub(crate) fn claim(&mut self, path: &'a [u8], key: &Key) {
        self.keys.entry(path).or_insert_with(|| key.clone());
    }

    /// Gives a file to a unit, also if another unit has it.
    pub(crate) fn give(&mut self, path: &'a [u8], key: Key) {
        self.keys.insert(path, key);
    }

    /// Takes a file from its unit.
    pub(crate) fn take(&mut self, path: &[u8]) {
        self.keys.remove(path);
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&Key> {
        self.keys.get(path)
    }

    /// The keys of all units, each once for every file.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }
}
