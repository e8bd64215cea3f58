//! Recipes: the same bytes made again, nothing wrong let out, and layouts that have them in the place of blobs.
#![cfg(all(feature = "gzip", feature = "zstd"))]

mod common;

use std::{
    fs::{self, File, FileTimes},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{assert_whole, bytes, files_in, message, text};
use oci_layout::{
    Blob, Compression, Descriptor, Digest, Error, FileBlob, FileMapping, ImageLayout, Layer, LayerOptions,
    LayoutOptions, MediaType, Pool, Recipe, Result, TarLayer, folder, image_config, image_layout, image_manifest,
    layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const COMPRESSIONS: [Compression; 3] = [Compression::NONE, Compression::GZIP, Compression::ZSTD];

/// A folder of files, a few of which are larger than a block of the pipeline, or end in its middle.
fn sources() -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, size) in [("a", 10), ("b", 3 << 20), ("c", 5 << 20), ("d", 0), ("e", 700_000), ("f", 2_000_000)] {
        fs::write(dir.path().join(name), text(size, size as u64)).unwrap();
    }
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/last"), "the last one").unwrap();
    dir
}

fn files(dir: &Path) -> [FileMapping; 3] {
    [FileMapping::new(dir, "/srv"), FileMapping::text("PORT=80\n", "/etc/app.conf"), FileMapping::directory("/tmp")]
}

fn described(dir: &Path, compression: Compression) -> TarLayer {
    layer_tar(files(dir), LayerOptions::from(compression).recipe(true)).unwrap()
}

/// Written and read again.
fn recipe(blob: &(impl Blob + ?Sized)) -> Recipe {
    Recipe::from_bytes(&blob.recipe().unwrap().to_bytes().unwrap()).unwrap()
}

fn image(layers: impl IntoIterator<Item = Arc<dyn Layer>>) -> oci_layout::Image {
    let layers: Vec<_> = layers.into_iter().collect();
    let config = image_config(&layers, json!({})).unwrap();
    image_manifest(config, layers, json!({})).unwrap().tagged("latest")
}

fn sparse() -> LayoutOptions {
    LayoutOptions::default().sparse(true)
}

/// What comes of a blob until it fails, and what it fails with.
fn until_error(blob: &(impl Blob + ?Sized)) -> (Vec<u8>, Error) {
    let mut bytes = Vec::new();
    let error = blob.open().unwrap().read_to_end(&mut bytes).unwrap_err();
    (bytes, error.downcast().unwrap())
}

#[test]
fn a_recipe_makes_the_same_bytes() {
    let dir = sources();
    for compression in COMPRESSIONS {
        let layer = described(dir.path(), compression);
        let plain = layer_tar(files(dir.path()), compression).unwrap();
        assert_eq!(layer.descriptor(), plain.descriptor(), "asking for a recipe changes nothing");
        let (recipe, expected) = (recipe(&layer), bytes(&plain));
        assert_eq!(recipe.descriptor(), layer.descriptor());
        assert_eq!(recipe.diff_id(), Some(layer.diff_id()));
        assert_eq!(recipe.created_by(), layer.created_by());
        assert_eq!(recipe.lies_in(), None);
        assert_eq!(bytes(&layer), expected);
        for threads in [1, 2, 5] {
            assert_eq!(bytes(&recipe.clone().pool(&Pool::new(threads))), expected, "{compression}, {threads} threads");
        }
    }
}

#[test]
fn filling_a_sparse_layout_makes_the_full_one() {
    let dir = sources();
    let out = TempDir::new().unwrap();
    for compression in COMPRESSIONS {
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            let at = |name: &str| out.path().join(format!("{compression}-{threads}-{name}"));
            let stored = layer_tar([FileMapping::text("stored", "/x")], LayerOptions::default().store(at("stored")));
            let layers = || {
                [
                    Arc::new(described(dir.path(), compression)) as Arc<dyn Layer>,
                    Arc::new(stored.as_ref().unwrap().clone()),
                ]
            };
            let full = image_layout(at("full"), [image(layers())], LayoutOptions::default()).unwrap();
            let layout = image_layout(at("sparse"), [image(layers())], sparse().pool(&pool)).unwrap();
            assert_eq!(layout.index(), full.index());
            assert_eq!(fs::read_dir(at("sparse").join("recipes/sha256")).unwrap().count(), 2);
            assert_whole(&layout);
            let filled = layout.fill(&pool).unwrap();
            assert_eq!(filled.len(), 2);
            assert_eq!(files_in(&at("sparse")), files_in(&at("full")));
            for file in files_in(&at("full")).iter().filter(|file| at("full").join(file).is_file()) {
                assert!(
                    fs::read(at("full").join(file)).unwrap() == fs::read(at("sparse").join(file)).unwrap(),
                    "{file:?}"
                );
            }
            assert_eq!(layout.fill(&pool).unwrap(), []);
        }
    }
}
