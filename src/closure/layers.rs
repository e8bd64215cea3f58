//! From a graph to layers, by the cost of updates and of related images.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    basics::error::{Error, Result},
    closure::{
        graph::ReferenceGraph,
        join::join_small,
        merge::merge,
        options::ClosureOptions,
        unit::{Unit, name, units},
    },
};

/// The maximum number of groups that are compared pairwise. More would take over a second.
pub(crate) const MOST_GROUPS: usize = 512;

/// The number of related images that are built for each update of an image of a closure.
pub(crate) const RELATED_IMAGES: f64 = 0.25;

/// Splits a graph by the cost of updates, and of this number of related images for each update.
pub(crate) fn split_graph(
    graph: &ReferenceGraph,
    options: &ClosureOptions,
    related_images: f64,
) -> Result<Vec<Vec<PathBuf>>> {
    let units = units(graph, options)?;
    check_limit(&units, options.max_layers)?;
    let groups = join_small(&units, MOST_GROUPS);
    let layers = merge(&units, groups, options.max_layers, related_images);
    Ok(layers.into_iter().map(|layer| paths(&units, &layer)).collect())
}

/// Checks that the limit allows the layers that the hints require.
pub(crate) fn check_limit(units: &[Unit], max_layers: usize) -> Result<()> {
    let alone = units.iter().filter(|unit| unit.is_alone).count();
    let levels: BTreeSet<_> =
        units.iter().filter(|unit| !unit.is_alone).map(|unit| unit.level).collect();
    let needed = (alone + levels.len()).max(1);
    if max_layers >= needed {
        return Ok(());
    }
    let reason = match alone {
        0 => "a closure requires at least one: allow one".to_owned(),
        _ => format!(
            "{alone} paths stand alone, and the paths below, between and above them require {} \
             more layers: allow {needed}, or let fewer paths stand alone",
            levels.len()
        ),
    };
    Err(Error::invalid(format!("at most {max_layers} layers"), reason))
}

/// Returns the paths of a layer, sorted by name.
pub(crate) fn paths(units: &[Unit], layer: &[usize]) -> Vec<PathBuf> {
    let mut paths: Vec<_> = layer.iter().flat_map(|&unit| &units[unit].paths).copied().collect();
    paths.sort_by_key(|path| (name(path), *path));
    paths.into_iter().map(ToOwned::to_owned).collect()
}
