//! Determines which store paths a layer holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;

use crate::{
    basics::error::{Error, Result},
    closure::graph::ReferenceGraph,
    nix::attributes::Attributes,
};

/// The store paths that a layer holds at their own locations, and the graph that contains them.
pub(crate) struct Held {
    pub(crate) paths: BTreeSet<PathBuf>,
    pub(crate) graph: ReferenceGraph,
}

pub(crate) fn held(attributes: &Attributes) -> Result<Held> {
    let graph = ReferenceGraph::from_value(attributes.graph()?)?;
    let others =
        attributes.get::<Option<BTreeMap<String, Contents>>>("others")?.unwrap_or_default();
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

/// The store paths that the layers in the attribute `layers` hold together with their closures.
pub(crate) fn of_layers(
    attributes: &Attributes,
    graph: &ReferenceGraph,
) -> Result<BTreeSet<PathBuf>> {
    let others: BTreeMap<String, Contents> = attributes.get("others")?;
    let mut known = BTreeMap::new();
    let mut all = BTreeSet::new();
    for layer in attributes.list::<String>("layers")? {
        let layer = others.get(&layer).ok_or_else(|| {
            Error::invalid("layers", format!("{layer} is not in others: add its contents"))
        })?;
        all.extend(layer.closures(graph, &others, &mut known)?);
    }
    Ok(all)
}

/// The attributes that describe the contents of a layer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contents {
    closure: Vec<PathBuf>,
    copy_to_root: Vec<PathBuf>,
    references_of: Vec<PathBuf>,
    /// Files that keep their path: only these paths, without a closure.
    at_source: Vec<PathBuf>,
    /// Store paths, and keys of `others`.
    without: Vec<String>,
}

impl Contents {
    /// Returns the paths of these contents. `known` caches the contents of other layers.
    fn paths<'a>(
        &self,
        graph: &ReferenceGraph,
        others: &'a BTreeMap<String, Contents>,
        known: &mut BTreeMap<&'a str, BTreeSet<PathBuf>>,
    ) -> Result<BTreeSet<PathBuf>> {
        let mut paths = self.closures(graph, others, known)?;
        paths.extend(self.at_source.iter().cloned());
        Ok(paths)
    }

    /// Returns the paths that are there with everything that they refer to, here or in the layers of
    /// `without`.
    fn closures<'a>(
        &self,
        graph: &ReferenceGraph,
        others: &'a BTreeMap<String, Contents>,
        known: &mut BTreeMap<&'a str, BTreeSet<PathBuf>>,
    ) -> Result<BTreeSet<PathBuf>> {
        let mut roots: BTreeSet<PathBuf> = self.closure.iter().cloned().collect();
        // A path that refers to itself is one of its own references and counts as such.
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
                // This recursion ends, because `without` names only earlier layers: Nix has no
                // cycles.
                let held = other.paths(graph, others, known)?;
                known.insert(key, held);
            }
            paths.retain(|path| !known[key.as_str()].contains(path));
        }
        Ok(paths)
    }
}
