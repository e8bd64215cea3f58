//! Splits a reference graph into layers: a pure function.

pub(crate) mod bits;
pub(crate) mod candidates;
pub(crate) mod cost;
pub(crate) mod graph;
pub(crate) mod join;
pub(crate) mod layers;
pub(crate) mod merge;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod unit;

use std::path::PathBuf;

use crate::{
    basics::error::Result,
    closure::layers::{RELATED_IMAGES, split_graph},
};

pub use crate::closure::{graph::ReferenceGraph, options::ClosureOptions, plan::LayerPlan};

/// Splits a closure into layers, lowest first. Each path is in exactly one layer, and each layer
/// comes after the layers that it refers to. The paths in a layer are sorted by name.
///
/// The split minimises what must be pushed when a path and everything that refers to it changes,
/// and when another image shares a part of this closure. At most a third of the allowed layers, and
/// at least one, may be smaller than 1 MiB, not counting those that hints require.
/// `docs/layering.md` in the repository has the reasons and the measurements.
///
/// The result depends only on names, sizes and references. The hash part of a store path only
/// decides between paths with the same name. An update renames everything that refers to the
/// changed path, and leaves all other layers as they are. Paths that refer to each other in a cycle
/// share a layer.
///
/// # Errors
///
/// [`Error::Invalid`](crate::Error::Invalid) if the limit is 0 or too low for the hints in `alone`;
/// if a hint names a path that is not in the graph; or if a path in `alone` shares a layer with
/// another one, because of `together` or a cycle of references.
///
/// ```
/// use std::path::Path;
///
/// use oci_layout::{closure::{ClosureOptions, ReferenceGraph, closure_layers}};
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
    split_graph(graph, options, RELATED_IMAGES)
}
