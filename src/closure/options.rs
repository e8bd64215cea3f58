//! How a closure is split.

use std::path::PathBuf;

/// How a closure is split into layers.
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
    /// The largest number of layers, at least 1; 20 unless said.
    pub max_layers: usize,
    /// Paths of which each has a layer for itself.
    pub alone: Vec<PathBuf>,
    /// Paths that are in one layer, list by list. What lies between them in the graph comes with
    /// them: a path that one of them refers to and that refers to another.
    pub together: Vec<Vec<PathBuf>>,
}

impl Default for ClosureOptions {
    fn default() -> Self {
        Self { max_layers: 20, alone: Vec::new(), together: Vec::new() }
    }
}
