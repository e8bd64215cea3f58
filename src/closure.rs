//! Splits a reference graph into layers: a pure function.

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

/// The largest number of groups to compare pair by pair. More would take over a second.
const MOST_GROUPS: usize = 512;

/// Splits a closure into layers, lowest first. Each path is in exactly one layer, and each layer
/// comes after those that it refers to. The paths of a layer are sorted by name.
///
/// The split minimises the expected bytes to push when a path changes, together with all paths that
/// refer to it, and when another image contains a part of this closure. At most a third of the
/// allowed layers (or one) are smaller than 1 MiB, apart from those that hints require.
/// `docs/layering.md` in the repository has the reasons and the measurements.
///
/// The result is a function of names, sizes and references. The hash part of a store path only
/// decides between paths with equal names. An update, which changes the hashes of all paths above
/// the change, therefore leaves all other layers as they are. Paths that refer to each other in a
/// circle share a layer.
///
/// # Errors
///
/// [`Error::Invalid`] for a limit of 0, or one that is too low for `alone`; for a hint whose path
/// is not in the graph; for a path in `alone` that `together` or a circle of references joins with
/// another.
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

/// Checks that the limit leaves room for what the hints require.
fn check_limit(units: &[Unit], max_layers: usize) -> Result<()> {
    let alone = units.iter().filter(|unit| unit.is_alone).count();
    let levels: BTreeSet<_> =
        units.iter().filter(|unit| !unit.is_alone).map(|unit| unit.level).collect();
    let needed = (alone + levels.len()).max(1);
    if max_layers >= needed {
        return Ok(());
    }
    let reason = match alone {
        0 => "a closure needs at least one layer: raise the limit".to_owned(),
        _ => format!(
            "{alone} paths are marked alone, and the paths below, between and above them need {} \
             more layers: allow {needed} layers, or mark fewer paths alone",
            levels.len()
        ),
    };
    Err(Error::invalid(format!("at most {max_layers} layers"), reason))
}

/// The paths of a layer, sorted by name.
fn paths(units: &[Unit], layer: &[usize]) -> Vec<PathBuf> {
    let mut paths: Vec<_> = layer.iter().flat_map(|&unit| &units[unit].paths).copied().collect();
    paths.sort_by_key(|path| (name(path), *path));
    paths.into_iter().map(ToOwned::to_owned).collect()
}
