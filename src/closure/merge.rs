//! Merges groups of units into layers, cheapest merge first.

use crate::closure::{
    candidates::{Candidate, Candidates},
    cost::{Costs, Exposure},
    order::Order,
    unit::Unit,
};

/// A layer with fewer bytes is small. A third of the allowed layers may be small.
const SMALL: f64 = 1024.0 * 1024.0;

/// What it costs that a byte is no longer in the layer that other images with the same plan have.
const UNSHARED: f64 = 0.25;

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
    layers.merge_to(most);
    layers.in_order()
}

/// Merges units that are not planned as [`merge()`] does, and then any units until there are at most
/// `most` layers.
pub(crate) fn merge_unplanned(
    units: &[Unit],
    is_planned: &[bool],
    most: usize,
    related_images: f64,
) -> Vec<Vec<usize>> {
    let groups = (0..units.len()).map(|unit| vec![unit]).collect();
    let mut layers = Layers::new(units, groups, related_images);
    layers.hold(is_planned);
    layers.merge_to(most);
    layers.release();
    layers.merge_to(most);
    layers.in_order()
}

/// A layer during merging.
#[derive(Debug)]
struct Layer {
    units: Vec<usize>,
    exposure: Exposure,
    cost: f64,
    /// Whether it is not merged for now.
    is_held: bool,
    /// The bytes that other images with the same plan share.
    shared: f64,
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
    /// The number of layers that are not held, and how many of them are small.
    count: usize,
    small: usize,
    /// Whether layers are merged only because there are too many.
    is_forced: bool,
}

impl<'a> Layers<'a> {
    fn new(units: &'a [Unit<'a>], groups: Vec<Vec<usize>>, related_images: f64) -> Self {
        let (costs, exposures) = Costs::new(units, &groups, related_images);
        let order = Order::new(&references(units, &groups));
        let layer = |(units, exposure)| {
            Some(Layer { units, cost: costs.of(&exposure), exposure, is_held: false, shared: 0.0 })
        };
        let layers: Vec<_> = groups.into_iter().zip(exposures).map(layer).collect();
        let mut layers = Self { units, costs, order, count: 0, small: 0, layers, is_forced: false };
        layers.count();
        layers
    }

    fn count(&mut self) {
        let free = self.layers.iter().flatten().filter(|layer| !layer.is_held);
        (self.count, self.small) = free.fold((0, 0), |(count, small), layer| {
            (count + 1, small + usize::from(layer.is_small()))
        });
    }

    /// Merges none of these layers until they are released.
    fn hold(&mut self, is_held: &[bool]) {
        for (layer, &is_held) in self.layers.iter_mut().flatten().zip(is_held) {
            layer.is_held = is_held;
            layer.shared = if is_held { layer.exposure.size() } else { 0.0 };
        }
        self.count();
    }

    /// Lets all layers be merged, but only if there are too many.
    fn release(&mut self) {
        self.is_forced = true;
        self.layers.iter_mut().flatten().for_each(|layer| layer.is_held = false);
        self.count();
    }

    fn merge_to(&mut self, most: usize) {
        if self.is_forced && self.count <= most {
            return;
        }
        let mut candidates = Candidates::default();
        (0..self.layers.len()).for_each(|layer| candidates.add(self.candidates(layer)));
        while let Some(merge) = candidates.take() {
            let Some((one, other)) = self.parts(&merge) else { continue };
            let too_many_small = !self.is_forced && self.small > (most / 3).max(1);
            let is_wanted = self.count > most
                || !self.is_forced && merge.growth <= 0.0
                || too_many_small && (one.is_small() || other.is_small());
            // If another layer separates the two, this remains so until one of them is merged,
            // which creates new candidates.
            if is_wanted && !self.order.is_parted(merge.one, merge.other) {
                let merged = self.apply(&merge);
                candidates.add(self.candidates(merged));
            } else if !is_wanted && !too_many_small {
                break;
            }
        }
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
        let Some(layer) = self.layers[other].as_ref().filter(|layer| !layer.is_held) else {
            return Vec::new();
        };
        let unit = &self.units[layer.units[0]];
        let lower = self.living().take_while(|&(one, _)| one < other);
        let joinable =
            lower.filter(|(_, with)| !with.is_held && self.units[with.units[0]].may_join(unit));
        let candidate = |(one, with): (usize, &Layer)| {
            let growth =
                self.costs.of_both(&with.exposure, &layer.exposure) - with.cost - layer.cost
                    + UNSHARED * (with.shared + layer.shared);
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
        let merged = Layer {
            units: [one.units, other.units].concat(),
            exposure,
            cost,
            is_held: false,
            shared: 0.0,
        };
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
pub(crate) fn references(units: &[Unit], groups: &[Vec<usize>]) -> Vec<Vec<usize>> {
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
