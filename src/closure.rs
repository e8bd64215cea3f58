//! A reference graph split into layers: a pure function.

pub(crate) mod bits;
pub(crate) mod candidates;
pub(crate) mod cost;
pub(crate) mod graph;
pub(crate) mod join;
pub(crate) mod merge;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod unit;

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    basics::error::{Error, Result},
    closure::unit::{Unit, name},
};

pub use crate::closure::{graph::ReferenceGraph, options::ClosureOptions};

/// The most groups that are compared pair by pair: more would take more than a second.
const MOST_GROUPS: usize = 512;

/// Splits a closure into layers, the lowest first: each path is in exactly one, and a layer comes
/// after those that it refers to. The paths of a layer are in the order of their names.
///
/// The split keeps low what has to be pushed when a path changes, with all that refers to it, and
/// when another image is built that has a part of this closure. At most a third of the allowed
/// layers, or one, are under 1 MiB, but for those that hints demand. `docs/layering.md` in the
/// repository has the reasons and the measurements.
///
/// It is a function of names, sizes and references. The hash part of a store path decides only
/// between paths of equal names, so that an update, which renames all that refers to what changed,
/// leaves all other layers as they are. Paths that refer to each other in a circle share a layer.
///
/// # Errors
///
/// [`Error::Invalid`] for a limit of 0, or one below what `alone` demands; for a hint whose path is
/// not in the graph; for a path that is to stand alone and that `together` or a circle of
/// references puts with another.
///
/// ```
/// use std::path::Path;
///
/// use oci_layout::{ClosureOptions, ReferenceGraph, closure_layers};
/// use serde_json::json;
///
/// let (app, library) = ("/nix/store/3ykr…-app-1.0", "/nix/store/57fh…-library-2.1");
/// let graph = ReferenceGraph::from_value(json!([
///     { "path": app, "narSize": 4_000_000, "references": [library, app] },
///     { "path": library, "narSize": 9_000_000, "references": [] },
/// ]))?;
/// let layers = closure_layers(&graph, &ClosureOptions::default())?;
/// assert_eq!(layers, [[Path::new(library)], [Path::new(app)]]);
/// # Ok::<_, oci_layout::Error>(())
/// ```
pub fn closure_layers(
    graph: &ReferenceGraph,
    options: &ClosureOptions,
) -> Result<Vec<Vec<PathBuf>>> {
    let units = unit::units(graph, options)?;
    check_limit(&units, options.max_layers)?;
    let groups = join::join_small(&units, MOST_GROUPS);
    let layers = merge::merge(&units, groups, options.max_layers);
    Ok(layers.into_iter().map(|layer| paths(&units, &layer)).collect())
}

/// That the limit leaves room for what the hints demand.
fn check_limit(units: &[Unit], max_layers: usize) -> Result<()> {
    let alone = units.iter().filter(|unit| unit.is_alone).count();
    let levels: BTreeSet<_> =
        units.iter().filter(|unit| !unit.is_alone).map(|unit| unit.level).collect();
    let needed = (alone + levels.len()).max(1);
    if max_layers >= needed {
        return Ok(());
    }
    let reason = match alone {
        0 => "a closure requires at least one".to_owned(),
        _ => format!(
            "{alone} paths stand alone, and the paths below, between and above them require {} \
             more layers: allow {needed}, or let fewer paths stand alone",
            levels.len()
        ),
    };
    Err(Error::invalid(format!("at most {max_layers} layers"), reason))
}

/// The paths of a layer, by their names.
fn paths(units: &[Unit], layer: &[usize]) -> Vec<PathBuf> {
    let mut paths: Vec<_> = layer.iter().flat_map(|&unit| &units[unit].paths).copied().collect();
    paths.sort_by_key(|path| (name(path), *path));
    paths.into_iter().map(ToOwned::to_owned).collect()
}
