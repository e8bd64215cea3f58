//! Reduces large graphs, so that every pair of groups can be compared.

use crate::closure::unit::Unit;

/// Returns the groups of units that merging starts with, each after those that it refers to. If
/// there are at most `most` units, each is a group. Otherwise, neighbours are joined whose sizes
/// hardly matter.
///
/// Neighbours can be joined without creating a cycle, because in the order of units each comes
/// after its references. The order is depth-first, so neighbours are also related.
pub(crate) fn join_small(units: &[Unit], most: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<_> = (0..units.len()).collect();
    order.sort_by_key(|&unit| (units[unit].level, units[unit].is_alone));
    let total: f64 = units.iter().map(weight).sum();
    let mut largest = 0.0;
    loop {
        let groups = runs(units, &order, largest);
        if groups.len() <= most || largest > total {
            return groups;
        }
        // This is not a share of the total, so that a path that grows a little moves no other path.
        largest = (1.5 * largest).max(1024.0);
    }
}

/// Splits the order into runs of neighbours that weigh at most `largest`.
fn runs(units: &[Unit], order: &[usize], largest: f64) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut filled = 0.0;
    for &index in order {
        let unit = &units[index];
        filled += weight(unit);
        match groups.last_mut() {
            Some(group) if filled <= largest && unit.may_join(&units[group[0]]) => {
                group.push(index)
            }
            _ => {
                groups.push(vec![index]);
                filled = weight(unit);
            }
        }
    }
    groups
}

/// An empty path has a weight too, so that any number of them can be joined.
fn weight(unit: &Unit) -> f64 {
    unit.size + 1.0
}
