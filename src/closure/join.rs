//! Joins the units of a large graph, so that every pair can be compared.

use crate::closure::unit::Unit;

/// The groups with which merging begins, each after those that it refers to. If there are at most
/// `most` units, each is a group. Otherwise, neighbours are joined whose sizes hardly matter.
///
/// In an order where each unit comes after its references, joining neighbours makes no circle. The
/// units are ordered depth first, so neighbours are also related.
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
        // Does not depend on the total size, so that a path that grows a little moves no other
        // path.
        largest = (1.5 * largest).max(1024.0);
    }
}

/// Splits the order into runs of neighbours with a total weight of at most `largest`.
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

/// An empty path has a weight, so that any number of them can be joined.
fn weight(unit: &Unit) -> f64 {
    unit.size + 1.0
}
