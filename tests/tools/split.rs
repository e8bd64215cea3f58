//! A split image is, to others, the image in one layer; and the units of Python packages are what
//! Python itself says of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use oci_layout::{
    FileMapping, HardLinks, LayerOptions, TarLayer, image_config, image_layout, image_manifest,
    layer_tar, layer_tars,
    split::{SplitFile, SplitOptions, is_record, split_files},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::common::{
    text,
    tool::{Registry, run, tool, umoci},
};

/// What `split.py` finds: the packages of a folder, by name, each with its existing files.
#[derive(Deserialize)]
struct Installed {
    site: PathBuf,
    packages: BTreeMap<String, BTreeSet<PathBuf>>,
}

#[test]
fn the_files_of_installed_packages_are_those_that_python_lists() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/split.py");
    let mut count = 0;
    for python in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        let python = python.join("python3");
        if !python.exists() {
            continue;
        }
        let found = run(tool(python.to_str().unwrap()).arg(script));
        let found: Vec<Installed> = serde_json::from_str(&found).unwrap();
        for Installed { site, packages } in found {
            count += packages.len();
            compare(&site, &packages);
        }
    }
    assert!(count > 0, "no python3 on PATH has a package with a RECORD");
}

/// Compares the units of a folder with the packages in it.
fn compare(site: &Path, packages: &BTreeMap<String, BTreeSet<PathBuf>>) {
    let walk = WalkDir::new(site).into_iter().map(|entry| entry.unwrap());
    let inside = walk.filter(|entry| !entry.file_type().is_dir()).map(|entry| entry.into_path());
    let all: BTreeSet<PathBuf> = inside.chain(packages.values().flatten().cloned()).collect();
    let files = all.iter().map(|path| {
        // Of a size that gives each package a layer.
        let file = SplitFile::new(path, 2 << 20);
        match is_record(path) {
            true => file.contents(fs::read(path).unwrap()),
            false => file,
        }
    });
    let options = SplitOptions::default().max_layers(10_000).large_file(u64::MAX);
    let units: BTreeMap<String, BTreeSet<PathBuf>> = split_files(files, &options)
        .unwrap()
        .into_iter()
        .filter_map(|group| {
            let name = group.units.first()?.rsplit('/').next()?.to_owned();
            assert_eq!(group.units.len(), 1, "{:?}", group.units);
            // Packages in packages have a folder of their own.
            let is_here = Path::new(&group.units[0]).parent() == Some(site);
            is_here.then(|| (name, group.files.into_iter().collect()))
        })
        .collect();
    assert_eq!(units.keys().collect::<Vec<_>>(), packages.keys().collect::<Vec<_>>(), "{site:?}");
    for (name, expected) in packages {
        // A file that two packages list belongs to the first one.
        let listed_before: BTreeSet<_> =
            packages.range(..name.clone()).flat_map(|(_, f)| f).collect();
        let expected: BTreeSet<_> =
            expected.iter().filter(|path| !listed_before.contains(path)).collect();
        let found: BTreeSet<_> = units[name].iter().collect();
        assert_eq!(found, expected, "{name} in {site:?}");
    }
}

/// Writes the image of these layers, and unpacks it with umoci. Returns the folder of its files.
fn unpacked(dir: &Path, name: &str, layers: Vec<TarLayer>) -> PathBuf {
    let layout = dir.join(name);
    let config = image_config(&layers, json!({})).unwrap();
    let image = image_manifest(config, layers, json!({})).unwrap();
    image_layout(&layout, [image.tagged("1")], json!({})).unwrap();
    let bundle = dir.join(format!("{name}-bundle"));
    let image = format!("{}:1", layout.display());
    umoci(["unpack", "--rootless", "--image", &image, bundle.to_str().unwrap()]);
    bundle.join("rootfs")
}

#[test]
fn others_unpack_the_files_of_the_one_layer() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    let write = |path: &str, size| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text(size, path.as_os_str().len() as u64)).unwrap();
    };
    for package in ["react", "@types/node", "zod"] {
        write(&format!("node_modules/{package}/index.js"), 900_000);
        write(&format!("node_modules/{package}/package.json"), 100);
    }
    write("src/main.js", 5000);
    write("models/large.bin", 5 << 20);
    fs::create_dir_all(tree.join("node_modules/zod/empty")).unwrap();
    fs::create_dir_all(tree.join("log")).unwrap();
    std::os::unix::fs::symlink("../react", tree.join("node_modules/zod/link")).unwrap();
    fs::hard_link(tree.join("src/main.js"), tree.join("node_modules/zod/same.js")).unwrap();

    let files = || [FileMapping::new(&tree, "/srv").mode(0o644)];
    let options = || LayerOptions::default().hard_links(HardLinks::Keep);
    let split = layer_tars(files(), options(), &SplitOptions::default()).unwrap();
    assert_eq!(split.len(), 5);
    let one = layer_tar(files(), options()).unwrap();
    let split = unpacked(dir.path(), "split", split);
    let one = unpacked(dir.path(), "one", vec![one]);
    // Names, kinds, modes, times and links, and then the contents.
    let list = |root: &Path| {
        let format = "%P %y %m %T@ %n %l\n";
        let listed =
            run(tool("find").args([root.to_str().unwrap(), "-mindepth", "1", "-printf", format]));
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(list(&split), list(&one));
    run(tool("diff").args(["--recursive", "--no-dereference"]).args([&split, &one]));
}

#[test]
fn the_earlier_image_can_be_in_a_registry() {
    let dir = TempDir::new().unwrap();
    let program = |args: &str| {
        let mut command = tool(env!("CARGO_BIN_EXE_oci-layout"));
        command.args(args.split(' ')).current_dir(dir.path()).env("XDG_CACHE_HOME", dir.path());
        run(&mut command)
    };
    for package in ["a", "b"] {
        let folder = dir.path().join("app/node_modules").join(package);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("index.js"), text(2 << 20, 1)).unwrap();
    }
    let registry = Registry::start();
    let image = format!("docker://{}/app:1", registry.address);
    // One group for both packages, which no other limit gives.
    program("build -f app:/app --text /main=1 --split=2 -o first");
    program(&format!("push first {image}"));
    program(&format!("build -f app:/app --text /main=2 --split --like {image} -o second"));
    program("build -f app:/app --text /main=2 --split -o other");
    let layers = |layout: &str| {
        let manifest: Value =
            serde_json::from_str(&program(&format!("manifest {layout}"))).unwrap();
        manifest["layers"].as_array().unwrap().clone()
    };
    let (first, second) = (layers("first"), layers("second"));
    assert_eq!((first.len(), second.len(), layers("other").len()), (2, 2, 3));
    assert_eq!(second[0], first[0]);
    assert_ne!(second[1], first[1]);
}
