//! Merges groups of units into layers, cheapest merge first.

use crate::closure::{
    candidates::{Candidate, Candidates},
    cost::{Costs, Exposure},
    order::Order,
    unit::Unit,
};

/// A layer with fewer bytes is small. A third of the allowed layers may be small.
const SMALL: f64 = 1024.0 * 1024.0;

/// Merges groups of units until there are at most `most`, not too many of them are small, and every
/// other merge has a cost. Groups and layers are ordered so that each comes after those that it
/// refers to.
pub(crate) fn merge(
    units: &[Unit],
    groups: Vec<Vec<usize>>,
    most: usize,
    related_images: f64,
) -> Vec<Vec<usize>> {
    let mut layers = Layers::new(units, groups, related_images);
    let mut candidates = Candidates::default();
    (0..layers.count).for_each(|layer| candidates.add(layers.candidates(layer)));
    while let Some(merge) = candidates.take() {
        let Some((one, other)) = layers.parts(&merge) else { continue };
        let too_many_small = layers.small > (most / 3).max(1);
        let is_wanted = layers.count > most
            || merge.growth <= 0.0
            || too_many_small && (one.is_small() || other.is_small());
        // If another layer separates the two, this remains so until one of them is merged, which
        // creates new candidates.
        if is_wanted && !layers.order.is_parted(merge.one, merge.other) {
            let merged = layers.apply(&merge);
            candidates.add(layers.candidates(merged));
        } else if !is_wanted && !too_many_small {
            break;
        }
    }
    layers.in_order()
}

/// A layer during merging.
#[derive(Debug)]
struct Layer {
    units: Vec<usize>,
    exposure: Exposure,
    cost: f64,
}

impl Layer {
    fn is_small(&self) -> bool {
        self.exposure.size() < SMALL
    }
}

/// The layers during merging. A merged layer has a new index after all others, and its parts are
/// removed.
#[derive(Debug)]
struct Layers<'a> {
    units: &'a [Unit<'a>],
    costs: Costs,
    layers: Vec<Option<Layer>>,
    order: Order,
    /// The number of layers, and how many of them are small.
    count: usize,
    small: usize,
}

impl<'a> Layers<'a> {
    fn new(units: &'a [Unit<'a>], groups: Vec<Vec<usize>>, related_images: f64) -> Self {
        let (costs, exposures) = Costs::new(units, &groups, related_images);
        let order = Order::new(&references(units, &groups));
        let layer = |(units, exposure)| Some(Layer { units, cost: costs.of(&exposure), exposure });
        let layers: Vec<_> = groups.into_iter().zip(exposures).map(layer).collect();
        let small = layers.iter().flatten().filter(|layer| layer.is_small()).count();
        Self { units, costs, order, count: layers.len(), small, layers }
    }

    fn living(&self) -> impl Iterator<Item = (usize, &Layer)> {
        self.layers.iter().enumerate().filter_map(|(index, layer)| Some((index, layer.as_ref()?)))
    }

    /// Returns `None` if one of the two no longer exists.
    fn parts(&self, merge: &Candidate) -> Option<(&Layer, &Layer)> {
        Some((self.layers[merge.one].as_ref()?, self.layers[merge.other].as_ref()?))
    }

    /// Returns the candidates of this layer and those with lower indexes.
    fn candidates(&self, other: usize) -> Vec<Candidate> {
        let Some(layer) = &self.layers[other] else { return Vec::new() };
        let unit = &self.units[layer.units[0]];
        let lower = self.living().take_while(|&(one, _)| one < other);
        let joinable = lower.filter(|(_, with)| self.units[with.units[0]].may_join(unit));
        let candidate = |(one, with): (usize, &Layer)| {
            let growth =
                self.costs.of_both(&with.exposure, &layer.exposure) - with.cost - layer.cost;
            Candidate { growth, one, other }
        };
        joinable.map(candidate).collect()
    }

    /// Merges the two layers, and returns the index of the result.
    fn apply(&mut self, merge: &Candidate) -> usize {
        let [one, other] =
            [merge.one, merge.other].map(|part| self.layers[part].take().expect("it is not gone"));
        self.small -= usize::from(one.is_small()) + usize::from(other.is_small());
        self.count -= 1;
        let mut exposure = one.exposure;
        exposure.add(&other.exposure);
        let cost = self.costs.of(&exposure);
        let merged = Layer { units: [one.units, other.units].concat(), exposure, cost };
        self.small += usize::from(merged.is_small());
        self.layers.push(Some(merged));
        self.order.merge(merge.one, merge.other);
        self.layers.len() - 1
    }

    fn in_order(self) -> Vec<Vec<usize>> {
        let Self { layers, order, .. } = self;
        let mut layers: Vec<_> =
            layers.into_iter().enumerate().filter_map(|(at, layer)| Some((at, layer?))).collect();
        for (_, layer) in &mut layers {
            layer.units.sort_unstable();
        }
        layers.sort_by_key(|(index, layer)| (order.height(*index), layer.units[0]));
        layers.into_iter().map(|(_, layer)| layer.units).collect()
    }
}

/// Returns the groups that each group refers to.
fn references(units: &[Unit], groups: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut group_of = vec![0; units.len()];
    for (index, group) in groups.iter().enumerate() {
        group.iter().for_each(|&unit| group_of[unit] = index);
    }
    let of_group = |(index, group): (usize, &Vec<usize>)| {
        let references =
            group.iter().flat_map(|&unit| &units[unit].references).map(|&unit| group_of[unit]);
        references.filter(|&reference| reference != index).collect()
    };
    groups.iter().enumerate().map(of_group).collect()
}
