//! Which store paths a layer holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{basics::error::Result, closure::graph::ReferenceGraph, nix::attributes::Attributes};

/// The store paths that a layer holds at their own places, and the graph that they are in.
pub(crate) struct Held {
    pub(crate) paths: BTreeSet<PathBuf>,
    pub(crate) graph: ReferenceGraph,
}

pub(crate) fn held(attributes: &Attributes) -> Result<Held> {
    let graph = attributes.get::<Option<Value>>("graph")?.unwrap_or_else(|| Value::Array(Vec::new()));
    let graph = ReferenceGraph::from_value(graph)?;
    let others = attributes.get::<Option<BTreeMap<String, Contents>>>("others")?.unwrap_or_default();
    let this = Contents {
        closure: attributes.list("closure")?,
        copy_to_root: attributes.list("copyToRoot")?,
        references_of: attributes.list("referencesOf")?,
        at_source: Vec::new(),
        without: attributes.list("without")?,
    };
    let mut known = BTreeMap::new();
    let paths = this.paths(&graph, &others, &mut known)?;
    Ok(Held { paths, graph })
}

/// What the attributes of a layer say that it holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contents {
    closure: Vec<PathBuf>,
    copy_to_root: Vec<PathBuf>,
    references_of: Vec<PathBuf>,
    /// Files that land where they come from: these very paths, without a closure.
    at_source: Vec<PathBuf>,
    /// Store paths, and keys of `others`.
    without: Vec<String>,
}

impl Contents {
    /// `known` has what other layers were found to hold.
    fn paths<'a>(
        &self,
        graph: &ReferenceGraph,
        others: &'a BTreeMap<String, Contents>,
        known: &mut BTreeMap<&'a str, BTreeSet<PathBuf>>,
    ) -> Result<BTreeSet<PathBuf>> {
        let mut roots: BTreeSet<PathBuf> = self.closure.iter().cloned().collect();
        // A path that refers to itself is among its own references, and so it counts.
        for path in self.copy_to_root.iter().chain(&self.references_of) {
            roots.extend(graph.references(path)?.iter().map(PathBuf::from));
        }
        let mut paths = graph.closure(roots)?;
        for without in &self.without {
            let Some((key, other)) = others.get_key_value(without) else {
                let closure = graph.closure([without])?;
                paths.retain(|path| !closure.contains(path));
                continue;
            };
            if !known.contains_key(key.as_str()) {
                // Layers are without layers that were there before them: Nix knows no circles.
                let held = other.paths(graph, others, known)?;
                known.insert(key, held);
            }
            paths.retain(|path| !known[key.as_str()].contains(path));
        }
        paths.extend(self.at_source.iter().cloned());
        Ok(paths)
    }
}
