//! Python runs from an image of its tree and the libraries that it needs, each at its own path.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use oci_layout::{
    FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::common::tool::{Containers, INSTALLED, run, tool};

#[test]
fn python_runs_from_its_own_tree() {
    let python = newest_python();
    let script = [
        "-c",
        "import ssl, sqlite3, sys; print(sys.version, ssl.OPENSSL_VERSION, sqlite3.sqlite_version)",
    ];
    let here = run(tool(python.to_str().unwrap()).arg("-I").args(script));

    let dir = TempDir::new().unwrap();
    let layout = dir.path().join("layout");
    let tree = tree_of(&python);
    let libraries = libraries_of(&tree);
    assert!(
        libraries.iter().any(|path| path.to_str().unwrap().contains("libc.so")),
        "{libraries:?}"
    );
    let outside =
        libraries.iter().filter(|library| !tree.iter().any(|top| library.starts_with(top)));
    let files = tree.iter().chain(outside).map(FileMapping::at_source);
    let layer = layer_tar(files, LayerOptions::default().store(&layout)).unwrap();
    let config = image_config([&layer], json!({ "config": { "Entrypoint": [python] } })).unwrap();
    let image = image_manifest(config, [layer], json!({})).unwrap();
    image_layout(&layout, [image.tagged("latest")], json!({})).unwrap();

    let containers = Containers::new(dir.path());
    let there = containers
        .podman(["run", "--rm", "--quiet", "oci:layout:latest", "-I"].into_iter().chain(script));
    assert_eq!(there, here);
}

/// The newest Python that has a separate tree, besides the first one on PATH; otherwise the
/// system's.
fn newest_python() -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    // Installed by the tests as a link to the system's.
    let places = env::split_paths(&path)
        .filter(|place| *place != Path::new(INSTALLED))
        .map(|place| place.join("python3"));
    let mut pythons: Vec<PathBuf> =
        places.filter(|python| python.exists()).flat_map(with_siblings).collect();
    pythons.retain(|python| says(python, "import ssl, sqlite3").is_some());
    let version = |python: &PathBuf| -> Vec<u32> {
        let version = says(python, "import sys; print(*sys.version_info[:3])").unwrap();
        let own = u32::from(!python.starts_with("/usr"));
        [own]
            .into_iter()
            .chain(version.split_whitespace().map(|part| part.parse().unwrap()))
            .collect()
    };
    pythons.into_iter().max_by_key(version).expect("no python3 with ssl and sqlite3 is on PATH")
}

/// The program in its tree, and those in the trees next to it: version managers have a folder of
/// trees.
fn with_siblings(python: PathBuf) -> Vec<PathBuf> {
    let Some(prefix) = says(&python, "import sys; print(sys.base_prefix)") else {
        return Vec::new();
    };
    let prefix = Path::new(prefix.trim());
    let beside = if prefix.starts_with("/usr") {
        None
    } else {
        prefix.parent().and_then(|above| fs::read_dir(above).ok())
    };
    let prefixes =
        beside.into_iter().flatten().map(|entry| entry.unwrap().path()).chain([prefix.to_owned()]);
    prefixes.map(|prefix| prefix.join("bin/python3")).filter(|python| python.exists()).collect()
}

/// The output of a Python, if it runs. Programs of version managers need their environment.
fn says(python: &Path, script: &str) -> Option<String> {
    let output = Command::new(python).args(["-I", "-c", script]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The files of a Python: its prefix, or if others share it, the program and its modules.
fn tree_of(python: &Path) -> Vec<PathBuf> {
    let prefix = python.parent().and_then(Path::parent).unwrap();
    if !prefix.starts_with("/usr") {
        return vec![prefix.to_owned()];
    }
    let modules = says(python, "import sys; print(*sys.path, sep='\\n')").unwrap();
    let modules = modules.lines().map(PathBuf::from).filter(|path| path.is_dir());
    let mut tree: Vec<PathBuf> = modules.chain([python.to_owned()]).collect();
    tree.sort();
    // A folder of modules may be in another one.
    tree.dedup_by(|below, above| below.starts_with(above));
    tree
}

/// The libraries that `ldd` lists for all programs and modules in these folders, and the loader.
fn libraries_of(tree: &[PathBuf]) -> BTreeSet<PathBuf> {
    let files = tree.iter().flat_map(WalkDir::new).map(|entry| entry.unwrap().into_path());
    let binaries =
        files.filter(|path| path.is_file() && (path.ends_with("bin/python3") || is_library(path)));
    // It fails for a module built for another system, and lists the libraries of all others.
    let output = tool("ldd").args(binaries).output().unwrap();
    let named = String::from_utf8(output.stdout).unwrap();
    // `NAME => PATH (ADDRESS)`, and for the loader `PATH (ADDRESS)`.
    let paths = named.lines().filter_map(|line| {
        line.strip_prefix('\t')?.split_whitespace().find(|w| w.starts_with('/'))
    });
    paths.map(PathBuf::from).collect()
}

fn is_library(path: &Path) -> bool {
    path.file_name()
        .and_then(OsStr::to_str)
        .is_some_and(|name| name.ends_with(".so") || name.contains(".so."))
}
