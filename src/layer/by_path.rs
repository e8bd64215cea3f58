//! A map of values sorted by path, for layers with millions of entries.

use std::collections::BTreeMap;

use crate::tarfile::LayerPath;

/// A value with a path in a layer.
pub(crate) trait HasPath {
    fn path(&self) -> &LayerPath;
}

/// At most one value for each path, sorted by path.
///
/// Values are stored contiguously in parts, whose size in bytes is the same for all types of
/// values. A value therefore takes little more than its own size. Memory of a part that was taken
/// out fits the next part of another type, so values can be converted to another type without
/// needing twice the memory.
#[derive(Clone)]
pub(crate) struct ByPath<T> {
    /// All paths of a part are at or after its key, and before the key of the next part.
    parts: BTreeMap<LayerPath, Vec<T>>,
}

impl<T> Default for ByPath<T> {
    fn default() -> Self {
        Self { parts: BTreeMap::new() }
    }
}

impl<T> ByPath<T> {
    /// The number of values in a full part, which takes 16 KiB.
    const FULL: usize = (16 << 10) / size_of::<T>();

    /// All values in order, in parts that are not empty.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = Vec<T>> {
        self.parts.into_values().filter(|part| !part.is_empty())
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.parts.values().flatten()
    }

    /// The values in order. Their paths must not change.
    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.parts.values_mut().flatten()
    }
}

impl<T: HasPath> ByPath<T> {
    pub(crate) fn get(&self, path: &LayerPath) -> Option<&T> {
        let (_, part) = self.parts.range(..=path).next_back()?;
        find(part, path).ok().map(|at| &part[at])
    }

    /// The value at this path. Its path must not change.
    pub(crate) fn get_mut(&mut self, path: &LayerPath) -> Option<&mut T> {
        let (_, part) = self.parts.range_mut(..=path).next_back()?;
        find(part, path).ok().map(|at| &mut part[at])
    }

    /// The values, starting at this path.
    pub(crate) fn starting_at(&self, path: &LayerPath) -> impl Iterator<Item = &T> {
        let first = self.parts.range(..path).next_back();
        let parts = first.into_iter().chain(self.parts.range(path..));
        parts.flat_map(|(_, part)| &part[part.partition_point(|value| value.path() < path)..])
    }

    /// Adds a value if its path is free. Otherwise returns the existing value and the new one.
    pub(crate) fn try_insert(&mut self, value: T) -> Option<(&mut T, T)> {
        self.make_room(value.path());
        let (_, part) = self.parts.range_mut(..=value.path()).next_back()?;
        match find(part, value.path()) {
            Ok(at) => Some((&mut part[at], value)),
            Err(at) => {
                part.insert(at, value);
                None
            }
        }
    }

    /// Adds a value, and returns the previous value of its path.
    pub(crate) fn insert(&mut self, value: T) -> Option<T> {
        self.try_insert(value).map(|(old, new)| std::mem::replace(old, new))
    }

    pub(crate) fn remove(&mut self, path: &LayerPath) -> Option<T> {
        let (_, part) = self.parts.range_mut(..=path).next_back()?;
        find(part, path).ok().map(|at| part.remove(at))
    }

    /// Ensures that a part with free space exists for this path.
    fn make_room(&mut self, path: &LayerPath) {
        let Some((_, part)) = self.parts.range_mut(..=path).next_back() else {
            self.parts.insert(LayerPath::root(), Vec::with_capacity(Self::FULL));
            return;
        };
        if part.len() < Self::FULL {
            return;
        }
        let is_after_part = part.last().is_some_and(|last| last.path() < path);
        let is_after_all = is_after_part && self.parts.range(path..).next().is_none();
        let Some((_, part)) = self.parts.range_mut(..=path).next_back() else { return };
        // Values in order leave parts full, or nearly full if other values follow.
        let kept = match (is_after_all, is_after_part) {
            (true, _) => part.len(),
            (_, true) => part.len() - (part.len() / 8).max(1),
            _ => part.len() / 2,
        };
        let mut moved = Vec::with_capacity(Self::FULL);
        moved.extend(part.drain(kept..));
        let key = moved.first().map_or(path, HasPath::path).clone();
        self.parts.insert(key, moved);
    }
}

/// The index of this path's value in the part, or the index at which to insert it.
fn find<T: HasPath>(part: &[T], path: &LayerPath) -> Result<usize, usize> {
    // Most values are added in order.
    match part.last() {
        Some(last) if last.path() < path => Err(part.len()),
        _ => part.binary_search_by(|value| value.path().cmp(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// So large that few values fill a part.
    #[derive(Clone, Debug, PartialEq)]
    struct Value(LayerPath, [u32; 800]);

    impl HasPath for Value {
        fn path(&self) -> &LayerPath {
            &self.0
        }
    }

    fn path(number: u8) -> LayerPath {
        LayerPath::parse(Path::new(&format!("/{}/{}", number / 16, number % 16))).unwrap()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![3 => any::<u8>().prop_map(Step::Insert), 1 => any::<u8>().prop_map(Step::Remove)]
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_btree_map(steps in proptest::collection::vec(step(), 0..400), from in any::<u8>()) {
            let (mut values, mut map) = (ByPath::default(), BTreeMap::new());
            for (count, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(number) => {
                        let value = Value(path(number), [count as u32; 800]);
                        prop_assert_eq!(values.insert(value.clone()), map.insert(path(number), value));
                    }
                    Step::Remove(number) => {
                        prop_assert_eq!(values.remove(&path(number)), map.remove(&path(number)));
                    }
                }
            }
            let from = path(from);
            prop_assert_eq!(values.get(&from), map.get(&from));
            prop_assert_eq!(values.get_mut(&from), map.get_mut(&from));
            prop_assert!(values.starting_at(&from).eq(map.range(&from..).map(|(_, value)| value)));
            prop_assert!(values.iter().eq(map.values()));
            prop_assert!(values.iter_mut().rev().map(|value| &*value).eq(map.values().rev()));
            let parts: Vec<_> = values.into_parts().collect();
            prop_assert!(parts.iter().all(|part| (1..=ByPath::<Value>::FULL).contains(&part.len())));
            prop_assert!(parts.into_iter().flatten().eq(map.into_values()));
        }
    }

    /// The number of parts for the 256 paths, added in this order.
    fn parts(order: impl Iterator<Item = u8>) -> usize {
        let mut values = ByPath::default();
        order.for_each(|number| assert!(values.insert(Value(path(number), [0; 800])).is_none()));
        values.into_parts().count()
    }

    #[test]
    fn parts_are_full_if_values_come_in_order() {
        let mut sorted: Vec<u8> = (0..=255).collect();
        sorted.sort_by_key(|&number| path(number));
        assert_eq!(ByPath::<Value>::FULL, 5);
        assert_eq!(parts(sorted.iter().copied()), 52);
        // In any order, parts are not nearly empty.
        assert!(parts(sorted.iter().rev().copied()) <= 128);
        assert!(parts((0..=255).map(|n: u8| n.wrapping_mul(91))) <= 128);
    }
}
