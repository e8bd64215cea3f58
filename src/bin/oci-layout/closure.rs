//! `closure-layers`: splits a closure into layers.

use std::path::PathBuf;

use clap::Args;
use oci_layout::{
    PrintableJson, Result,
    closure::{ClosureOptions, LayerPlan, ReferenceGraph, closure_layers},
};
use serde_json::json;

use crate::{args, out::print};

/// Splits a Nix closure into layers.
///
/// Prints a JSON list of layers, lowest first. Each layer is a list of store paths, and comes after
/// the layers that it refers to.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout closure-layers --max-layers 40 graph.json")]
pub(crate) struct ClosureLayers {
    /// The file that Nix writes for exportReferencesGraph with structured attributes: a list of
    /// paths with their sizes and references, or an object whose member "graph" is such a list; -
    /// is standard input
    #[arg(value_name = "GRAPH.json")]
    graph: PathBuf,

    /// The maximum number of layers
    #[arg(long, value_name = "N", default_value_t = ClosureOptions::default().max_layers)]
    max_layers: usize,

    /// Store path that gets a separate layer. May be repeated
    #[arg(long, value_name = "PATH")]
    alone: Vec<PathBuf>,

    /// Store paths that share a layer, separated by commas. May be repeated, once for each layer
    #[arg(long, value_name = "PATH,PATH…", value_parser = args::paths)]
    together: Vec<Vec<PathBuf>>,

    /// Plan that plan-layers wrote: images that share packages then share layers
    #[arg(long, value_name = "FILE", conflicts_with_all = ["alone", "together"])]
    plan: Option<PathBuf>,
}

impl ClosureLayers {
    pub(crate) fn run(self) -> Result<()> {
        let graph = ReferenceGraph::from_value(args::read_json(&self.graph)?)?;
        let Self { max_layers, alone, together, plan, .. } = self;
        if let Some(plan) = plan {
            let plan = LayerPlan::from_value(args::read_json(&plan)?)?;
            return print(PrintableJson(json!(plan.layers(&graph, max_layers)?)));
        }
        let options =
            ClosureOptions::default().max_layers(max_layers).alone(alone).together(together);
        print(PrintableJson(json!(closure_layers(&graph, &options)?)))
    }
}
