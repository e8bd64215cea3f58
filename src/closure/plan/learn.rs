//! Learns a plan from images.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    basics::error::Result,
    closure::{
        bits::Bits,
        candidates::{Candidate, Candidates},
        graph::{ReferenceGraph, StorePath},
        join::join_small,
        layers::MOST_GROUPS,
        merge::references,
        options::ClosureOptions,
        order::Order,
        plan::{
            cost::{Costs, Part},
            demand,
            name::name_in_all_versions,
        },
        unit::{Unit, units},
    },
};

/// The limits of layers that a plan is made for, highest first. One less than a round number,
/// because a layer has the files that are in no store path.
const LIMITS: [usize; 9] = [124, 99, 79, 59, 49, 39, 29, 19, 9];

/// Names that share a layer, and up to which limit of layers they also share the layer of the group
/// before them.
pub(crate) type Joined = (BTreeSet<String>, usize);

/// Returns the groups of a plan for these images, each with the number of its pulls.
pub(crate) fn learn(images: &[(ReferenceGraph, u64)]) -> Result<Vec<Joined>> {
    let graph = graph_of_names(images);
    let units = units(&graph, &ClosureOptions::default())?;
    let mut unit_of = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        unit.paths.iter().for_each(|path| _ = unit_of.insert(*path, index));
    }
    let mut observed = BTreeMap::new();
    for (graph, pulls) in images {
        let members: BTreeSet<_> =
            graph.paths().map(|path| unit_of[path_of_name(path).as_path()]).collect();
        let all = observed.entry(members).or_insert(0_u64);
        *all = all.saturating_add((*pulls).max(1));
    }
    let mut groups = Groups::new(&units, &demand::images(&units, observed));
    groups.merge(None);
    LIMITS.into_iter().for_each(|limit| groups.merge(Some(limit)));
    let names = |units_of_group: BTreeSet<usize>| -> BTreeSet<String> {
        let paths = units_of_group.iter().flat_map(|&unit| &units[unit].paths);
        paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    };
    let groups = groups.groups.into_iter().flatten().flat_map(|group| group.parts);
    Ok(groups.map(|(units, joined)| (names(units), joined)).collect())
}

/// Returns a graph in which each path stands for all paths with its name.
fn graph_of_names(images: &[(ReferenceGraph, u64)]) -> ReferenceGraph {
    let mut paths: BTreeMap<PathBuf, StorePath> = BTreeMap::new();
    for (graph, _) in images {
        let mut sizes: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for (path, known) in &graph.paths {
            let name = path_of_name(path);
            let size = sizes.entry(name.clone()).or_default();
            *size = size.saturating_add(known.size);
            let of_name = paths
                .entry(name)
                .or_insert_with(|| StorePath { size: 0, references: BTreeSet::new() });
            of_name.size = of_name.size.max(*size);
            of_name.references.extend(known.references.iter().map(|path| path_of_name(path)));
        }
    }
    ReferenceGraph { paths }
}

fn path_of_name(path: &Path) -> PathBuf {
    Path::new("/").join(name_in_all_versions(path))
}

/// A group during merging.
#[derive(Debug)]
struct Group {
    part: Part,
    cost: f64,
    /// The units of the groups that were merged, and up to which limit of layers each is merged
    /// with the one before.
    parts: Vec<(BTreeSet<usize>, usize)>,
}

/// The groups during merging. A merged group has a new index, and its parts are removed.
#[derive(Debug)]
struct Groups {
    groups: Vec<Option<Group>>,
    order: Order,
    costs: Costs,
    /// The number of layers of each image.
    layers: Vec<usize>,
}

impl Groups {
    fn new(units: &[Unit], images: &[demand::Image]) -> Self {
        let initial = join_small(units, MOST_GROUPS);
        let order = Order::new(&references(units, &initial));
        let shares = images.iter().map(|image| image.share).collect();
        let mut costs = Costs::new(shares, demand::chances(units, images));
        let closures = demand::closures(units);
        let group = |members: Vec<usize>| {
            let part =
                |&unit: &usize| Part::whole(images, unit, units[unit].size, closures[unit].clone());
            let mut parts = members.iter().map(part);
            let first = parts
                .next()
                .unwrap_or_else(|| Part::whole(images, 0, 0.0, Bits::below(units.len())));
            let part = parts.fold(first, |all, part| all.with(&part));
            let cost = costs.of(&part);
            Some(Group { part, cost, parts: vec![(members.into_iter().collect(), 0)] })
        };
        let groups: Vec<_> = initial.into_iter().map(group).collect();
        let layers = |image| {
            groups.iter().flatten().filter(|group: &&Group| group.part.is_in(image)).count()
        };
        let layers = (0..images.len()).map(layers).collect();
        Self { groups, order, costs, layers }
    }

    /// Merges groups until no image has more layers than the limit. Without a limit, merges groups
    /// where this costs nothing.
    fn merge(&mut self, limit: Option<usize>) {
        let mut candidates = Candidates::default();
        (0..self.groups.len()).for_each(|group| candidates.add(self.candidates(group, limit)));
        while let Some(merge) = candidates.take() {
            if limit.is_none() && merge.growth > 0.0 {
                break;
            }
            let (Some(one), Some(other)) = (&self.groups[merge.one], &self.groups[merge.other])
            else {
                continue;
            };
            if self.helps(&one.part, &other.part, limit)
                && !self.order.is_parted(merge.one, merge.other)
            {
                let merged = self.apply(&merge, limit);
                candidates.add(self.candidates(merged, limit));
            }
        }
    }

    /// Whether an image with too many layers has both groups.
    fn helps(&self, one: &Part, other: &Part, limit: Option<usize>) -> bool {
        let Some(limit) = limit else { return true };
        let mut crowded = (0..self.layers.len()).filter(|&image| self.layers[image] > limit);
        crowded.any(|image| one.is_in(image) && other.is_in(image))
    }

    /// Returns the candidates of this group and those with lower indexes.
    fn candidates(&mut self, other: usize, limit: Option<usize>) -> Vec<Candidate> {
        let Some(group) = &self.groups[other] else { return Vec::new() };
        let mut candidates = Vec::new();
        for (one, with) in self.groups[..other].iter().enumerate() {
            let Some(with) = with.as_ref() else { continue };
            if self.helps(&with.part, &group.part, limit) {
                let growth = self.costs.of_both(&with.part, &group.part) - with.cost - group.cost;
                candidates.push(Candidate { growth, one, other });
            }
        }
        candidates
    }

    fn apply(&mut self, merge: &Candidate, limit: Option<usize>) -> usize {
        let [one, other] =
            [merge.one, merge.other].map(|part| self.groups[part].take().expect("it is not gone"));
        for (image, layers) in self.layers.iter_mut().enumerate() {
            *layers -= usize::from(one.part.is_in(image) && other.part.is_in(image));
        }
        let part = one.part.with(&other.part);
        let mut parts = one.parts;
        match (limit, &mut parts[..], &other.parts[..]) {
            (None, [(units, _)], [(others, _)]) => units.extend(others),
            _ => {
                let first = parts.len();
                parts.extend(other.parts);
                parts[first].1 = limit.unwrap_or(usize::MAX);
            }
        }
        let cost = self.costs.of(&part);
        self.groups.push(Some(Group { part, cost, parts }));
        self.order.merge(merge.one, merge.other);
        self.groups.len() - 1
    }
}
