//! The cost of a layer: the expected number of bytes to push because they are in this layer.

use crate::closure::{
    bits::{Bits, count},
    unit::Unit,
};

/// The minimum cost of pushing a layer, because each request costs time.
const LEAST_PUSH: f64 = 512.0 * 1024.0;

/// What a layer with these units shares with updates and with other images.
#[derive(Clone, Debug)]
pub(crate) struct Exposure {
    size: f64,
    /// The units whose change changes the layer: its own, and those that it refers to.
    changed_by: Bits,
    /// The units that refer to some of the layer, including its own. An image with such a unit has
    /// a part of the layer.
    part_in: Bits,
    /// The units that refer to all of the layer. An image with such a unit has all of it.
    whole_in: Bits,
}

impl Exposure {
    pub(crate) fn size(&self) -> f64 {
        self.size
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.size += other.size;
        self.changed_by.add(&other.changed_by);
        self.part_in.add(&other.part_in);
        self.whole_in.keep(&other.whole_in);
    }
}

/// The probabilities of changes in a graph.
///
/// One path changes, and with it everything that refers to it. Half of all changes affect the
/// purpose of the image, which is the units without referrers, and the other half affects all other
/// units. Within each half, all units are equally likely to change. A related image is the closure
/// of any path in this graph.
#[derive(Debug)]
pub(crate) struct Costs {
    /// The number of words for the units without referrers, which come first in a set.
    root_words: usize,
    root_chance: f64,
    other_chance: f64,
    /// The number of related images that are built for each update of this one.
    related_images: f64,
}

impl Costs {
    /// Returns the costs, and the exposure of each group. Of a group with several units, each
    /// related image is assumed to have all or none.
    pub(crate) fn new(
        units: &[Unit],
        groups: &[Vec<usize>],
        related_images: f64,
    ) -> (Self, Vec<Exposure>) {
        let (mut is_root, mut group_of) = (vec![true; units.len()], vec![0; units.len()]);
        for unit in units {
            unit.references.iter().for_each(|&reference| is_root[reference] = false);
        }
        for (index, group) in groups.iter().enumerate() {
            group.iter().for_each(|&unit| group_of[unit] = index);
        }
        let roots = is_root.iter().filter(|&&is_root| is_root).count();
        let root_words = roots.div_ceil(64);
        let (mut next_root, mut next_other) = (0, 64 * root_words);

        let nothing = Bits::below(next_other + units.len() - roots);
        let (mut changed_by, mut part_in) =
            (vec![nothing.clone(); groups.len()], vec![nothing; groups.len()]);
        for ((from, to), is_root) in reach(units, &group_of, groups.len()).zip(is_root) {
            let next = if is_root { &mut next_root } else { &mut next_other };
            from.iter().for_each(|group| _ = changed_by[group].insert(*next));
            to.iter().for_each(|group| _ = part_in[group].insert(*next));
            *next += 1;
        }
        let exposure = |(group, (changed_by, part_in)): (&Vec<usize>, (Bits, Bits))| Exposure {
            size: group.iter().map(|&unit| units[unit].size).sum(),
            changed_by,
            whole_in: part_in.clone(),
            part_in,
        };
        let exposures =
            groups.iter().zip(changed_by.into_iter().zip(part_in)).map(exposure).collect();
        let chance = |count: usize| 0.5 / count.max(1) as f64;
        (
            Self {
                root_words,
                root_chance: chance(roots),
                other_chance: chance(units.len() - roots),
                related_images,
            },
            exposures,
        )
    }

    /// The expected bytes for a separate layer.
    pub(crate) fn of(&self, layer: &Exposure) -> f64 {
        self.expect(
            layer.size,
            layer.changed_by.words(),
            layer.part_in.words(),
            layer.whole_in.words(),
        )
    }

    /// The expected bytes for both as one layer.
    pub(crate) fn of_both(&self, one: &Exposure, other: &Exposure) -> f64 {
        self.expect(
            one.size + other.size,
            one.changed_by.either(&other.changed_by),
            one.part_in.either(&other.part_in),
            one.whole_in.both(&other.whole_in),
        )
    }

    fn expect(
        &self,
        size: f64,
        changed_by: impl Iterator<Item = u64>,
        part_in: impl Iterator<Item = u64>,
        whole_in: impl Iterator<Item = u64>,
    ) -> f64 {
        let only_a_part = 1.0 - f64::from(count(whole_in)) / f64::from(count(part_in));
        size.max(LEAST_PUSH) * self.chance_of_change(changed_by)
            + size * self.related_images * only_a_part
    }

    fn chance_of_change(&self, mut words: impl Iterator<Item = u64>) -> f64 {
        let roots = count(words.by_ref().take(self.root_words));
        f64::from(roots) * self.root_chance + f64::from(count(words)) * self.other_chance
    }
}

/// Returns for each unit the groups that refer to it, directly or not, and the groups that it
/// refers to. Both include its own group.
fn reach(units: &[Unit], group_of: &[usize], groups: usize) -> impl Iterator<Item = (Bits, Bits)> {
    let own = group_of.iter().map(|&group| {
        let mut own = Bits::below(groups);
        own.insert(group);
        own
    });
    let mut from: Vec<_> = own.collect();
    let mut to = from.clone();
    for (index, unit) in units.iter().enumerate() {
        let (lower, rest) = to.split_at_mut(index);
        unit.references.iter().for_each(|&reference| rest[0].add(&lower[reference]));
    }
    for (index, unit) in units.iter().enumerate().rev() {
        let (lower, rest) = from.split_at_mut(index);
        unit.references.iter().for_each(|&reference| lower[reference].add(&rest[0]));
    }
    from.into_iter().zip(to)
}
