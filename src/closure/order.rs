//! The order of layers while they are merged.

use crate::closure::bits::{Bits, count};

/// For each layer, the layers below it, which it refers to, and the layers above it, which refer to
/// it, directly or not.
#[derive(Debug)]
pub(crate) struct Order {
    below: Vec<Bits>,
    above: Vec<Bits>,
}

impl Order {
    /// Creates the order from references to layers with lower indexes.
    pub(crate) fn new(references: &[Vec<usize>]) -> Self {
        // Every merge replaces two layers by one.
        let nothing = vec![Bits::below(2 * references.len()); references.len()];
        let mut order = Self { below: nothing.clone(), above: nothing };
        for (layer, references) in references.iter().enumerate() {
            let (lower, rest) = order.below.split_at_mut(layer);
            for &reference in references {
                rest[0].insert(reference);
                rest[0].add(&lower[reference]);
            }
            for reference in (0..layer).filter(|&reference| rest[0].contains(reference)) {
                order.above[reference].insert(layer);
            }
        }
        order
    }

    /// Whether a layer is between the two, so that merging them would create a cycle.
    pub(crate) fn is_parted(&self, one: usize, other: usize) -> bool {
        self.below[one].meets(&self.above[other]) || self.below[other].meets(&self.above[one])
    }

    /// Replaces two layers by one. Its index is the next one.
    pub(crate) fn merge(&mut self, one: usize, other: usize) {
        let [below, above] = [&self.below, &self.above].map(|side| {
            let mut merged = side[one].clone();
            merged.add(&side[other]);
            merged.remove(one);
            merged.remove(other);
            merged
        });
        let merged = self.below.len();
        for layer in 0..merged {
            if above.contains(layer) {
                replace(&mut self.below[layer], one, other, merged, &below);
            }
            if below.contains(layer) {
                replace(&mut self.above[layer], one, other, merged, &above);
            }
        }
        self.below.push(below);
        self.above.push(above);
    }

    /// Returns a number that is higher for a layer than for any layer that it refers to.
    pub(crate) fn height(&self, layer: usize) -> u32 {
        count(self.below[layer].words())
    }
}

/// Replaces two layers in a set by the merged one and the layers that it adds.
fn replace(side: &mut Bits, one: usize, other: usize, merged: usize, with_it: &Bits) {
    side.remove(one);
    side.remove(other);
    side.insert(merged);
    side.add(with_it);
}
