//! Possible merges of layers, in the order of their costs.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Two layers by index, the lower one first, and how much the cost grows when they are merged.
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

/// The cheapest candidate is the greatest. The indexes decide between equals.
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_growth = other.growth.total_cmp(&self.growth);
        by_growth.then_with(|| (other.one, other.other).cmp(&(self.one, self.other)))
    }
}

/// The candidates that were not taken yet.
///
/// Each layer has a list of candidates with layers of lower indexes, and the heap holds only the
/// cheapest of each list. One heap of all candidates would exceed any cache, and memory access
/// would dominate the time.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    cheapest: BinaryHeap<Candidate>,
    /// Sorted, with the cheapest one last.
    rest: Vec<Vec<Candidate>>,
}

impl Candidates {
    /// Adds the candidates of the next layer.
    pub(crate) fn add(&mut self, mut candidates: Vec<Candidate>) {
        candidates.sort_unstable();
        self.cheapest.extend(candidates.pop());
        self.rest.push(candidates);
    }

    /// Takes the cheapest candidate.
    pub(crate) fn take(&mut self) -> Option<Candidate> {
        let taken = self.cheapest.pop()?;
        self.cheapest.extend(self.rest[taken.other].pop());
        Some(taken)
    }
}
