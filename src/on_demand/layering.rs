//! How the store paths of an image become layers.

use std::{fmt, path::PathBuf, sync::Arc};

use serde_json::json;

use crate::{
    basics::{digest::Digest, error::Result},
    closure::{closure_layers, graph::ReferenceGraph, options::ClosureOptions, plan::LayerPlan},
    on_demand::package_source::ClosurePath,
    tarfile::compression::Compression,
};

/// A function that splits a closure into at most this number of layers, lowest first.
type Split = dyn Fn(&ReferenceGraph, usize) -> Result<Vec<Vec<PathBuf>>> + Send + Sync;

/// How the store paths of an image become layers. A change gives every image other layers.
#[derive(Clone)]
#[must_use]
#[non_exhaustive]
pub struct Layering {
    /// The maximum number of layers of an image, at least 2: the uppermost one has the files that
    /// are in no store path. The default is 60.
    pub max_layers: usize,
    /// The compression. The default is gzip.
    pub compression: Compression,
    /// Names the function that splits closures. Part of what identifies an image.
    split_name: String,
    split: Arc<Split>,
}

impl Default for Layering {
    fn default() -> Self {
        let split = |graph: &ReferenceGraph, max_layers| {
            closure_layers(graph, &ClosureOptions::default().max_layers(max_layers))
        };
        Self {
            max_layers: 60,
            compression: Compression::default(),
            split_name: String::new(),
            split: Arc::new(split),
        }
    }
}

impl Layering {
    /// Sets the maximum number of layers of an image.
    pub fn max_layers(self, max_layers: usize) -> Self {
        Self { max_layers, ..self }
    }

    /// Sets the compression.
    pub fn compression(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// Sets the function that splits a closure into at most a number of layers, lowest first, and a
    /// name for it. Two functions with one name give the same layers.
    pub fn split(
        self,
        name: impl Into<String>,
        split: impl Fn(&ReferenceGraph, usize) -> Result<Vec<Vec<PathBuf>>> + Send + Sync + 'static,
    ) -> Self {
        Self { split_name: name.into(), split: Arc::new(split), ..self }
    }

    /// Splits closures by a plan, so that images which share packages also share layers. Another
    /// plan gives every image other layers.
    pub fn plan(self, plan: LayerPlan) -> Self {
        let digest = Digest::of(plan.to_value().to_string());
        self.split(format!("plan {digest}"), move |graph, most| plan.layers(graph, most))
    }

    /// What the layers of an image depend on, besides its closure.
    pub(crate) fn identity(&self) -> serde_json::Value {
        json!([self.max_layers, self.compression.to_string(), self.split_name])
    }

    /// Splits a closure, and leaves a layer for other files.
    pub(crate) fn layers(&self, closure: &[ClosurePath]) -> Result<Vec<Vec<PathBuf>>> {
        if closure.is_empty() {
            return Ok(Vec::new());
        }
        let graph: Vec<_> = closure
            .iter()
            .map(|ClosurePath { path, nar_size, references, .. }| {
                json!({ "path": path, "narSize": nar_size, "references": references })
            })
            .collect();
        let graph = ReferenceGraph::from_value(graph.into())?;
        (self.split)(&graph, self.max_layers.saturating_sub(1).max(1))
    }
}

impl fmt::Debug for Layering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layering")
            .field("max_layers", &self.max_layers)
            .field("compression", &self.compression)
            .field("split", &self.split_name)
            .finish_non_exhaustive()
    }
}
