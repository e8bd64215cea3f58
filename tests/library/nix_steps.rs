//! The steps of derivations, from attributes as Nix writes them to outputs. `tests/nix` runs them
//! in Nix.
#![cfg(feature = "cli")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use crate::common::{self, message};
use oci_layout::{
    BaseFiles, Blob, FileMapping, ImageLayout, Layer, LayerOptions, Pool, RecipeTrust, folder,
    layer_entries, layer_tar, nix,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A store of packages, each a folder with one file, and the graph that Nix exports for it.
struct Store {
    dir: TempDir,
    graph: Vec<Value>,
}

impl Store {
    /// Packages and their references, which may include themselves.
    fn new(packages: &[(&str, &[&str])]) -> Self {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let package = |(name, references): &(&str, &[&str])| {
            fs::create_dir_all(dir.path().join(name).join("nix-support")).unwrap();
            fs::write(dir.path().join(name).join(format!("file-of-{name}")), *name).unwrap();
            fs::write(dir.path().join(name).join("nix-support/setup-hook"), *name).unwrap();
            let references: Vec<String> = references.iter().map(|name| path(name)).collect();
            json!({ "path": path(name), "narSize": 1000, "references": references })
        };
        let graph = packages.iter().map(package).collect();
        Self { graph, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn paths(&self, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| self.path(name)).collect()
    }

    /// Attributes with an output that does not exist yet.
    fn attributes(&self, output: &str, attributes: Value) -> nix::Attributes {
        let mut all =
            json!({ "name": "x", "outputs": { "out": self.path(output) }, "graph": self.graph });
        all.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        nix::Attributes::from_value(all).unwrap()
    }

    /// The packages in the store of a layer, and the files at its root.
    fn packages_of(&self, layer: &dyn Layer) -> (Vec<String>, Vec<String>) {
        let store = self.dir.path().strip_prefix("/").unwrap();
        let (mut packages, mut others) = (Vec::new(), Vec::new());
        for entry in layer_entries(layer).unwrap() {
            let path = entry.unwrap().path;
            match path.strip_prefix(store).map(Path::components) {
                Ok(below) if below.clone().count() == 1 => {
                    packages.push(below.as_path().display().to_string())
                }
                Ok(_) => {}
                Err(_) if store.starts_with(&path) => {}
                Err(_) => others.push(path.display().to_string()),
            }
        }
        (packages, others)
    }

    /// The contents of a layer with these attributes.
    fn layer(&self, output: &str, attributes: Value) -> (Vec<String>, Vec<String>) {
        let attributes = self.attributes(output, attributes);
        nix::layer_tar(&attributes, &Pool::new(2)).unwrap();
        self.packages_of(
            &folder::open_layer(attributes.output(), &RecipeTrust::everything()).unwrap(),
        )
    }
}

/// `app` needs `lib`, `lib` needs `libc`, and `tool` refers to itself and to `libc`.
fn store() -> Store {
    Store::new(&[("app", &["lib"]), ("lib", &["libc"]), ("libc", &[]), ("tool", &["libc", "tool"])])
}

#[test]
fn a_layer_holds_closures() {
    let store = store();
    let held = |closure: &[&str]| {
        let output = format!("layer-of-{}", closure.concat());
        store.layer(&output, json!({ "closure": store.paths(closure), "spec": {} }))
    };
    assert_eq!(held(&["app"]).0, ["app", "lib", "libc"]);
    assert_eq!(held(&["tool"]).0, ["libc", "tool"]);
    assert_eq!(held(&["lib", "tool"]).0, ["lib", "libc", "tool"]);
    assert_eq!(held(&[]), (vec![], vec![]));
}

#[test]
fn packages_copied_to_the_root_are_in_the_store_only_if_referenced() {
    let store = store();
    let held = |output: &str, closure: &[&str], copied: &[&str]| {
        let attributes = json!({ "closure": store.paths(closure), "copyToRoot": store.paths(copied), "spec": {} });
        store.layer(output, attributes)
    };
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(held("1", &[], &["app"]), (names(&["lib", "libc"]), names(&["file-of-app"])));
    // It refers to itself.
    assert_eq!(held("2", &[], &["tool"]), (names(&["libc", "tool"]), names(&["file-of-tool"])));
    // Another package refers to it, or the closure includes it.
    assert_eq!(
        held("3", &[], &["app", "lib"]),
        (names(&["lib", "libc"]), names(&["file-of-app", "file-of-lib"]))
    );
    assert_eq!(held("4", &["lib"], &["lib"]), (names(&["lib", "libc"]), names(&["file-of-lib"])));
}

#[test]
fn a_package_that_links_to_another_is_copied_to_the_root_as_its_target() {
    let store = Store::new(&[("app", &[]), ("link", &["app"])]);
    fs::remove_dir_all(store.path("link")).unwrap();
    symlink("app", store.path("link")).unwrap();
    let held = store.layer("layer", json!({ "copyToRoot": store.paths(&["link"]), "spec": {} }));
    assert_eq!(held, (vec!["app".to_owned()], vec!["file-of-app".to_owned()]));

    fs::remove_file(store.path("link")).unwrap();
    symlink("app/file-of-app", store.path("link")).unwrap();
    let attributes =
        store.attributes("refused", json!({ "copyToRoot": store.paths(&["link"]), "spec": {} }));
    let refused = message(nix::layer_tar(&attributes, &Pool::new(1)));
    let expected = format!(
        "copyToRoot, {:?}: it is a file, but / is a folder: add it to files, ",
        store.path("link")
    );
    assert!(refused.starts_with(&expected), "{refused}");
}

#[test]
fn a_layer_excludes_the_contents_of_other_layers() {
    let store = store();
    let contents = |closure: &[&str], without: &[&str]| json!({ "closure": store.paths(closure), "copyToRoot": [], "referencesOf": [], "atSource": [], "without": without });
    let held = |output: &str, without: Value, others: Value| {
        let closure = store.paths(&["app"]);
        let attributes =
            json!({ "closure": closure, "without": without, "others": others, "spec": {} });
        store.layer(output, attributes).0
    };
    assert_eq!(held("1", json!([store.path("lib")]), json!({})), ["app"]);
    assert_eq!(held("2", json!(["k"]), json!({ "k": contents(&["libc"], &[]) })), ["app", "lib"]);
    // The other layer excludes the contents of a third one, so this layer must have them.
    let others = json!({ "k": contents(&["lib"], &["l"]), "l": contents(&["libc"], &[]) });
    assert_eq!(held("3", json!(["k"]), others.clone()), ["app", "libc"]);
    assert_eq!(held("4", json!(["k", "l"]), others), ["app"]);
    // A file at its own path, which need not be in the graph.
    let at_source = json!({ "closure": [], "copyToRoot": [], "referencesOf": [], "without": [],
        "atSource": store.paths(&["lib", "elsewhere"]) });
    assert_eq!(held("5", json!(["k"]), json!({ "k": at_source })), ["app", "libc"]);
}

#[test]
fn the_layers_of_a_closure_are_opened_from_one_folder() {
    let store = store();
    for (max_layers, output) in [(1, "one"), (2, "two"), (20, "many")] {
        let attributes = json!({ "referencesOf": store.paths(&["app", "tool"]), "maxLayers": max_layers, "spec": {} });
        let attributes = store.attributes(output, attributes);
        nix::closure_layers(&attributes, &Pool::new(2)).unwrap();
        let layers =
            folder::open_layers(&[attributes.output()], &RecipeTrust::everything()).unwrap();
        assert!((1..=max_layers).contains(&layers.len()), "{} layers", layers.len());
        let mut all: Vec<String> =
            layers.iter().flat_map(|layer| store.packages_of(layer).0).collect();
        all.sort();
        assert_eq!(all, ["lib", "libc", "tool"]);
    }
    let attributes = store.attributes("none", json!({ "maxLayers": 3, "spec": {} }));
    nix::closure_layers(&attributes, &Pool::new(2)).unwrap();
    assert_eq!(
        folder::open_layers(&[attributes.output()], &RecipeTrust::everything()).unwrap().len(),
        0
    );
}

#[test]
fn steps_pass_images_by_links_and_layouts_have_files() {
    let store = store();
    let out = |name: &str| store.path(name);
    let pool = Pool::new(2);
    let app =
        json!({ "spec": { "files": [{ "text": "x", "destination": "/x" }], "compression": "" } });
    nix::layer_tar(&store.attributes("layer", app), &pool).unwrap();
    let split = json!({ "closure": store.paths(&["app"]), "maxLayers": 2, "spec": { "compression": "zstd" } });
    nix::closure_layers(&store.attributes("split", split), &pool).unwrap();

    let config = json!({
        "layers": [out("split"), out("layer"), out("layer")],
        "platform": { "os": "linux", "architecture": "arm", "variant": "v7" },
        "extraConfig": { "config": { "entrypoint": ["/x"] } },
        "extraManifest": { "annotations": { "a": "b" } },
    });
    nix::image_config(&store.attributes("config", config.clone())).unwrap();
    nix::image_manifest(&store.attributes("image", config.clone()), &pool).unwrap();
    let mut with_config = config;
    with_config["config"] = json!(out("config"));
    nix::image_manifest(&store.attributes("same", with_config), &pool).unwrap();
    let descriptor =
        |image: &str| fs::read(Path::new(&out(image)).join("media-descriptor.json")).unwrap();
    assert_eq!(descriptor("image"), descriptor("same"));
    let kinds = |folder: &str| {
        let mut kinds: Vec<bool> = fs::read_dir(Path::new(&out(folder)).join("blobs/sha256"))
            .unwrap()
            .map(|file| file.unwrap().file_type().unwrap().is_symlink())
            .collect();
        kinds.sort();
        kinds
    };
    let layers =
        folder::open_layers(&[out("split")], &RecipeTrust::everything()).unwrap().len() + 1;
    assert_eq!(kinds("image"), [vec![false; 2], vec![true; layers]].concat());

    let images = json!([{ "names": ["1.0"], "image": out("image") }, { "names": [], "image": out("image") }]);
    let layout = json!({ "images": images, "extraIndex": { "annotations": { "c": "d" } }, "hashTagged": "ghcr.io/me/x" });
    nix::image_layout(&store.attributes("hash-layout", layout), &pool).unwrap();
    let layout = ImageLayout::open(out("hash-layout")).unwrap();
    assert_eq!(layout.tags().unwrap(), ["1.0", "hash"]);
    assert_eq!(kinds("hash-layout"), vec![false; layers + 2]);
    common::assert_whole(&layout);
    let image = layout.image(Some("1.0"), None).unwrap();
    assert_eq!(image.configuration().platform().to_string(), "linux/arm/v7");
    assert_eq!(
        image.configuration().config.as_ref().unwrap().entrypoint.as_deref(),
        Some(&["/x".to_owned()][..])
    );

    // The inheritance from a base image.
    for (inherit, entrypoint) in [
        (json!(null), true),
        (json!(true), true),
        (json!(false), false),
        (json!({ "entrypoint": false }), false),
        (json!({ "env": false }), true),
    ] {
        let child = json!({
            "layers": [], "inheritConfig": inherit, "base": { "layout": out("hash-layout"), "tag": "1.0" },
            "platform": { "os": "linux", "architecture": "arm", "variant": "v7" },
        });
        let output = format!("child of {inherit}");
        nix::image_config(&store.attributes(&output, child)).unwrap();
        let config = folder::open_config(out(&output), &RecipeTrust::everything()).unwrap();
        let has =
            config.document().config.as_ref().is_some_and(|config| config.entrypoint.is_some());
        assert_eq!(has, entrypoint, "{inherit}");
    }

    nix::verify(&store.attributes("sound", json!({ "layout": out("hash-layout") })), &pool)
        .unwrap();
    assert_eq!(fs::read(out("sound")).unwrap(), b"");
    let blob = Path::new(&out("hash-layout"))
        .join("blobs/sha256")
        .join(image.layers()[0].descriptor().digest.hex());
    fs::write(blob, "nonsense").unwrap();
    let sentence = message(nix::verify(
        &store.attributes("damaged", json!({ "layout": out("hash-layout") })),
        &pool,
    ));
    assert!(
        sentence.contains("hash-layout\" is not sound: make or fetch it again\n  "),
        "{sentence}"
    );
    assert!(!Path::new(&out("damaged")).exists());
}

#[test]
fn the_layers_of_a_base_image_count() {
    let store = store();
    let pool = Pool::new(2);
    let out = |name: &str| store.path(name);
    // A base image of two layers.
    let step = |output: &str, attributes: Value| store.attributes(output, attributes);
    for name in ["below", "above"] {
        let spec = json!({ "files": [{ "text": name, "destination": format!("/{name}") }] });
        nix::layer_tar(&step(name, json!({ "spec": spec })), &pool).unwrap();
    }
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let image = json!({ "layers": [out("below"), out("above")], "platform": platform });
    nix::image_manifest(&step("image", image), &pool).unwrap();
    let images = json!([{ "names": ["latest"], "image": out("image") }]);
    nix::image_layout(&step("base", json!({ "images": images })), &pool).unwrap();
    let base = json!({ "base": { "layout": out("base") }, "platform": platform });
    nix::entries(&step("entries", base), &pool).unwrap();
    for (max_layers, without_base, with_base) in [(4, 4, 2), (3, 3, 1), (2, 2, 1), (1, 1, 1)] {
        for (below, expected) in [(json!(null), without_base), (json!([out("entries")]), with_base)]
        {
            let output = format!("{max_layers} above {}", below.is_array());
            // Packages of this size get a layer each.
            let mut graph = store.graph.clone();
            graph.iter_mut().for_each(|package| package["narSize"] = (100 << 20).into());
            let attributes = json!({
                "closure": store.paths(&["app", "tool"]), "graph": graph, "maxLayers": max_layers, "below": below,
                "spec": {},
            });
            nix::closure_layers(&step(&output, attributes), &pool).unwrap();
            assert_eq!(
                folder::open_layers(&[out(&output)], &RecipeTrust::everything()).unwrap().len(),
                expected,
                "{output}"
            );
        }
    }
}

#[test]
fn strict_turns_warnings_into_errors() {
    let store = store();
    let pool = Pool::new(1);
    let config = |strict: bool| {
        let config = json!({
            "layers": [], "platform": { "os": "linux", "architecture": "x86_64" }, "strict": strict,
            "extraConfig": { "config": { "Env": ["PATH=/app"] } },
        });
        nix::image_config(&store.attributes(if strict { "strict" } else { "config" }, config))
    };
    config(false).unwrap();
    let platform = folder::open_config(store.path("config"), &RecipeTrust::everything())
        .unwrap()
        .document()
        .platform();
    assert_eq!(platform.to_string(), "linux/amd64");
    let said = message(config(true));
    assert!(said.starts_with("platform \"linux/x86_64\" is written as \"linux/amd64\""), "{said}");

    let layout = store.path("layout");
    nix::image_layout(&store.attributes("layout", json!({ "images": [] })), &pool).unwrap();
    let index = Path::new(&layout).join("index.json");
    fs::write(&index, r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    let verify = |output: &str, strict: bool| {
        nix::verify(&store.attributes(output, json!({ "layout": layout, "strict": strict })), &pool)
    };
    verify("sound", false).unwrap();
    assert!(
        message(verify("unsound", true))
            .contains("index.json, mediaType: is missing and should be")
    );
}

#[test]
fn errors_name_the_attribute() {
    let store = store();
    let refused = |config: Value| {
        let platform = json!({ "os": "linux", "architecture": "amd64" });
        let attributes =
            json!({ "layers": [], "platform": platform, "extraConfig": { "config": config } });
        message(nix::image_config(&store.attributes("refused", attributes)))
    };
    for (config, member) in [
        (json!({ "Volumes": ["/data"] }), "config.Volumes"),
        (json!({ "Cmd": "/bin/app" }), "config.Cmd"),
        (json!({ "Env": { "A": "1" } }), "config.Env"),
        (json!({ "Healthcheck": { "Interval": 1_500_000_000.0 } }), "config.Healthcheck.Interval"),
    ] {
        let said = refused(config);
        let place = format!(
            "image configuration, {member} (set by extraConfig, or config of ociBuildImage): is "
        );
        assert!(said.starts_with(&place), "{said}");
    }
}

#[test]
fn small_files_are_written_as_a_package() {
    let store = store();
    let files = json!([
        { "destination": "/etc/a b", "text": "x\n" },
        { "destination": "bin/./sh", "symlink": "/bin/bash" },
        { "destination": "/var/empty", "directory": true },
        { "destination": "/bin/run", "text": "#!/bin/sh\n", "executable": true },
    ]);
    nix::files(&store.attributes("package", json!({ "files": files }))).unwrap();
    let package = Path::new(&store.path("package")).to_owned();
    assert_eq!(fs::read(package.join("etc/a b")).unwrap(), b"x\n");
    assert_eq!(fs::read_link(package.join("bin/sh")).unwrap(), Path::new("/bin/bash"));
    assert!(package.join("var/empty").is_dir());
    for (file, is_executable) in [("bin/run", true), ("etc/a b", false)] {
        assert_eq!(
            package.join(file).metadata().unwrap().permissions().mode() & 0o111 != 0,
            is_executable,
            "{file}"
        );
    }
    nix::files(
        &store.attributes("file", json!({ "files": [{ "destination": "/", "text": "y" }] })),
    )
    .unwrap();
    assert_eq!(fs::read(store.path("file")).unwrap(), b"y");
    nix::files(&store.attributes("nothing", json!({ "files": [] }))).unwrap();
    assert_eq!(fs::read_dir(store.path("nothing")).unwrap().count(), 0);
    let elsewhere = json!({ "destination": "/l", "symlink": store.path("nothing") });
    for (output, destination, reason) in [
        ("through a link", "/l/b", "it is below another of the files, which is a link: remove one"),
        ("twice", "/l", "it is there twice: remove one"),
    ] {
        let attributes =
            json!({ "files": [elsewhere, { "destination": destination, "text": "" }] });
        let refused = message(nix::files(&store.attributes(output, attributes)));
        assert_eq!(refused, format!("files ({destination:?}): {reason}"));
    }
    assert_eq!(fs::read_dir(store.path("nothing")).unwrap().count(), 0);
    for (file, sentence) in [
        (
            json!({ "destination": "/a/../../b", "text": "" }),
            "destination \"/a/../../b\" contains \"..\"",
        ),
        (
            json!({ "destination": "/a" }),
            "files (\"/a\"): expected exactly one of text, symlink and directory",
        ),
        (
            json!({ "destination": "/a", "symlink": "/b", "executable": true }),
            "files (\"/a\"): it is executable, but not a text",
        ),
        (json!({ "destination": "/a", "txt": "" }), "files: unknown field `txt`"),
    ] {
        let refused = message(nix::files(&store.attributes("refused", json!({ "files": [file] }))));
        assert!(refused.contains(sentence), "{refused}");
    }
}

#[test]
fn unusable_attributes_are_errors() {
    let store = store();
    let pool = Pool::new(1);
    let refused = |attributes: Value| {
        message(nix::layer_tar(&store.attributes("refused", attributes), &pool))
    };
    let starts = |sentence: String, with: &str| assert!(sentence.starts_with(with), "{sentence}");
    starts(
        refused(json!({ "spec": { "fiels": [] } })),
        "layer specification: unknown member \"fiels\"",
    );
    starts(refused(json!({ "spec": {}, "closure": "x" })), "closure: invalid type: string");
    let outside = refused(json!({ "spec": {}, "closure": ["/nowhere"] }));
    assert!(outside.contains("/nowhere"), "{outside}");
    let typo = json!({ "layers": [], "platform": { "os": "linux", "architecture": "amd64" }, "inheritConfig": { "envs": true } });
    starts(
        message(nix::image_config(&store.attributes("refused", typo))),
        "inheritConfig: unknown field `envs`",
    );
    let conflict = json!({ "spec": { "files": [{ "text": "x", "destination": "/file-of-app" }] },
        "copyToRoot": store.paths(&["app"]) });
    let conflict = refused(conflict);
    assert!(
        conflict.contains("\"/file-of-app\" is provided twice, by a text of 1 bytes"),
        "{conflict}"
    );
    assert!(conflict.contains(&store.path("app")), "{conflict}");
    let none = nix::Attributes::from_value(json!({ "name": "x" }));
    starts(message(none), "derivation: its attributes have no outputs.out");
    let missing = message(nix::Attributes::read(store.path("none.json")));
    assert!(
        missing.starts_with("cannot read \"") && missing.contains("none.json\": No such file"),
        "{missing}"
    );
}

/// A layout in the store whose image has links, and directories with their own attributes.
fn base_in(store: &Store) -> ImageLayout {
    let pool = Pool::new(2);
    let root = json!({ "spec": { "files": [
        { "directory": true, "destination": "/usr/bin" },
        { "symlink": "usr/bin", "destination": "/bin" },
        { "directory": true, "destination": "/tmp", "mode": "1777" },
        { "directory": true, "destination": "/home/app", "mode": "0750", "uid": 1000, "gid": 1000 },
    ] } });
    nix::layer_tar(&store.attributes("root", root), &pool).unwrap();
    let image = json!({ "layers": [store.path("root")], "platform": { "os": "linux", "architecture": "arm64" } });
    nix::image_manifest(&store.attributes("root-image", image), &pool).unwrap();
    let layout = json!({ "images": [{ "names": ["1"], "image": store.path("root-image") }] });
    nix::image_layout(&store.attributes("base", layout), &pool).unwrap();
    ImageLayout::open(store.path("base")).unwrap()
}

/// The mode, owner and path of each entry, by the `tar` crate.
fn members(layer: &dyn Layer) -> Vec<String> {
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(layer.open().unwrap()));
    let member = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let entry = entry.unwrap();
        let header = entry.header();
        let (mode, uid, gid) =
            (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        format!("{mode:o} {uid}/{gid} {}", entry.path().unwrap().display())
    };
    tar.entries().unwrap().map(member).collect()
}

#[test]
fn a_layer_is_made_above_entries_of_a_base_and_of_layers() {
    let store = store();
    let pool = Pool::new(2);
    base_in(&store);
    let base = json!({ "base": { "layout": store.path("base"), "tag": "1" },
        "platform": { "os": "linux", "architecture": "arm64" } });
    nix::entries(&store.attributes("base-entries", base), &pool).unwrap();
    let data = json!({ "below": [store.path("base-entries")], "spec": { "files": [
        { "directory": true, "destination": "/data", "mode": "0700", "uid": 7 },
        { "directory": true, "destination": "/home/app", "mode": "0700" },
    ] } });
    nix::layer_tar(&store.attributes("data", data), &pool).unwrap();
    nix::entries(
        &store.attributes("data-entries", json!({ "layers": [store.path("data")] })),
        &pool,
    )
    .unwrap();
    // The entries suffice.
    for gone in ["base", "root-image", "root"] {
        fs::rename(store.path(gone), store.path(&format!("{gone}-elsewhere"))).unwrap();
    }

    let files = json!({ "files": [
        { "source": format!("{}/file-of-app", store.path("app")), "destination": "/bin/" },
        { "text": "", "destination": "/tmp/x" },
        { "text": "", "destination": "/home/app/x" },
        { "text": "", "destination": "/data/x" },
    ] });
    let made = |output: &str, lazy: bool| {
        let below = store.paths(&["base-entries", "data-entries"]);
        let attributes = json!({ "below": below, "spec": files, "lazy": lazy });
        nix::layer_tar(&store.attributes(output, attributes), &pool).unwrap();
        folder::open_layer(store.path(output), &RecipeTrust::everything()).unwrap()
    };
    let layer = made("layer", false);
    let expected = [
        "700 7/0 data/",
        "644 0/0 data/x",
        "755 0/0 home/",
        // The layer set the mode, and the base the owner.
        "700 1000/1000 home/app/",
        "644 0/0 home/app/x",
        "1777 0/0 tmp/",
        "644 0/0 tmp/x",
        "755 0/0 usr/",
        "755 0/0 usr/bin/",
        "644 0/0 usr/bin/file-of-app",
    ];
    assert_eq!(members(&layer), expected);

    // A recipe contains the entries that it used.
    let lazy = made("lazy", true);
    for gone in ["base-entries", "data-entries", "data"] {
        fs::remove_dir_all(store.path(gone)).unwrap();
    }
    assert_eq!(lazy.descriptor(), layer.descriptor());
    assert_eq!(members(&lazy), expected);
    let recipes = Path::new(&store.path("lazy")).join("recipes/sha256");
    let recipe =
        fs::read_to_string(fs::read_dir(recipes).unwrap().next().unwrap().unwrap().path()).unwrap();
    assert!(recipe.contains("file-of-app") && !recipe.contains("-entries"), "{recipe}");
}

#[test]
fn layers_of_a_closure_keep_the_directories_of_a_base() {
    let store = store();
    let pool = Pool::new(2);
    let place = Path::new(&store.path("")).to_owned();
    let base = json!({ "spec": { "files": [
        { "directory": true, "destination": place, "mode": "1775", "gid": 30000 },
    ] } });
    nix::layer_tar(&store.attributes("below", base), &pool).unwrap();
    nix::entries(&store.attributes("entries", json!({ "layers": [store.path("below")] })), &pool)
        .unwrap();
    let split = json!({ "closure": store.paths(&["app", "tool"]), "maxLayers": 3, "spec": {}, "alone": store.paths(&["libc"]),
        "below": [store.path("entries")] });
    nix::closure_layers(&store.attributes("split", split), &pool).unwrap();
    let layers = folder::open_layers(&[store.path("split")], &RecipeTrust::everything()).unwrap();
    assert!(layers.len() > 1);
    let expected = format!(
        "1775 0/30000 {}/",
        place.strip_prefix("/").unwrap().display().to_string().trim_end_matches('/')
    );
    for layer in &layers {
        let members = members(layer);
        assert!(members.contains(&expected), "{expected} is not in {members:?}");
    }
}

#[test]
fn entries_are_the_same_for_each_way_to_the_same_layers() {
    let store = store();
    let pool = Pool::new(2);
    let base = base_in(&store);
    let of_base = json!({ "base": { "layout": store.path("base") }, "platform": { "os": "linux", "architecture": "arm64" } });
    nix::entries(&store.attributes("1", of_base), &pool).unwrap();
    nix::entries(&store.attributes("2", json!({ "layers": [store.path("root")] })), &Pool::new(1))
        .unwrap();
    let layer = base.image(None, None).unwrap().layers()[0].descriptor().digest;
    let index = |output: &str| {
        fs::read(Path::new(&store.path(output)).join("entries/sha256").join(layer.hex())).unwrap()
    };
    let order = |output: &str| {
        fs::read_to_string(Path::new(&store.path(output)).join("entries/layers.json")).unwrap()
    };
    assert_eq!(index("1"), index("2"));
    assert_eq!(order("1"), order("2"));
    assert_eq!(order("1"), format!("[\"{layer}\"]"));

    // The folder is a cache: the layer is not read.
    let image = base.image(None, None).unwrap();
    fs::write(Path::new(&store.path("base")).join("blobs/sha256").join(layer.hex()), "damaged")
        .unwrap();
    let above = BaseFiles::from(&image).cache(store.path("1"));
    let layer =
        layer_tar([FileMapping::text("", "/bin/x")], LayerOptions::default().above(above)).unwrap();
    assert_eq!(members(&layer), ["755 0/0 usr/", "755 0/0 usr/bin/", "644 0/0 usr/bin/x"]);

    // An image without layers, and layers that belong to no image.
    nix::entries(&store.attributes("none", json!({})), &pool).unwrap();
    assert_eq!(order("none"), "[]");
    let attributes = json!({ "below": [store.path("none")], "spec": { "files": [{ "text": "", "destination": "/x" }] } });
    nix::layer_tar(&store.attributes("above-none", attributes), &pool).unwrap();
    assert_eq!(
        members(&folder::open_layer(store.path("above-none"), &RecipeTrust::everything()).unwrap()),
        ["644 0/0 x"]
    );
}

#[test]
fn entries_that_are_damaged_or_missing_are_named() {
    let store = store();
    let pool = Pool::new(1);
    base_in(&store);
    nix::entries(&store.attributes("entries", json!({ "layers": [store.path("root")] })), &pool)
        .unwrap();
    let refused = |output: &str| {
        let below = json!({ "below": [store.path("entries")], "spec": { "files": [{ "text": "", "destination": "/bin/x" }] } });
        message(nix::layer_tar(&store.attributes(output, below), &pool))
    };
    let index = fs::read_dir(Path::new(&store.path("entries")).join("entries/sha256"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(&index, "of another format").unwrap();
    let expected = format!("{:?} has an index of sha256:", store.path("entries"));
    assert!(refused("damaged").contains(&expected), "{}", refused("damaged"));
    fs::remove_file(&index).unwrap();
    assert!(
        refused("missing").starts_with(&format!("cannot read {index:?}: ")),
        "{}",
        refused("missing")
    );
    fs::write(Path::new(&store.path("entries")).join("entries/layers.json"), "{}").unwrap();
    assert!(
        refused("no list").contains("has a file entries/layers.json that is not a list of digests"),
        "{}",
        refused("no list")
    );

    let damaged = Path::new(&store.path("base")).join("blobs/sha256");
    for blob in fs::read_dir(damaged).unwrap().map(|blob| blob.unwrap().path()) {
        if fs::read(&blob).unwrap()[0] != b'{' {
            fs::write(blob, "x").unwrap();
        }
    }
    let base = json!({ "base": { "layout": store.path("base") }, "platform": { "os": "linux", "architecture": "arm64" } });
    let sentence = message(nix::entries(&store.attributes("of damaged", base), &pool));
    assert!(sentence.contains("is damaged"), "{sentence}");
    let other = json!({ "base": { "layout": store.path("base") }, "platform": { "os": "linux", "architecture": "amd64" } });
    let sentence = message(nix::entries(&store.attributes("of another", other), &pool));
    assert!(sentence.contains("has no image for linux/amd64; it has linux/arm64"), "{sentence}");
}

#[test]
fn a_store_path_lands_in_a_directory_under_its_name_without_the_hash() {
    let store = store();
    let hash = "0123456789abcdfghijklmnpqrsvwxyz";
    let path = |name: &str| store.path(&format!("{hash}-{name}"));
    fs::write(path("app.conf"), "x").unwrap();
    fs::create_dir(path("folder")).unwrap();
    fs::write(format!("{}/{hash}-inside", path("folder")), "x").unwrap();
    symlink(format!("{hash}-app.conf"), path("link")).unwrap();
    fs::write(store.path("plain"), "x").unwrap();
    let landed = |source: String, destination: &str, follow: bool| {
        let spec = json!({ "files": [{ "source": source, "destination": destination, "follow": follow }] });
        let output =
            format!("layer-{}", spec.to_string().replace('/', "-").len() + source.len() * 1000);
        let _ = fs::remove_dir_all(store.path(&output));
        nix::layer_tar(&store.attributes(&output, json!({ "spec": spec })), &Pool::new(1)).unwrap();
        let last =
            members(&folder::open_layer(store.path(&output), &RecipeTrust::everything()).unwrap())
                .pop()
                .unwrap();
        last.split_once(' ').unwrap().1.split_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(landed(path("app.conf"), "/etc/", true), "etc/app.conf");
    assert_eq!(landed(path("app.conf"), "/etc/.", true), "etc/app.conf");
    assert_eq!(landed(path("app.conf"), "/", true), "app.conf");
    assert_eq!(landed(path("app.conf"), "etc//", true), "etc/app.conf");
    assert_eq!(landed(path("app.conf"), "/etc/x", true), "etc/x");
    assert_eq!(landed(path("link"), "/etc/", true), "etc/link");
    assert_eq!(landed(path("link"), "/etc/", false), "etc/link");
    // The contents of a folder land in it, each under its own name.
    assert_eq!(landed(path("folder"), "/etc/", true), format!("etc/{hash}-inside"));
    // A file below a store path keeps its name. This path is not a store path.
    assert_eq!(
        landed(format!("{}/{hash}-inside", path("folder")), "/etc/", true),
        format!("etc/{hash}-inside")
    );
    assert_eq!(landed(store.path("plain"), "/etc/", true), "etc/plain");

    // Text has no name, in a layer and in a package.
    let text = json!([{ "text": "x", "destination": "/etc/" }]);
    let link = json!([{ "symlink": "x", "destination": "/etc/" }]);
    for (number, files) in [text, link].into_iter().enumerate() {
        let expected = "destination \"/etc/\" ends with a slash, but the source has no name to use";
        let attributes = store.attributes(&format!("package {number}"), json!({ "files": files }));
        let refused = message(nix::files(&attributes));
        assert!(refused.starts_with(expected), "{refused}");
        let attributes =
            store.attributes(&format!("layer {number}"), json!({ "spec": { "files": files } }));
        let refused = message(nix::layer_tar(&attributes, &Pool::new(1)));
        assert!(refused.starts_with(expected), "{refused}");
    }
    nix::files(&store.attributes(
        "package",
        json!({ "files": [{ "directory": true, "destination": "/etc/" }] }),
    ))
    .unwrap();
    assert!(Path::new(&store.path("package")).join("etc").is_dir());
}

/// Whether store files are hard links depends on the machine, and a package may have a
/// `nix-support`.
#[test]
fn a_layer_of_the_store_has_no_warning_of_the_machine() {
    let store = store();
    fs::remove_dir_all(store.path("libc") + "/nix-support").unwrap();
    for name in ["one", "two"] {
        fs::hard_link(
            store.path("libc") + "/file-of-libc",
            format!("{}/{name}", store.path("libc")),
        )
        .unwrap();
    }
    let packages = store.paths(&["libc", "tool"]);
    let attributes = |spec: Value| json!({ "spec": spec, "copyToRoot": packages, "closure": store.paths(&["libc"]) });
    store.layer("strict", attributes(json!({ "strict": true })));
    let wrong = store
        .attributes("wrong", attributes(json!({ "strict": true, "exclude": ["no such file"] })));
    assert_eq!(
        message(nix::layer_tar(&wrong, &Pool::new(1))),
        "exclude: the glob \"no such file\" matches nothing: correct or remove it (strict: \
         warnings are errors)"
    );
}
