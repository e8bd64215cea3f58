//! The options of a split.

use std::path::PathBuf;

/// The options of a split.
///
/// ```
/// use oci_layout::closure::ClosureOptions;
///
/// let options =
///     ClosureOptions::default().max_layers(40).alone(["/nix/store/3ykr…-model-weights"]);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
#[non_exhaustive]
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

impl ClosureOptions {
    /// Sets the largest number of layers.
    pub fn max_layers(self, max_layers: usize) -> Self {
        Self { max_layers, ..self }
    }

    /// Adds paths that each get a layer of their own.
    pub fn alone(mut self, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.alone.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Adds lists of paths that are in one layer.
    pub fn together(mut self, lists: impl IntoIterator<Item = Vec<PathBuf>>) -> Self {
        self.together.extend(lists);
        self
    }
}
