//! Merges of layers, to be had in the order of what they cost.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Two layers by their indexes, the lower one first, and by how much the cost grows when they are
/// merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) growth: f64,
    pub(crate) one: usize,
    pub(crate) other: usize,
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The greatest is the cheapest. The indexes decide between equals.
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_growth = other.growth.total_cmp(&self.growth);
        by_growth.then_with(|| (other.one, other.other).cmp(&(self.one, self.other)))
    }
}

/// The candidates that were not taken yet.
///
/// Each layer has a list of those with layers of lower indexes, and only the cheapest of each list
/// are in the heap: one heap of all would not fit any cache, and most of the time would go by in
/// waiting for memory.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    cheapest: BinaryHeap<Candidate>,
    /// Sorted, the cheapest last.
    rest: Vec<Vec<Candidate>>,
}

impl Candidates {
    /// Adds those of the next layer.
    pub(crate) fn add(&mut self, mut candidates: Vec<Candidate>) {
        candidates.sort_unstable();
        self.cheapest.extend(candidates.pop());
        self.rest.push(candidates);
    }

    /// The cheapest of all.
    pub(crate) fn take(&mut self) -> Option<Candidate> {
        let taken = self.cheapest.pop()?;
        self.cheapest.extend(self.rest[taken.other].pop());
        Some(taken)
    }
}
