//! Which layers are above which, while layers are merged.

use crate::closure::bits::{Bits, count};

/// For each layer, those below it and those above it: what it refers to, directly or not, and what
/// refers to it.
#[derive(Debug)]
pub(crate) struct Order {
    below: Vec<Bits>,
    above: Vec<Bits>,
}

impl Order {
    /// The order of layers by their references to layers of a lower index.
    pub(crate) fn new(references: &[Vec<usize>]) -> Self {
        // Every merge makes one layer of two.
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

    /// Whether a layer lies between the two, so that they would be in a circle with it if they were
    /// one.
    pub(crate) fn is_parted(&self, one: usize, other: usize) -> bool {
        self.below[one].meets(&self.above[other]) || self.below[other].meets(&self.above[one])
    }

    /// Puts one layer in the place of two. Its index is the next one.
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

    /// A number that is higher for a layer than for any that it refers to.
    pub(crate) fn height(&self, layer: usize) -> u32 {
        count(self.below[layer].words())
    }
}

/// Puts the merged layer, and what it brings with it, in the place of the two that it was made of.
fn replace(side: &mut Bits, one: usize, other: usize, merged: usize, with_it: &Bits) {
    side.remove(one);
    side.remove(other);
    side.insert(merged);
    side.add(with_it);
}
