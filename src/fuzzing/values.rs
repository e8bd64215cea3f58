//! JSON that describes layers: recipes, specifications and reference graphs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    blob::traits::Blob,
    closure::{closure_layers, graph::ReferenceGraph, options::ClosureOptions},
    fuzzing::{LONGEST, pool, read, scratch, tars::check_layer, write},
    layer::layer_tar::layer_tar,
    pool::Pool,
    recipe::{mapping::Source, options::LayerOptions, origin::Recipe, spec::LayerSpec},
    tarfile::compression::Compression,
};

/// Reads a recipe, writes it, and reads it again. Paths below `/scratch` are in a folder with some
/// files. A recipe that names no other paths is followed.
///
/// The resulting blob has the digest in the recipe, whatever the files contain.
pub fn recipe(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let Ok(recipe) = Recipe::from_bytes(data) else { return };
    if let Ok(json) = recipe.to_bytes() {
        let again = Recipe::from_bytes(&json).expect("our own recipe");
        assert_eq!(again.to_bytes().expect("as before"), json, "a recipe stays as it is");
    }
    let Ok(mut document) = serde_json::from_slice::<Value>(data) else { return };
    let dir = scratch();
    fill(dir.path());
    let mut is_inside = true;
    visit(&mut document, &mut |key, value| {
        if let ("file" | "source" | "tar", Value::String(path)) = (key, &*value) {
            match inside(dir.path(), path) {
                Some(path) => *value = path.to_string_lossy().into(),
                None => is_inside = false,
            }
        } else if let ("file" | "source" | "tar", Value::Object(members)) = (key, &*value) {
            // A path that is not UTF-8.
            is_inside &= !members.contains_key("base64");
        }
    });
    if is_inside && let Ok(recipe) = Recipe::from_bytes(document.to_string().as_bytes()) {
        let _ = read(&recipe.pool(&pool()));
    }
}

/// Makes a layer of a specification. Sources are in a folder with some files.
///
/// The specification survives writing and reading. The layer does not depend on the number of
/// threads, and its recipe makes the same layer.
pub fn spec(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let Ok(mut spec) = LayerSpec::from_value(value) else { return };
    if let Ok(written) = spec.to_value() {
        let again = LayerSpec::from_value(written.clone()).expect("our own specification");
        assert_eq!(again.to_value().expect("as before"), written, "a specification stays as it is");
        assert_eq!(again.files, spec.files, "a specification is read as what was written");
    }
    let dir = scratch();
    fill(dir.path());
    for file in &mut spec.files {
        if let Source::Path(path) | Source::Tar(path) = &mut file.source {
            *path = inside(dir.path(), &path.to_string_lossy())
                .unwrap_or_else(|| dir.path().join("files"));
        }
    }
    let is_plain = spec.options.compression == Compression::None;
    // The highest levels take memory and seconds, and only test the codec.
    let compression = if is_plain { Compression::None } else { Compression::GZIP };
    let options = LayerOptions { compression, ..spec.options }
        .unpack_limit(1 << 20)
        .scratch(dir.path())
        .recipe(true);
    let make = |threads| layer_tar(spec.files.clone(), options.clone().pool(&Pool::new(threads)));
    let Ok(layer) = make(3) else { return };
    let bytes = read(&layer).expect("a layer that was described is made");
    assert_eq!(
        layer.descriptor(),
        make(1).expect("as with three threads").descriptor(),
        "threads have no say"
    );
    if is_plain {
        check_layer(&bytes);
    }
    if let Some(Ok(json)) = layer.recipe().map(|recipe| recipe.to_bytes()) {
        let recipe = Recipe::from_bytes(&json).expect("our own recipe");
        assert!(
            read(&recipe.pool(&pool())).expect("nothing changed") == bytes,
            "a recipe makes the same"
        );
    }
}

