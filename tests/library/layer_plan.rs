//! Plans of layers: each path is in one layer, and what else is in an image moves no path.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use oci_layout::closure::{LayerPlan, ReferenceGraph};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::closure::assert_in_order;
use crate::common::Random;

/// A package set of layers of libraries, with the same names whatever the version.
fn package_set(count: usize, seed: u64, version: usize) -> ReferenceGraph {
    let mut random = Random(seed);
    let path = |index: usize| {
        format!("/nix/store/{:032}-package{index}x-1.{version}", index + 1000 * version)
    };
    let mut package = |index: usize| {
        let references: BTreeSet<_> =
            (0..random.below(4).min(index)).map(|_| path(random.below(index))).collect();
        let size = 20_000 << random.below(10);
        json!({ "path": path(index), "narSize": size, "references": references })
    };
    let list: Vec<Value> = (0..count).map(&mut package).collect();
    ReferenceGraph::from_value(list.into()).unwrap()
}

/// The closure of some paths of the set, by their indexes.
fn image(set: &ReferenceGraph, roots: &[usize]) -> ReferenceGraph {
    let all: Vec<_> = set.paths().collect();
    let roots: Vec<&Path> = roots.iter().map(|&root| all[root % all.len()]).collect();
    set.subgraph(&set.closure(roots).unwrap())
}

/// The layers, after checking what must hold for every split.
#[track_caller]
fn layers(plan: &LayerPlan, graph: &ReferenceGraph, most: usize) -> Vec<Vec<PathBuf>> {
    let layers = plan.layers(graph, most).unwrap();
    assert!(layers.len() <= most, "{} layers, {most} allowed", layers.len());
    assert_in_order(graph, &layers);
    layers
}

/// The layer of each path.
fn layer_of(layers: &[Vec<PathBuf>]) -> BTreeMap<&Path, BTreeSet<&Path>> {
    let mut layer_of = BTreeMap::new();
    for layer in layers {
        let set: BTreeSet<_> = layer.iter().map(PathBuf::as_path).collect();
        layer_of.extend(layer.iter().map(|path| (path.as_path(), set.clone())));
    }
    layer_of
}

fn learn(images: &[ReferenceGraph]) -> LayerPlan {
    let pulls = |(index, image): (usize, &ReferenceGraph)| (image.clone(), index as u64 % 3);
    LayerPlan::learn(&images.iter().enumerate().map(pulls).collect::<Vec<_>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Known and unknown packages, with any limit.
    #[test]
    fn every_path_is_in_one_layer_above_its_references(
        seed in any::<u64>(),
        roots in vec(vec(any::<usize>(), 1..4), 0..6),
        asked in vec(any::<usize>(), 1..5),
        most in 1_usize..70,
        other in any::<u64>(),
    ) {
        let set = package_set(60, seed, 0);
        let plan = learn(&roots.iter().map(|roots| image(&set, roots)).collect::<Vec<_>>());
        layers(&plan, &image(&set, &asked), most);
        // The same names refer to each other in other ways, so that groups form circles.
        layers(&plan, &image(&package_set(60, other, 1), &asked), most);
        let read = LayerPlan::from_value(plan.to_value()).unwrap();
        prop_assert_eq!(read, plan);
    }

    /// An image's layer is what it has of a group: two images that have the same paths of a group
    /// share it, whatever else they contain.
    #[test]
    fn other_packages_move_no_path(
        seed in any::<u64>(),
        one in vec(any::<usize>(), 1..4),
        more in vec(any::<usize>(), 1..4),
    ) {
        let set = package_set(50, seed, 0);
        let plan = learn(std::slice::from_ref(&set));
        let (small, large) = (image(&set, &one), image(&set, &[&one[..], &more].concat()));
        let (of_small, of_large) = (layers(&plan, &small, 200), layers(&plan, &large, 200));
        let has: BTreeSet<_> = small.paths().collect();
        let of_large = layer_of(&of_large);
        for (path, layer) in layer_of(&of_small) {
            let expected: BTreeSet<_> = of_large[path].intersection(&has).copied().collect();
            prop_assert_eq!(layer, expected);
        }
    }

    #[test]
    fn the_order_of_images_and_their_hashes_have_no_influence(
        seed in any::<u64>(),
        roots in vec(vec(any::<usize>(), 1..4), 1..6),
    ) {
        let learn = |version, reversed| {
            let set = package_set(40, seed, version);
            let mut images: Vec<_> = roots
                .iter()
                .enumerate()
                .map(|(pulls, roots)| (image(&set, roots), pulls as u64))
                .collect();
            if reversed {
                images.reverse();
            }
            LayerPlan::learn(&images).unwrap()
        };
        prop_assert_eq!(learn(0, false), learn(0, true));
        // The versions have the same width, so that the order of paths is the same.
        prop_assert_eq!(learn(0, false), learn(1, false));
    }
}

/// An image without any known package is split as without a plan.
#[test]
fn unknown_packages_are_split_as_without_a_plan() {
    let set = package_set(80, 7, 0);
    let plan = LayerPlan::default();
    for most in [1, 5, 20, 60] {
        let usual = oci_layout::closure::ClosureOptions::default().max_layers(most);
        let usual = oci_layout::closure::closure_layers(&set, &usual).unwrap();
        assert_eq!(layers(&plan, &set, most), usual);
    }
    assert!(plan.layers(&set, 0).is_err());
}

#[test]
fn groups_are_joined_up_to_a_limit() {
    let set = package_set(3, 1, 0);
    let groups = json!([
        { "names": ["package0x"] }, { "names": ["package1x"], "joinedUpTo": 9 },
        { "names": ["package2x"] },
    ]);
    let plan = LayerPlan::from_value(json!({ "version": 1, "groups": groups })).unwrap();
    assert_eq!(layers(&plan, &set, 10).len(), 3);
    assert_eq!(layers(&plan, &set, 9).len(), 2);
}

#[test]
fn plans_of_others_are_checked() {
    for (plan, reason) in [
        (json!({ "version": 2 }), "it has version 2, and this program reads 1: make it again"),
        (
            json!({ "version": 1, "groups": [{ "names": ["a"] }, { "names": ["a"] }] }),
            "\"a\" is in two groups: remove it from one",
        ),
        (json!([]), "oci-layout plan-layers"),
        (json!({ "version": 1, "groups": [{ "name": "a" }] }), "unknown field `name`"),
    ] {
        let error = LayerPlan::from_value(plan).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
