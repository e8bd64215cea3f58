//! `plan-layers`: learns which packages share a layer in all images of a package set.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    PrintableJson, Result, WriteOptions,
    closure::{LayerPlan, ReferenceGraph},
};

use crate::{args, errors, output::write_file};

/// Learns which packages share a layer in all images of a package set.
///
/// The layer of a group of packages then does not depend on what else is in an image. The plan knows
/// packages by their names without hash and version. A changed plan changes the layers of all
/// images, so make a new one only for a new release of the package set.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout plan-layers graph.json -o plan.json")]
pub(crate) struct PlanLayers {
    /// The reference graphs of images, one per file, as closure-layers reads them
    #[arg(value_name = "GRAPH", required = true)]
    graphs: Vec<PathBuf>,

    /// How often each image is pulled. A line has the number of pulls and the name of a GRAPH,
    /// with or without folders and .json, as `uniq -c` prints; without a number, it is one pull
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// The file for the plan; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

impl PlanLayers {
    pub(crate) fn run(self) -> Result<()> {
        let log = self.log.as_ref().map(|log| {
            fs::read_to_string(log).map_err(errors::read(log)).and_then(|text| pulls(&text))
        });
        let log = log.transpose()?.unwrap_or_default();
        let image = |path: &PathBuf| {
            let graph = ReferenceGraph::from_value(args::read_json(path)?)?;
            Ok((graph, pulls_of(path, &log)))
        };
        let plan = LayerPlan::learn(&self.graphs.iter().map(image).collect::<Result<Vec<_>>>()?)?;
        let plan = PrintableJson(plan.to_value());
        let write =
            |out: &mut dyn io::Write| writeln!(out, "{plan}").map_err(errors::write(&self.output));
        write_file(&self.output, WriteOptions::default(), write).map(drop)
    }
}

/// Returns how often the image of a graph is pulled. The log may name the graph with or without its
/// folders and ending.
fn pulls_of(graph: &Path, log: &BTreeMap<String, u64>) -> u64 {
    let without_ending = graph.with_extension("");
    let names = [graph.file_name(), without_ending.file_name()].into_iter().flatten();
    let mut names = [graph.as_os_str(), without_ending.as_os_str()].into_iter().chain(names);
    names.find_map(|name: &OsStr| log.get(name.to_str()?)).copied().unwrap_or(0)
}

/// Returns the number of pulls of each name.
fn pulls(log: &str) -> Result<BTreeMap<String, u64>> {
    let mut pulls = BTreeMap::new();
    for line in log.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (count, name) = match line.split_once(char::is_whitespace) {
            Some((count, name)) => match count.parse() {
                Ok(count) => (count, name.trim()),
                Err(_) => {
                    return Err(errors::invalid(
                        format!("log of pulls, line {line:?}"),
                        "expected a number of pulls and a name, as \"uniq -c\" prints, or a name",
                    ));
                }
            },
            None => (1, line),
        };
        let all: &mut u64 = pulls.entry(name.to_owned()).or_default();
        *all = all.saturating_add(count);
    }
    Ok(pulls)
}
