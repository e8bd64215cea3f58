//! Splitting a closure into layers: each path is in one layer, layers come after those that they
//! refer to, and changes elsewhere do not move a path.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::common::Random;
use oci_layout::{
    Error,
    closure::{ClosureOptions, ReferenceGraph, closure_layers},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// A store path. The number stands for its inputs.
fn store_path(number: usize, name: &str) -> String {
    format!("/nix/store/{number:032}-{name}")
}

/// The graph that Nix writes for paths, each with a size and the indexes of its references.
fn listed(paths: &[(String, u64, Vec<usize>)]) -> Vec<Value> {
    let references =
        |indexes: &[usize]| indexes.iter().map(|&index| paths[index].0.clone()).collect::<Vec<_>>();
    let listed = |(path, size, indexes): &(String, u64, Vec<usize>)| {
        json!({
            "path": path, "narSize": size, "references": references(indexes),
            "narHash": "sha256:0000", "closureSize": 0, "valid": true,
        })
    };
    paths.iter().map(listed).collect()
}

fn graph(paths: &[(String, u64, Vec<usize>)]) -> ReferenceGraph {
    ReferenceGraph::from_value(listed(paths).into()).unwrap()
}

/// Paths by name, with sizes in MiB and the names of their references.
fn named(paths: &[(&str, u64, &[&str])]) -> ReferenceGraph {
    let index = |name: &&str| paths.iter().position(|(other, ..)| other == name).unwrap();
    let path = |(number, (name, size, references)): (usize, &(&str, u64, &[&str]))| {
        (store_path(number, name), size * MIB, references.iter().map(index).collect())
    };
    graph(&paths.iter().enumerate().map(path).collect::<Vec<_>>())
}

fn full(graph: &ReferenceGraph, name: &str) -> PathBuf {
    graph.paths().find(|path| path.to_str().unwrap()[44..] == *name).unwrap().to_owned()
}

/// A closure like that of a real image: few large paths, many small ones, some that most others
/// refer to.
fn realistic(count: usize, seed: u64) -> Vec<(String, u64, Vec<usize>)> {
    let mut random = Random(seed);
    let path = |index: usize| {
        let mut references = BTreeSet::new();
        for _ in 0..random.below(8).min(index) {
            let near = index - 1 - random.below(index.min(50));
            let popular = random.below(index).min(random.below(index)).min(random.below(index));
            references.insert(if random.below(2) == 0 { near } else { popular });
        }
        let size = 20_000 << random.below(6) << random.below(6).min(random.below(6));
        (
            store_path(random.below(1 << 30), &format!("package-{index}")),
            size,
            references.into_iter().collect(),
        )
    };
    (0..count).map(path).collect()
}

fn at_most(max_layers: usize) -> ClosureOptions {
    ClosureOptions::default().max_layers(max_layers)
}

/// Checks that each path is in one layer, and that no layer refers to one above it.
#[track_caller]
pub(crate) fn assert_in_order(graph: &ReferenceGraph, layers: &[Vec<PathBuf>]) {
    let mut layer_of = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        assert!(!layer.is_empty());
        for path in layer {
            assert_eq!(layer_of.insert(path.as_path(), index), None, "{path:?} is there twice");
        }
    }
    assert!(layer_of.keys().copied().eq(graph.paths()));
    for path in graph.paths() {
        for reference in graph.references(path).unwrap() {
            assert!(
                layer_of[reference.as_path()] <= layer_of[path],
                "{reference:?} is above {path:?}"
            );
        }
    }
}

/// The layers, after checking what must hold for every split.
#[track_caller]
fn layers(graph: &ReferenceGraph, options: &ClosureOptions) -> Vec<Vec<PathBuf>> {
    let layers = closure_layers(graph, options).unwrap();
    assert!(
        layers.len() <= options.max_layers,
        "{} layers, {} allowed",
        layers.len(),
        options.max_layers
    );
    assert_in_order(graph, &layers);
    if options.alone.is_empty() {
        let size = |layer: &&Vec<PathBuf>| {
            layer.iter().map(|path| graph.nar_size(path).unwrap()).sum::<u64>()
        };
        let small = layers.iter().filter(|layer| size(layer) < MIB).count();
        assert!(
            small <= (options.max_layers / 3).max(1),
            "{small} small layers, {} allowed",
            options.max_layers
        );
    }
    layers
}

