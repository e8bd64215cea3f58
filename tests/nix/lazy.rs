//! Lazy layers and sparse layouts have the digests of full ones, and take almost no space in the
//! store.

use std::{fs, path::Path};

use serde_json::Value;
use walkdir::WalkDir;

use crate::common::tool::run;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix!(lazy_images_are_the_same);

fn lazy_images_are_the_same(nix: Nix) {
    let layout = |attribute: &str| Layout::checked(nix.build(&format!("lazy.{attribute}")));
    let full = layout("full");
    let names = |folder: &Path| -> Vec<_> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let layers = full.image(None).layers();
    assert_eq!(layers.len(), 4);
    // The layers of `layers` are stored by their own derivations, also in the lazy image.
    for (attribute, made) in [("lazy", 3), ("sparse", 0)] {
        let sparse = layout(attribute);
        assert_eq!(sparse.index(), full.index(), "{attribute}");
        assert_eq!(sparse.image(None).layers(), layers);
        assert_eq!(names(&sparse.path().join("blobs/sha256")).len(), 2);
        assert_eq!(names(&sparse.path().join("recipes/sha256")).len(), layers.len());
        let recipe = |layer: &String| -> Value {
            let name = format!("recipes/{}.json", layer.replace(':', "/"));
            serde_json::from_slice(&fs::read(sparse.path().join(name)).unwrap()).unwrap()
        };
        let recipes: Vec<Value> = layers.iter().map(recipe).collect();
        assert_eq!(
            recipes.iter().filter(|recipe| recipe["tar"].is_object()).count(),
            made,
            "{recipes:?}"
        );
        let size: u64 = WalkDir::new(sparse.path())
            .into_iter()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size < 50_000, "{size} bytes for recipes of a few files");
        // The files of a recipe exist as long as the recipe.
        for recipe in recipes.iter().filter(|recipe| recipe["file"].is_string()) {
            assert!(
                references(&nix, sparse.path())
                    .contains(&store_path(recipe["file"].as_str().unwrap()))
            );
        }
        let sources = recipes.iter().flat_map(|recipe| {
            recipe["tar"]["spec"]["files"].as_array().cloned().unwrap_or_default()
        });
        for source in sources.filter_map(|file| Some(file["source"].as_str()?.to_owned())) {
            assert!(references(&nix, sparse.path()).contains(&store_path(&source)), "{source}");
        }
    }
    nix.build("lazy.deep");

    let made = layout("made");
    assert_eq!(names(&made.path().join("blobs/sha256")), names(&full.path().join("blobs/sha256")));
    assert!(!made.path().join("recipes").exists());

    let layer = nix.build("lazy.lazyLayer");
    assert_eq!(names(&layer.join("blobs/sha256")).len(), 0);
    let closure = references(&nix, &layer).len();
    assert_eq!(closure, 4, "of greet");
}

/// `/nix/store/HASH-NAME` of a path in it.
fn store_path(path: &str) -> String {
    path.split('/').take(4).collect::<Vec<_>>().join("/")
}

/// The direct references of a store path.
pub fn references(nix: &Nix, path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let said = run(nix
        .command("nix-store")
        .args(["--query", "--references"])
        .arg(format!("/nix/store/{name}")));
    said.lines().map(str::to_owned).collect()
}
