//! Which units share a layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    basics::error::{Error, Result},
    closure::{
        ClosureOptions,
        graph::{ReferenceGraph, StorePath},
        layers::split_graph,
    },
    split::{
        file::{SplitFile, by_path},
        owners::Key,
        units::Units,
    },
};

/// The options of [`split_files`](crate::split::split_files()).
///
/// ```
/// use oci_layout::split::SplitOptions;
///
/// let options = SplitOptions::default().max_layers(10).large_file(1 << 20);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
#[non_exhaustive]
pub struct SplitOptions {
    /// The maximum number of layers, at least 1, with that of the application. The default is 20.
    pub max_layers: usize,
    /// The size in bytes from which a file is a unit, if it belongs to no package. The default is
    /// 4 MiB.
    pub large_file: u64,
    /// The layers of an earlier image, lowest first. See [`SplitOptions::like`].
    pub earlier: Vec<Vec<SplitFile>>,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { max_layers: 20, large_file: 4 << 20, earlier: Vec::new() }
    }
}

impl SplitOptions {
    /// Sets the maximum number of layers.
    pub fn max_layers(self, max_layers: usize) -> Self {
        Self { max_layers, ..self }
    }

    /// Sets the size from which a file is a unit, if it belongs to no package.
    pub fn large_file(self, bytes: u64) -> Self {
        Self { large_file: bytes, ..self }
    }

    /// Keeps the groups of an earlier image where they still fit: units that were all of a layer
    /// and still exist, in any version, share a layer again, and these layers come first, in their
    /// earlier order. If the new units then have no layer, the smallest of the earlier groups is
    /// given up.
    pub fn like(self, layers: impl IntoIterator<Item = Vec<SplitFile>>) -> Self {
        Self { earlier: layers.into_iter().collect(), ..self }
    }
}

/// The contents of a layer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) units: Vec<usize>,
    pub(crate) has_application: bool,
}

/// Returns the layers, lowest first.
pub(crate) fn layers(units: &Units, options: &SplitOptions) -> Result<Vec<Layer>> {
    let most = options.max_layers;
    if most == 0 {
        let reason = "the files require at least one: allow one";
        return Err(Error::invalid("at most 0 layers", reason));
    }
    let has_application = units.has_application();
    if units.count() == 0 || most == 1 {
        let all = Layer { units: (0..units.count()).collect(), has_application };
        return Ok([all].into_iter().filter(|all| *all != Layer::default()).collect());
    }
    let kept = kept(units, options);
    let in_kept: BTreeSet<usize> = kept.iter().flatten().copied().collect();
    let free = (0..units.count()).filter(|unit| !in_kept.contains(unit)).map(|unit| vec![unit]);
    let nodes: Vec<Vec<usize>> = kept.iter().cloned().chain(free).collect();
    let mut layers = Vec::new();
    for mut nodes_of_layer in pack(units, &nodes, kept.len(), has_application, most)? {
        nodes_of_layer.sort_unstable();
        let first = nodes_of_layer[0];
        let mut units: Vec<_> =
            nodes_of_layer.iter().filter_map(|&node| nodes.get(node)).flatten().copied().collect();
        units.sort_unstable();
        layers.push((first, Layer { units, has_application: first == nodes.len() }));
    }
    // The earlier layers in their order, then the others, and the application.
    layers.sort_by_key(|&(first, _)| first);
    Ok(layers.into_iter().map(|(_, layer)| layer).collect())
}

/// Packs nodes, each of which is a set of units. The first ones stay alone. The node after the last
/// one is the application.
fn pack(
    units: &Units,
    nodes: &[Vec<usize>],
    kept: usize,
    has_application: bool,
    most: usize,
) -> Result<Vec<Vec<usize>>> {
    // Of nodes with the same cost, the first by number is merged first.
    let path = |node: usize| PathBuf::from(format!("/{node:010}"));
    let number = |path: &Path| {
        let digits = path.to_str().and_then(|path| path[1..].parse().ok());
        digits.expect("a path made from a number")
    };
    let size = |node: &Vec<usize>| node.iter().map(|&unit| units.size(unit)).sum();
    let mut paths: BTreeMap<_, _> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (path(at), StorePath { size: size(node), references: BTreeSet::new() }))
        .collect();
    let mut alone: Vec<_> = (0..kept).map(path).collect();
    if has_application {
        // In the model, half of all changes are in what nothing refers to: here the application.
        let references = paths.keys().cloned().collect();
        // It has a layer in any case, so that its size decides nothing. It does not count as one of
        // the small layers, whose number is limited.
        paths.insert(path(nodes.len()), StorePath { size: 1 << 20, references });
        alone.push(path(nodes.len()));
    }
    let options = ClosureOptions::default().max_layers(most).alone(alone);
    // What counts is the next image, and not one with other packages.
    let layers = split_graph(&ReferenceGraph { paths }, &options, 0.0)?;
    Ok(layers.iter().map(|layer| layer.iter().map(|path| number(path)).collect()).collect())
}

/// Returns the groups of the earlier layers that are kept, in their order. As few as necessary are
/// given up, the smallest first, so that the other units have a layer.
fn kept(units: &Units, options: &SplitOptions) -> Vec<Vec<usize>> {
    let mut kept: Vec<Vec<usize>> = earlier_groups(options)
        .into_iter()
        .filter_map(|keys| keys.iter().map(|key| units.with(key)).collect())
        .collect();
    let size = |group: &Vec<usize>| group.iter().map(|&unit| units.size(unit)).sum::<u64>();
    loop {
        let in_kept: usize = kept.iter().map(Vec::len).sum();
        let others = usize::from(units.has_application()) + usize::from(in_kept < units.count());
        if kept.len() + others <= options.max_layers {
            return kept;
        }
        let smallest = (0..kept.len()).min_by_key(|&at| size(&kept[at]));
        let smallest = smallest.expect("two layers suffice if none is kept");
        kept.remove(smallest);
    }
}

/// Returns the units of each earlier layer that has only whole units. Files that a higher layer
/// replaces do not count.
fn earlier_groups(options: &SplitOptions) -> Vec<Vec<Key>> {
    let all: Vec<SplitFile> = options.earlier.iter().flatten().cloned().collect();
    let files = by_path(&all);
    let units = Units::find(&files, options.large_file);
    let mut layer_of = BTreeMap::new();
    for (layer, list) in options.earlier.iter().enumerate() {
        layer_of.extend(by_path(list).into_keys().map(|path| (path, layer)));
    }
    // The layers of each unit, and the layers with files of no unit.
    let mut layers_of = vec![BTreeSet::new(); units.count()];
    let mut mixed = BTreeSet::new();
    for (path, owner) in units.owners() {
        let layer = layer_of[path];
        match owner {
            Some(unit) => _ = layers_of[unit].insert(layer),
            None => _ = mixed.insert(layer),
        }
    }
    for layers in layers_of.iter().filter(|layers| layers.len() > 1) {
        mixed.extend(layers);
    }
    let mut groups = vec![Vec::new(); options.earlier.len()];
    for (unit, layers) in layers_of.iter().enumerate() {
        if let Some(&layer) = layers.first().filter(|layer| !mixed.contains(*layer)) {
            groups[layer].push(units.key(unit).clone());
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}
