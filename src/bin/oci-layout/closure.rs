//! A closure split into layers.

use std::path::PathBuf;

use clap::Args;
use oci_layout::{ClosureOptions, PrintableJson, ReferenceGraph, Result, closure_layers};
use serde_json::json;

use crate::{args, out::print};

/// Splits a Nix closure into layers.
///
/// Prints a JSON list of layers, the lowest first. Each is a list of store paths, and comes after those that it refers
/// to.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout closure-layers --max-layers 40 graph.json")]
pub(crate) struct ClosureLayers {
    /// What Nix writes for exportReferencesGraph with structured attributes: a list of paths, their sizes and
    /// references, or an object whose member \"graph\" is one; - is standard input
    #[arg(value_name = "GRAPH.json")]
    graph: PathBuf,

    /// The largest number of layers
    #[arg(long, value_name = "N", default_value_t = ClosureOptions::default().max_layers)]
    max_layers: usize,

    /// A path that has a layer for itself; once for each
    #[arg(long, value_name = "PATH")]
    alone: Vec<PathBuf>,

    /// Paths that share a layer, separated by commas; once for each layer
    #[arg(long, value_name = "PATH,PATH…", value_parser = args::paths)]
    together: Vec<Vec<PathBuf>>,
}

impl ClosureLayers {
    pub(crate) fn run(self) -> Result<()> {
        let graph = ReferenceGraph::from_value(args::read_json(&self.graph)?)?;
        let Self { max_layers, alone, together, .. } = self;
        print(PrintableJson(json!(closure_layers(&graph, &ClosureOptions { max_layers, alone, together })?)))
    }
}
