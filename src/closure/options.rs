//! Options for splitting a closure.

use std::path::PathBuf;

/// Options for splitting a closure into layers.
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
    /// The largest number of layers, at least 1. The default is 20.
    pub max_layers: usize,
    /// Paths that each get a separate layer.
    pub alone: Vec<PathBuf>,
    /// Lists of paths that stay together in one layer. The paths between them in the graph, which
    /// one of them refers to and which refer to another, join that layer too.
    pub together: Vec<Vec<PathBuf>>,
}

impl Default for ClosureOptions {
    fn default() -> Self {
        Self { max_layers: 20, alone: Vec::new(), together: Vec::new() }
    }
}