/// Splits a reference graph into layers. The first byte selects whether the rest is JSON, or bytes
/// that number paths.
///
/// Each path is in one layer, and a layer is above those to which it refers.
pub fn graph(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first().filter(|_| data.len() <= LONGEST) else { return };
    let value = match flags & 1 {
        0 => serde_json::from_slice(rest).ok(),
        _ => Some(numbered(rest)),
    };
    let Some(Ok(graph)) = value.map(ReferenceGraph::from_value) else { return };
    let paths: Vec<&Path> = graph.paths().collect();
    let nth = |number: usize| paths.get(number % paths.len().max(1)).map(|path| path.to_path_buf());
    let byte = |at: usize| usize::from(rest.get(at).copied().unwrap_or_default());
    let options = ClosureOptions {
        max_layers: 1 + byte(1) % 40,
        alone: if flags & 2 == 0 {
            Vec::new()
        } else {
            (2..4).filter_map(|at| nth(byte(at))).collect()
        },
        together: if flags & 4 == 0 {
            Vec::new()
        } else {
            vec![(4..7).filter_map(|at| nth(byte(at))).collect()]
        },
    };
    if let Some(root) = paths.first() {
        check_closure(&graph, root);
    }
    let Ok(layers) = closure_layers(&graph, &options) else { return };
    assert!(layers.len() <= options.max_layers, "no more layers than are allowed");
    assert!(layers.iter().all(|layer| !layer.is_empty()), "no layer is empty");
    let mut layer_of: BTreeMap<&Path, usize> = BTreeMap::new();
    for (number, layer) in layers.iter().enumerate() {
        for path in layer {
            assert!(layer_of.insert(path, number).is_none(), "a path is in one layer");
        }
    }
    assert_eq!(layer_of.len(), paths.len(), "every path is in a layer");
    for path in &paths {
        for below in graph.references(path).expect("it is one of them") {
            assert!(
                layer_of[&**below] <= layer_of[path],
                "a layer is above those that it refers to"
            );
        }
    }
    for path in &options.alone {
        assert_eq!(layers[layer_of[&**path]].len(), 1, "a path stands alone");
    }
    assert_eq!(
        closure_layers(&graph, &options).expect("as before"),
        layers,
        "a function of the graph"
    );
}

/// The closure of a path: adds references until nothing is added.
fn check_closure(graph: &ReferenceGraph, root: &Path) {
    let mut expected = BTreeSet::from([root.to_owned()]);
    loop {
        let below =
            expected.iter().flat_map(|path| graph.references(path).expect("all are in the graph"));
        let more: BTreeSet<PathBuf> = below.chain(&expected).cloned().collect();
        if more.len() == expected.len() {
            break;
        }
        expected = more;
    }
    assert_eq!(graph.closure([root]).expect("it is in the graph"), expected);
}

/// A graph of at most 96 paths: a size each, and one reference for every two bytes.
fn numbered(bytes: &[u8]) -> Value {
    let count = 1 + bytes.first().map_or(0, |&byte| usize::from(byte) % 96);
    let path = |number: usize| {
        format!("/nix/store/{:032}-p{}", number * 7919 % 1000, number % 60 + number)
    };
    let mut references = vec![BTreeSet::new(); count];
    for pair in bytes.get(7..).unwrap_or_default().chunks_exact(2) {
        references[usize::from(pair[0]) % count].insert(path(usize::from(pair[1]) % count));
    }
    let size = |number: usize| 1_u64 << bytes.get(number + 1).map_or(0, |byte| byte % 40);
    let entry = |(number, references)| json!({ "path": path(number), "narSize": size(number), "references": references });
    references.into_iter().enumerate().map(entry).collect()
}

/// Files to make layers of.
fn fill(dir: &Path) {
    let files = dir.join("files");
    std::fs::create_dir_all(files.join("folder"))
        .expect("the folder for temporary files can be written");
    write(files.join("one"), b"one\n");
    write(files.join("folder/two"), &[2; 2000]);
    std::os::unix::fs::symlink("one", files.join("link"))
        .expect("the folder for temporary files can be written");
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("tar", &files).expect("the folder was just written");
    write(dir.join("tar"), &tar.into_inner().expect("memory takes everything"));
}

/// The path in the folder for one below `/scratch`.
fn inside(dir: &Path, path: &str) -> Option<PathBuf> {
    let below = Path::new(path).strip_prefix("/scratch").ok()?;
    let is_plain = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    is_plain.then(|| dir.join(below))
}

fn visit(value: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| {
            change(key, value);
            visit(value, change);
        }),
        Value::Array(values) => values.iter_mut().for_each(|value| visit(value, change)),
        _ => {}
    }
}
