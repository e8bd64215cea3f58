//! The options of a split.

use std::path::PathBuf;

/// The options of a split.
///
/// ```
/// use oci_layout::ClosureOptions;
///
/// let options = ClosureOptions {
///     max_layers: 40,
///     alone: vec!["/nix/store/3ykr…-model-weights".into()],
///     ..ClosureOptions::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosureOptions {
    /// The maximum number of layers, at least 1. The default is 20.
    pub max_layers: usize,
    /// Paths that get a layer of their own.
    pub alone: Vec<PathBuf>,
    /// Lists of paths that share a layer. A path between them in the graph, which one of them
    /// refers to and which refers to another, joins them.
    pub together: Vec<Vec<PathBuf>>,
}

impl Default for ClosureOptions {
    fn default() -> Self {
        Self { max_layers: 20, alone: Vec::new(), together: Vec::new() }
    }
}