/// The names in each layer.
#[track_caller]
fn names(graph: &ReferenceGraph, options: &ClosureOptions) -> Vec<String> {
    let name = |path: &PathBuf| path.to_str().unwrap()[44..].to_owned();
    layers(graph, options)
        .iter()
        .map(|layer| layer.iter().map(name).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn limits_are_used_and_not_exceeded() {
    let graph = graph(&realistic(300, 1));
    for (max_layers, least) in [(1, 1), (2, 2), (5, 5), (20, 20), (60, 40), (127, 60), (1000, 60)] {
        let count = layers(&graph, &at_most(max_layers)).len();
        assert!(count >= least, "{count} layers where {max_layers} are allowed");
    }
}

#[test]
fn an_empty_closure_has_no_layers_and_one_path_has_one() {
    assert_eq!(layers(&graph(&[]), &at_most(20)), Vec::<Vec<PathBuf>>::new());
    assert_eq!(names(&named(&[("app", 0, &[])]), &at_most(20)), ["app"]);
}

/// Each of these paths has its own reason to change, or to be in another image.
#[test]
fn large_paths_have_layers_and_small_ones_share() {
    let graph = named(&[
        ("libc", 12, &[]),
        ("python", 60, &["libc"]),
        ("jdk", 190, &["libc"]),
        ("library", 9, &["python"]),
        ("app", 2, &["library", "jdk"]),
        ("fonts", 0, &[]),
        ("locales", 0, &[]),
        ("zones", 0, &[]),
    ]);
    let split = names(&graph, &at_most(20));
    for alone in ["libc", "python", "jdk", "library", "app"] {
        assert!(split.contains(&alone.to_owned()), "{alone} shares a layer: {split:?}");
    }
    assert!(split.contains(&"fonts locales zones".to_owned()), "{split:?}");
}

#[test]
fn an_app_and_its_dependencies_are_in_different_layers() {
    let graph =
        named(&[("libc", 12, &[]), ("runtime", 80, &["libc"]), ("app", 0, &["runtime", "app"])]);
    assert_eq!(names(&graph, &at_most(2)), ["libc runtime", "app"]);
}

/// An update changes the hash of a path and of all paths that depend on it, as in Nix.
#[test]
fn an_update_moves_no_path_to_another_layer() {
    let paths = realistic(80, 2);
    for max_layers in [5, 20, 40] {
        let before = layers(&graph(&paths), &at_most(max_layers));
        for changed in 0..paths.len() {
            let mut renamed = BTreeMap::new();
            let mut updated = paths.clone();
            for (index, (path, _, references)) in updated.iter_mut().enumerate() {
                if index == changed
                    || references.iter().any(|&below| renamed.contains_key(&paths[below].0))
                {
                    *path = store_path((index * 7919 + changed) % 1_000_003, &paths[index].0[44..]);
                    renamed.insert(paths[index].0.clone(), PathBuf::from(&*path));
                }
            }
            let new_name =
                |path: &PathBuf| renamed.get(path.to_str().unwrap()).unwrap_or(path).clone();
            let expected: Vec<Vec<_>> =
                before.iter().map(|layer| layer.iter().map(new_name).collect()).collect();
            assert!(renamed.len() < paths.len(), "everything changed");
            assert_eq!(
                layers(&graph(&updated), &at_most(max_layers)),
                expected,
                "{changed} changed"
            );
        }
    }
}

/// A new version seldom has the same size.
#[test]
fn a_path_that_grows_moves_few_others() {
    let paths = realistic(80, 3);
    let before: BTreeSet<_> = layers(&graph(&paths), &at_most(20)).into_iter().collect();
    let mut kept = 0;
    for changed in 0..paths.len() {
        let mut updated = paths.clone();
        updated[changed].1 += updated[changed].1 / 20;
        let after = layers(&graph(&updated), &at_most(20));
        kept += after.iter().filter(|layer| before.contains(*layer)).count();
    }
    assert!(kept > 80 * 20 * 9 / 10, "{kept} of {} layers are as they were", 80 * 20);
}

#[test]
fn the_order_of_the_list_does_not_matter() {
    let mut list = listed(&realistic(150, 4));
    let expected = layers(&ReferenceGraph::from_value(json!(list)).unwrap(), &at_most(20));
    for seed in 0..5 {
        Random(seed).shuffle(&mut list);
        let wrapped = json!({ "graph": list, "name": "anything", "roots": [] });
        assert_eq!(layers(&ReferenceGraph::from_value(wrapped).unwrap(), &at_most(20)), expected);
    }
}

proptest! {
    #[test]
    fn any_graph_is_split(
        paths in vec((0..3 * MIB, vec(any::<prop::sample::Index>(), 0..5)), 1..60),
        max_layers in 1..70_usize,
        together in vec(vec(any::<prop::sample::Index>(), 0..4), 0..3),
        alone in vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let count = paths.len();
        // Random references, which form cycles.
        let path = |(number, (size, references)): (usize, (u64, Vec<prop::sample::Index>))| {
            let bound = if number % 17 == 3 { count } else { number.max(1) };
            let references = references.iter().map(|index| index.index(bound)).collect();
            (store_path(number * 31 % 97, &format!("name-{}", number % 7)), size, references)
        };
        let paths: Vec<_> = paths.into_iter().enumerate().map(path).collect();
        let graph = graph(&paths);
        let plain = at_most(max_layers);
        prop_assert_eq!(layers(&graph, &plain), layers(&graph, &plain));

        let path_at = |index: &prop::sample::Index| PathBuf::from(&paths[index.index(count)].0);
        let together: Vec<Vec<_>> = together.iter().map(|list| list.iter().map(path_at).collect()).collect();
        let alone: Vec<_> = alone.iter().map(path_at).collect();
        let hinted = at_most(max_layers).alone(alone.clone()).together(together.clone());
        match closure_layers(&graph, &hinted) {
            Ok(_) => {
                let layers = layers(&graph, &hinted);
                let holds = |layer: &Vec<PathBuf>, path: &PathBuf| layer.contains(path);
                for path in alone {
                    prop_assert!(layers.contains(&vec![path]));
                }
                for list in together.iter().filter(|list| !list.is_empty()) {
                    prop_assert!(layers.iter().any(|layer| list.iter().all(|path| holds(layer, path))));
                }
            }
            Err(error) => prop_assert!(matches!(error, Error::Invalid { .. }), "{error}"),
        }
    }
}

#[test]
fn a_circle_of_references_is_one_layer() {
    let graph = named(&[
        ("a", 9, &["b"]),
        ("b", 9, &["c", "base"]),
        ("c", 9, &["a"]),
        ("base", 9, &[]),
        ("app", 9, &["c"]),
    ]);
    assert_eq!(names(&graph, &at_most(20)), ["base", "a b c", "app"]);
}

#[test]
fn hints_are_followed() {
    let graph = named(&[
        ("libc", 12, &[]),
        ("locales", 0, &[]),
        ("between", 30, &["libc"]),
        ("library", 40, &["between"]),
        ("app", 50, &["library", "locales"]),
    ]);
    let path = |name: &&str| full(&graph, name);
    let with = |alone: &[&str], together: &[&[&str]], max_layers| {
        let together = together.iter().map(|list| list.iter().map(path).collect());
        at_most(max_layers).alone(alone.iter().map(path)).together(together)
    };
    assert_eq!(
        names(&graph, &with(&["locales"], &[], 2)),
        ["locales", "between libc library app"].map(sorted)
    );
    assert_eq!(
        names(&graph, &with(&["between"], &[], 3)),
        ["libc locales", "between", "app library"]
    );
    // The paths between them are included.
    assert_eq!(names(&graph, &with(&[], &[&["libc", "library"]], 20))[0], "between libc library");
    assert_eq!(
        names(&graph, &with(&[], &[&["libc", "locales"], &["app", "library"], &[]], 20)),
        ["libc locales", "between", "app library"]
    );

    for (hints, what, sentence) in [
        (with(&["between"], &[&["libc", "library"]], 20), "between", "it cannot stand alone: "),
        (with(&["libc"], &[&["libc", "app"]], 20), "libc", "remove one of the hints"),
        (with(&["between"], &[], 2), "at most 2 layers", "1 paths stand alone"),
        (
            with(&["libc", "app"], &[], 2),
            "at most 2 layers",
            "allow 3, or let fewer paths stand alone",
        ),
        (with(&[], &[], 0), "at most 0 layers", "allow"),
        (at_most(20).alone(["/nix/store/none"]), "none", "not in the reference graph"),
        (
            at_most(20).together([vec!["/nix/store/none".into()]]),
            "none",
            "not in the reference graph",
        ),
    ] {
        let error = closure_layers(&graph, &hints).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(sentence), "{error}");
    }
}

/// In the order of the layer, by name.
fn sorted(names: &str) -> String {
    let mut names: Vec<_> = names.split(' ').collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn closures_references_and_subgraphs_are_returned() {
    let graph = named(&[
        ("libc", 1, &[]),
        ("shell", 2, &["libc", "shell"]),
        ("app", 3, &["shell"]),
        ("other", 4, &[]),
    ]);
    let paths =
        |names: &[&str]| names.iter().map(|name| full(&graph, name)).collect::<BTreeSet<_>>();
    assert_eq!(graph.closure([full(&graph, "shell")]).unwrap(), paths(&["libc", "shell"]));
    assert_eq!(graph.closure([full(&graph, "app"), full(&graph, "other")]).unwrap().len(), 4);
    assert!(graph.closure(Vec::<&Path>::new()).unwrap().is_empty());
    assert_eq!(*graph.references(full(&graph, "shell")).unwrap(), paths(&["libc", "shell"]));
    assert_eq!(*graph.references(full(&graph, "app")).unwrap(), paths(&["shell"]));
    assert_eq!(graph.nar_size(full(&graph, "app")).unwrap(), 3 * MIB);

    let part = graph.subgraph(&paths(&["app", "shell"]));
    assert!(part.paths().map(Path::to_owned).eq(paths(&["app", "shell"])));
    assert_eq!(*part.references(full(&graph, "shell")).unwrap(), paths(&["shell"]));

    let missing = "store path \"/nix/store/none\": it is not in the reference graph";
    for error in [
        graph.closure([Path::new("/nix/store/none")]).unwrap_err(),
        graph.references("/nix/store/none").unwrap_err(),
        graph.nar_size("/nix/store/none").unwrap_err(),
    ] {
        assert!(error.to_string().starts_with(missing), "{error}");
    }
}

#[test]
fn invalid_graphs_are_errors() {
    let path = |path: Value| json!([{ "path": path, "narSize": 1, "references": [] }]);
    for (value, what, sentence) in [
        (json!(null), "reference graph", "expected a list of paths, or an object"),
        (json!("graph"), "reference graph", "exportReferencesGraph"),
        (json!({}), "reference graph", "expected a list of paths, or an object"),
        (json!({ "graph": {} }), "reference graph", "expected a list of paths, or an object"),
        (json!([7]), "path 0 of the list", "expected a JSON object, found 7"),
        (
            json!([{ "narSize": 1, "references": [] }]),
            "path 0 of the list",
            "the member \"path\" is missing",
        ),
        (
            path(json!("relative")),
            "path 0 of the list",
            "expected an absolute path in \"path\", found \"relative\"",
        ),
        (path(json!(["/a"])), "path 0 of the list", "an absolute path"),
        (
            json!([{ "path": "/a", "references": [] }]),
            "\"/a\"",
            "the member \"narSize\" is missing",
        ),
        (
            json!([{ "path": "/a", "narSize": -1, "references": [] }]),
            "\"/a\"",
            "expected a number of bytes in \"narSize\", found -1",
        ),
        (
            json!([{ "path": "/a", "narSize": "1", "references": [] }]),
            "\"/a\"",
            "a number of bytes",
        ),
        (json!([{ "path": "/a", "narSize": 1 }]), "\"/a\"", "the member \"references\" is missing"),
        (
            json!([{ "path": "/a", "narSize": 1, "references": "/a" }]),
            "\"/a\"",
            "expected a list of paths in \"references\", found",
        ),
        (
            json!([{ "path": "/a", "narSize": 1, "references": ["b"] }]),
            "\"/a\"",
            "expected an absolute path in \"references\", found \"b\"",
        ),
        (
            json!([{ "path": "/a", "narSize": 1, "references": [null] }]),
            "\"/a\"",
            "expected an absolute path in \"references\", found null",
        ),
        (
            json!([{ "path": "/a", "narSize": 1, "references": ["/b"] }]),
            "\"/a\"",
            "refers to \"/b\", which is not in",
        ),
        (
            json!([{ "path": "/a", "narSize": 1, "references": [] }, { "path": "/a", "narSize": 1, "references": [] }]),
            "\"/a\"",
            "in the list twice",
        ),
    ] {
        match ReferenceGraph::from_value(value.clone()).unwrap_err() {
            Error::Invalid { what: subject, reason } => {
                assert!(
                    subject.contains(what) && reason.contains(sentence),
                    "{value}: {subject}: {reason}"
                );
            }
            other => panic!("{value}: {other}"),
        }
    }
}

/// Arbitrary sizes: their sum exceeds every integer.
#[test]
fn sizes_have_no_limit() {
    let paths: Vec<_> =
        (0..40).map(|number| (store_path(number, &number.to_string()), u64::MAX, vec![])).collect();
    assert_eq!(closure_layers(&graph(&paths), &at_most(20)).unwrap().len(), 20);
    let empty: Vec<_> =
        paths.into_iter().map(|(path, _, references)| (path, 0, references)).collect();
    layers(&graph(&empty), &at_most(20));
}

#[test]
fn a_path_that_is_no_store_path_has_its_base_name() {
    for odd in
        ["/", "/a", "/nix/store/short-name", "/nix/store/ä-ö/ü-0000000000000000000000000000000000"]
    {
        let graph =
            ReferenceGraph::from_value(json!([{ "path": odd, "narSize": 1, "references": [odd] }]))
                .unwrap();
        assert_eq!(layers(&graph, &at_most(1)), [[PathBuf::from(odd)]]);
    }
}

/// Neither recursion nor quadratic time. Where a chain is cut does not matter.
#[test]
fn a_long_chain_is_split() {
    let path = |number: usize| {
        let below = number.checked_sub(1).into_iter().collect();
        (store_path(number, "link"), number as u64 % 9000, below)
    };
    let graph = graph(&(0..30_000).map(path).collect::<Vec<_>>());
    assert_eq!(graph.closure([store_path(29_999, "link")]).unwrap().len(), 30_000);
    assert!(layers(&graph, &at_most(20)).len() > 1);
}

#[test]
fn ten_thousand_paths_are_split() {
    let graph = graph(&realistic(10_000, 5));
    assert_eq!(layers(&graph, &at_most(60)).len(), 60);
    let hub: Vec<_> =
        (0..10_000).map(|number| (store_path(number, "leaf"), 1000, vec![0])).collect();
    layers(&self::graph(&hub), &at_most(20));
}
