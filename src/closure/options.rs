//! How a closure is split.

use std::path::PathBuf;

/// How a closure is split into layers.
///
/// ```
/// use oci_layout::ClosureOptions;
///
/// let options =
///     ClosureOptions::default().max_layers(40).alone(["/nix/store/3ykr…-model-weights"]);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
#[non_exhaustive]
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
