//! Plans of layers for the images of a package set.

pub(crate) mod cost;
pub(crate) mod demand;
pub(crate) mod learn;
pub(crate) mod name;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    basics::error::{Error, Result},
    closure::{
        graph::ReferenceGraph,
        layers::{MOST_GROUPS, RELATED_IMAGES, check_limit, paths, split_graph},
        merge::merge_unplanned,
        options::ClosureOptions,
        unit::{self, Unit},
    },
};

use name::name_in_all_versions;

/// The version of the form of plans.
const VERSION: u64 = 1;

/// Which packages share a layer, in all images of a package set.
///
/// A plan is learnt from images, and divides packages into groups. The layer of a group has the
/// paths of the group that the image has, so that it does not depend on what else is in the image.
/// A package is known by its name without hash and version, so that a plan outlives updates.
/// `docs/layering.md` in the repository has the reasons and the measurements.
///
/// ```
/// use oci_layout::closure::{LayerPlan, ReferenceGraph};
/// use serde_json::json;
///
/// let (app, library) = ("/nix/store/3ykr…-app-1.0", "/nix/store/57fh…-library-2.1");
/// let graph = ReferenceGraph::from_value(json!([
///     { "path": app, "narSize": 4_000_000, "references": [library, app] },
///     { "path": library, "narSize": 9_000_000, "references": [] },
/// ]))?;
/// let plan = LayerPlan::learn(&[(graph.clone(), 1)])?;
/// assert_eq!(plan.layers(&graph, 60)?.len(), 2);
/// assert_eq!(LayerPlan::from_value(plan.to_value())?, plan);
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerPlan {
    groups: Vec<Group>,
}

/// Packages that share a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Group {
    names: BTreeSet<String>,
    /// An image with at most this number of layers has this group and the one before as one layer.
    #[serde(default, skip_serializing_if = "is_zero")]
    joined_up_to: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl LayerPlan {
    /// Learns a plan from images: the reference graph of each, and how often it is pulled. An image
    /// that was never pulled counts as one that was pulled once. The order of the images has no
    /// influence.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn learn(images: &[(ReferenceGraph, u64)]) -> Result<Self> {
        let groups = learn::learn(images)?.into_iter();
        Ok(Self {
            groups: groups.map(|(names, joined_up_to)| Group { names, joined_up_to }).collect(),
        })
    }

    /// Reads a plan that [`LayerPlan::to_value`] wrote.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the value is no plan, if it has another version, or if a name is in two
    /// groups.
    pub fn from_value(plan: Value) -> Result<Self> {
        #[derive(Deserialize)]
        struct Plan {
            version: u64,
            #[serde(default)]
            groups: Value,
        }
        let invalid = |error: serde_json::Error| {
            Error::invalid(
                "plan of layers",
                format!("{error}: use a file that \"oci-layout plan-layers\" wrote"),
            )
        };
        let plan: Plan = serde_json::from_value(plan).map_err(invalid)?;
        if plan.version != VERSION {
            let version = plan.version;
            return Err(Error::invalid(
                "plan of layers",
                format!(
                    "it has version {version}, and this program reads {VERSION}: make it again"
                ),
            ));
        }
        let groups: Vec<Group> = serde_json::from_value(plan.groups).map_err(invalid)?;
        let mut seen = BTreeSet::new();
        if let Some(name) = groups.iter().flat_map(|it| &it.names).find(|name| !seen.insert(*name))
        {
            return Err(Error::invalid(
                "plan of layers",
                format!("{name:?} is in two groups: remove it from one"),
            ));
        }
        Ok(Self { groups })
    }

    /// Returns the plan as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({ "version": VERSION, "groups": self.groups })
    }

    /// Splits a closure into layers, lowest first. Each path is in exactly one layer, and each layer
    /// comes after the layers that it refers to.
    ///
    /// Packages that the plan does not know are split as
    /// [`closure_layers`](crate::closure::closure_layers()) does. If the layers of both are more than the
    /// limit, they are merged further, where this costs least.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the limit is 0.
    pub fn layers(&self, graph: &ReferenceGraph, max_layers: usize) -> Result<Vec<Vec<PathBuf>>> {
        let group_of = self.groups(max_layers);
        let mut together: BTreeMap<usize, Vec<PathBuf>> = BTreeMap::new();
        for path in graph.paths() {
            if let Some(&group) = group_of.get(&*name_in_all_versions(path)) {
                together.entry(group).or_default().push(path.to_owned());
            }
        }
        // Groups that refer to each other share a layer, as all paths in a cycle do.
        let options =
            ClosureOptions::default().max_layers(max_layers).together(together.into_values());
        let units = unit::units(graph, &options)?;
        check_limit(&units, max_layers)?;
        let is_planned: Vec<_> = units.iter().map(|unit| is_planned(unit, &group_of)).collect();
        if is_planned.iter().filter(|&&is_planned| !is_planned).count() > MOST_GROUPS {
            // The plan is for other packages, and all pairs of these would take too long.
            let options = ClosureOptions::default().max_layers(max_layers);
            return split_graph(graph, &options, RELATED_IMAGES);
        }
        let layers = merge_unplanned(&units, &is_planned, max_layers, RELATED_IMAGES);
        Ok(layers.into_iter().map(|layer| paths(&units, &layer)).collect())
    }

    /// Returns the group of each name, for images with at most this number of layers.
    fn groups(&self, max_layers: usize) -> BTreeMap<&str, usize> {
        let mut groups = BTreeMap::new();
        let mut number = 0;
        for group in &self.groups {
            number += usize::from(group.joined_up_to < max_layers);
            groups.extend(group.names.iter().map(|name| (name.as_str(), number)));
        }
        groups
    }
}

fn is_planned(unit: &Unit, group_of: &BTreeMap<&str, usize>) -> bool {
    unit.paths.iter().any(|path: &&Path| group_of.contains_key(&*name_in_all_versions(path)))
}
