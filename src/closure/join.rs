//! Large graphs made small enough for comparing every pair of units.

use crate::closure::unit::Unit;

/// The units as the groups that merging begins with, each after those that it refers to: one group
/// for each unit where there are no more units than `most`, and otherwise neighbours joined whose
/// sizes hardly matter.
///
/// Neighbours in an order where each comes after its references can be joined without making a
/// circle. Depth first, as units are ordered, neighbours are related, too.
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
        // Not a share of the total, so that a path that grows a little moves no other path.
        largest = (1.5 * largest).max(1024.0);
    }
}

/// The order cut into runs: neighbours are in one as long as it weighs no more than `largest`.
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

/// An empty path weighs something, so that any number of them comes to be joined.
fn weight(unit: &Unit) -> f64 {
    unit.size + 1.0
}
