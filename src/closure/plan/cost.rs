//! The cost of a group of a plan: the bytes to expect because its paths share a layer.

use std::{collections::HashMap, mem};

use crate::closure::{
    bits::{Bits, numbers},
    plan::demand::Image,
};

/// The least bytes of a layer that is pushed, because each request costs time.
const LEAST_PUSH: f64 = 512.0 * 1024.0;
/// The same for a layer that is pulled.
const LEAST_PULL: f64 = 128.0 * 1024.0;
/// The number of times that the chance of another image is squared: a client pulls 2^n images.
const SQUARES: u32 = 3;
/// The number of updates for each client.
const UPDATES: f64 = 1.0;

/// A group, and which part of it each image has.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// For each image the number of its variant. Images with the same part have the same variant,
    /// and 0 is nothing of the group.
    pub(crate) variants: Vec<u32>,
    /// The bytes of each variant.
    sizes: Vec<f64>,
    /// The units whose change changes the layer.
    changed_by: Bits,
}

impl Part {
    /// A group of units that each image has all or nothing of.
    pub(crate) fn whole(images: &[Image], unit: usize, size: f64, changed_by: Bits) -> Self {
        let has = |image: &Image| u32::from(image.units.contains(unit));
        Self { variants: images.iter().map(has).collect(), sizes: vec![0.0, size], changed_by }
    }

    pub(crate) fn is_in(&self, image: usize) -> bool {
        self.variants[image] != 0
    }

    /// Returns both as one group.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut pairs = vec![(0, 0)];
        let mut sizes = vec![0.0];
        let mut known = HashMap::from([((0, 0), 0)]);
        let variants = self.variants.iter().zip(&other.variants).map(|(&one, &two)| {
            *known.entry((one, two)).or_insert_with(|| {
                pairs.push((one, two));
                sizes.push(self.sizes[one as usize] + other.sizes[two as usize]);
                pairs.len() as u32 - 1
            })
        });
        let variants = variants.collect();
        let mut changed_by = self.changed_by.clone();
        changed_by.add(&other.changed_by);
        Self { variants, sizes, changed_by }
    }
}

/// What costs are computed with.
#[derive(Debug)]
pub(crate) struct Costs {
    pub(crate) shares: Vec<f64>,
    pub(crate) chances: Vec<f64>,
    /// The share of each pair of variants: zero between calls.
    table: Vec<f64>,
    touched: Vec<usize>,
}

impl Costs {
    pub(crate) fn new(shares: Vec<f64>, chances: Vec<f64>) -> Self {
        Self { shares, chances, table: Vec::new(), touched: Vec::new() }
    }

    pub(crate) fn of(&mut self, part: &Part) -> f64 {
        let nothing = Part {
            variants: vec![0; part.variants.len()],
            sizes: vec![0.0],
            changed_by: part.changed_by.clone(),
        };
        self.of_both(part, &nothing)
    }

    /// The bytes to expect for both as one group.
    pub(crate) fn of_both(&mut self, one: &Part, other: &Part) -> f64 {
        let width = other.sizes.len();
        let entries = one.sizes.len() * width;
        if self.table.len() < entries {
            self.table.resize(entries, 0.0);
        }
        for ((&a, &b), share) in one.variants.iter().zip(&other.variants).zip(&self.shares) {
            let entry = a as usize * width + b as usize;
            if entry != 0 {
                if self.table[entry] == 0.0 {
                    self.touched.push(entry);
                }
                self.table[entry] += share;
            }
        }
        let changed_by = numbers(one.changed_by.either(&other.changed_by));
        let chance: f64 = changed_by.map(|unit| self.chances[unit]).sum();
        let (mut pulled, mut pushed) = (0.0, 0.0);
        for entry in self.touched.drain(..) {
            let share = mem::take(&mut self.table[entry]);
            let bytes = one.sizes[entry / width] + other.sizes[entry % width];
            let mut absent = 1.0 - share;
            (0..SQUARES).for_each(|_| absent *= absent);
            pulled += bytes.max(LEAST_PULL) * (1.0 - absent);
            pushed += bytes.max(LEAST_PUSH) * share * chance;
        }
        let images = f64::from(1_u32 << SQUARES);
        pulled + UPDATES * images * pushed
    }
}
