//! The images that a plan is made for: those that were asked for, and those that may be.

use std::collections::{BTreeMap, BTreeSet};

use crate::closure::{bits::Bits, unit::Unit};

/// The share of images that were not observed.
const PRIOR: f64 = 0.8;
/// The number of images of the prior.
const PRIOR_IMAGES: usize = 200;
/// The maximum number of observed images, of which the most frequent ones are kept.
const MOST_OBSERVED: usize = 500;

/// An image as a set of units.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) units: Bits,
    /// Its share of all pulls.
    pub(crate) share: f64,
}

/// Returns the observed images, and images of the prior: closures of one to three units, of which
/// those that few others refer to are more likely, because people ask for programs rather than for
/// libraries.
pub(crate) fn images(units: &[Unit], observed: BTreeMap<BTreeSet<usize>, u64>) -> Vec<Image> {
    let mut observed: Vec<_> = observed.into_iter().collect();
    observed.sort_by(|(one, pulls), (other, more)| more.cmp(pulls).then_with(|| one.cmp(other)));
    observed.truncate(MOST_OBSERVED);
    let pulls: f64 = observed.iter().map(|(_, pulls)| *pulls as f64).sum();
    let mut images: Vec<Image> = observed
        .into_iter()
        .map(|(members, of_it)| {
            let mut set = Bits::below(units.len());
            members.into_iter().for_each(|unit| _ = set.insert(unit));
            Image { units: set, share: (1.0 - PRIOR) * of_it as f64 / pulls }
        })
        .collect();
    images.extend(prior(units));
    images
}

fn prior(units: &[Unit]) -> Vec<Image> {
    let mut referrers = vec![0_u32; units.len()];
    for unit in units {
        unit.references.iter().for_each(|&reference| referrers[reference] += 1);
    }
    let mut sum = 0.0;
    let up_to: Vec<f64> = referrers
        .iter()
        .map(|&count| {
            sum += 1.0 / (1.0 + f64::from(count));
            sum
        })
        .collect();
    let mut random = Random(0);
    let closures = closures(units);
    let image = |index: usize| {
        let mut members = Bits::below(units.len());
        for _ in 0..=index % 3 {
            let drawn = random.below_one() * sum;
            let unit = up_to.partition_point(|&limit| limit <= drawn).min(units.len() - 1);
            members.add(&closures[unit]);
        }
        Image { units: members, share: PRIOR / PRIOR_IMAGES as f64 }
    };
    if units.is_empty() { Vec::new() } else { (0..PRIOR_IMAGES).map(image).collect() }
}

/// Returns for each unit all that it refers to, with itself.
pub(crate) fn closures(units: &[Unit]) -> Vec<Bits> {
    let mut closures = vec![Bits::below(units.len()); units.len()];
    for (index, unit) in units.iter().enumerate() {
        let (lower, rest) = closures.split_at_mut(index);
        rest[0].insert(index);
        unit.references.iter().for_each(|&reference| rest[0].add(&lower[reference]));
    }
    closures
}

/// Returns for each unit the chance that it is the one that changes, in an image that has it. Half
/// of all changes of an image are in the units that no other unit of it refers to.
pub(crate) fn chances(units: &[Unit], images: &[Image]) -> Vec<f64> {
    let (mut sums, mut shares) = (vec![0.0; units.len()], vec![0.0; units.len()]);
    for image in images {
        let mut below = Bits::below(units.len());
        for unit in image.units.iter() {
            units[unit].references.iter().for_each(|&reference| _ = below.insert(reference));
        }
        let members = image.units.iter().count();
        let others = image.units.iter().filter(|&unit| below.contains(unit)).count();
        for unit in image.units.iter() {
            let of_its_kind = if below.contains(unit) { others } else { members - others };
            sums[unit] += image.share * 0.5 / of_its_kind as f64;
            shares[unit] += image.share;
        }
    }
    let chance = |(sum, share): (f64, f64)| if share > 0.0 { sum / share } else { 0.0 };
    sums.into_iter().zip(shares).map(chance).collect()
}

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below_one(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
