//! Recipes: they make the same bytes again, never release wrong bytes, and replace blobs in
//! layouts.
#![cfg(all(feature = "gzip", feature = "zstd", feature = "cli"))]

use std::{
    fs::{self, File, FileTimes},
    io::Read,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use crate::common::{self, assert_whole, bytes, files_in, message, text};
use oci_layout::{
    Blob, Compression, Digest, Error, FileMapping, HardLinks, ImageLayout, Layer, LayerOptions,
    LayoutOptions, ManifestOptions, OnConflict, PermissionRule, Pool, Recipe, RecipeTrust, Report,
    TarLayer, WriteOptions,
    document::{Descriptor, MediaType},
    folder, image_config, image_layout, image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::GZIP, Compression::ZSTD];

/// A folder of files, some of which are larger than a block of the pipeline, or end in the middle
/// of one.
fn sources() -> TempDir {
    static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| text(5 << 20, 1));
    let dir = TempDir::new().unwrap();
    for (name, size) in
        [("a", 10), ("b", 3 << 20), ("c", 5 << 20), ("d", 0), ("e", 700_000), ("f", 2_000_000)]
    {
        fs::write(dir.path().join(name), &TEXT[TEXT.len() - size..]).unwrap();
    }
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/last"), "the last one").unwrap();
    dir
}

fn files(dir: &Path) -> [FileMapping; 3] {
    [
        FileMapping::new(dir, "/srv"),
        FileMapping::text("PORT=80\n", "/etc/app.conf"),
        FileMapping::directory("/tmp"),
    ]
}

fn described(dir: &Path, compression: Compression) -> TarLayer {
    layer_tar(files(dir), LayerOptions::from(compression).recipe(true)).unwrap()
}

/// The recipe, written and read again.
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

/// The bytes of a blob until it fails, and the error.
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
        assert_eq!(layer.descriptor(), plain.descriptor(), "reading the recipe changes nothing");
        let (recipe, expected) = (recipe(&layer), bytes(&plain));
        assert_eq!(recipe.descriptor(), layer.descriptor());
        assert_eq!(recipe.diff_id(), Some(layer.diff_id()));
        assert_eq!(recipe.created_by(), layer.created_by());
        assert_eq!(recipe.lies_in(), None);
        assert_eq!(bytes(&layer), expected);
        for threads in [1, 2, 5] {
            assert_eq!(
                bytes(&recipe.clone().pool(&Pool::new(threads))),
                expected,
                "{compression}, {threads} threads"
            );
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
            let stored = layer_tar(
                [FileMapping::text("stored", "/x")],
                LayerOptions::default().store(at("stored")),
            );
            let layers = || {
                [
                    Arc::new(described(dir.path(), compression)) as Arc<dyn Layer>,
                    Arc::new(stored.as_ref().unwrap().clone()),
                ]
            };
            let full =
                image_layout(at("full"), [image(layers())], LayoutOptions::default()).unwrap();
            let layout =
                image_layout(at("sparse"), [image(layers())], sparse().pool(&pool)).unwrap();
            assert_eq!(layout.index().unwrap(), full.index().unwrap());
            assert_eq!(fs::read_dir(at("sparse").join("recipes/sha256")).unwrap().count(), 2);
            assert_whole(&layout);
            let filled = layout.fill(&pool).unwrap();
            assert_eq!(filled.len(), 2);
            assert_eq!(files_in(&at("sparse")), files_in(&at("full")));
            for file in files_in(&at("full")).iter().filter(|file| at("full").join(file).is_file())
            {
                assert!(
                    fs::read(at("full").join(file)).unwrap()
                        == fs::read(at("sparse").join(file)).unwrap(),
                    "{file:?}"
                );
            }
            assert_eq!(layout.fill(&pool).unwrap(), []);
        }
    }
}

/// The recipe is used, whatever file has the name of the blob.
#[test]
fn a_recipe_is_removed_only_after_its_blob_is_complete() {
    let dir = sources();
    let out = TempDir::new().unwrap();
    let layer = described(dir.path(), Compression::None);
    let layout =
        image_layout(out.path(), [image([Arc::new(layer.clone()) as Arc<dyn Layer>])], sparse())
            .unwrap();
    let place = out.path().join("blobs/sha256").join(layer.descriptor().digest.hex());
    fs::File::create(&place).unwrap().set_len(layer.descriptor().size).unwrap();
    assert_eq!(layout.fill(&Pool::new(2)).unwrap().len(), 1);
    assert!(!out.path().join("recipes").exists());
    assert_whole(&layout);
}

/// Changes of the sources after a layer was described, the file that the error names, and its text.
type Change = (&'static str, fn(&Path), &'static str, &'static str);

const CHANGES: &[Change] = &[
    ("same size", |dir| edit(&dir.join("c"), |c| c[4 << 20] ^= 1), "c", "changed"),
    ("same size and time", |dir| unseen(&dir.join("f"), |f| f[1_999_999] ^= 1), "f", "changed"),
    ("the first byte", |dir| unseen(&dir.join("a"), |a| a[0] ^= 1), "a", "changed"),
    ("grown", |dir| edit(&dir.join("c"), |c| c.push(0)), "c", "changed"),
    ("shrunk", |dir| edit(&dir.join("c"), |c| c.truncate(9)), "c", "changed"),
    (
        "grown within its padding",
        |dir| edit(&dir.join("sub/last"), |last| last.push(b'!')),
        "sub/last",
        "changed",
    ),
    ("added", |dir| fs::write(dir.join("bb"), "new").unwrap(), "bb", "was added"),
    ("added as the last", |dir| fs::write(dir.join("sub/z"), "").unwrap(), "sub/z", "was added"),
    (
        "removed",
        |dir| fs::remove_file(dir.join("c")).unwrap(),
        "d",
        "follows an entry that was removed",
    ),
    ("all gone", |dir| fs::remove_dir_all(dir).unwrap(), "", "vanished"),
];

fn edit(path: &Path, change: fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn unseen(path: &Path, change: fn(&mut Vec<u8>)) {
    let before = fs::metadata(path).unwrap();
    edit(path, change);
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before.modified().unwrap());
}

#[test]
fn a_changed_source_is_named_and_no_wrong_byte_precedes_the_error() {
    for compression in COMPRESSIONS {
        for (what, change, named, said) in CHANGES {
            let dir = sources();
            let layer = described(dir.path(), compression);
            let (recipe, right) = (recipe(&layer), bytes(&layer));
            change(dir.path());
            let (came, error) = until_error(&recipe);
            assert!(
                came.len() < right.len() && right.starts_with(&came),
                "{compression}, {what}: wrong bytes came"
            );
            let Error::SourceOutdated { digest, path, change } = &error else {
                panic!("{what}: {error}")
            };
            assert_eq!((digest, *change), (&layer.descriptor().digest, *said), "{what}");
            assert_eq!(path, &dir.path().join(named).components().collect::<PathBuf>(), "{what}");
        }
    }
}

/// A layer that was described in this process keeps what it knows of its sources.
#[test]
fn a_described_layer_that_has_a_recipe_names_the_file_too() {
    let dir = sources();
    let layer = described(dir.path(), Compression::None);
    let right = bytes(&layer);
    unseen(&dir.path().join("e"), |e| e[7] ^= 1);
    let (came, error) = until_error(&layer);
    assert!(right.starts_with(&came));
    assert!(error.to_string().contains("e\" changed"), "{error}");
}

#[test]
fn links_and_attributes_that_changed_are_found() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    symlink("one", at("link")).unwrap();
    fs::write(at("script"), "#!/bin/sh").unwrap();
    let layer =
        layer_tar([FileMapping::new(dir.path(), "/usr")], LayerOptions::default().recipe(true))
            .unwrap();
    fs::remove_file(at("link")).unwrap();
    symlink("two", at("link")).unwrap();
    // An entry without contents is reported by its path in the layer.
    assert!(until_error(&recipe(&layer)).1.to_string().contains("\"/usr/link\" changed"));
    fs::remove_file(at("link")).unwrap();
    symlink("one", at("link")).unwrap();
    assert_eq!(bytes(&recipe(&layer)), bytes(&layer));
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(at("script"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(until_error(&recipe(&layer)).1.to_string().contains("script\" changed"));
}

#[test]
fn a_named_source_that_vanished_is_named() {
    let dir = sources();
    let files = [
        FileMapping::new(dir.path().join("a"), "/a"),
        FileMapping::new(dir.path().join("e"), "/e"),
    ];
    let layer = layer_tar(files, LayerOptions::default().recipe(true)).unwrap();
    fs::remove_file(dir.path().join("e")).unwrap();
    let (came, error) = until_error(&recipe(&layer));
    assert!(came.is_empty());
    assert!(
        matches!(&error, Error::SourceOutdated { path, change: "vanished", .. } if *path == dir.path().join("e"))
    );
}

/// Bytes from a file are hashed while they are sent: a client that counts bytes never has a
/// complete wrong blob.
#[test]
fn a_changed_file_is_named_before_its_last_bytes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("blob");
    let right = text(300_000, 1);
    let describe = |at: u64| {
        let descriptor = Descriptor::of(MediaType::LAYER, &right[at as usize..]);
        Recipe::from_bytes(&Recipe::of_file(descriptor, &path, at).unwrap().to_bytes().unwrap())
            .unwrap()
    };
    for at in [0, 1000] {
        fs::write(&path, &right).unwrap();
        let recipe = describe(at);
        assert_eq!(recipe.lies_in(), Some((&*path, at)));
        assert!(bytes(&recipe) == right[at as usize..]);
        type Edit = (fn(&mut Vec<u8>), &'static str);
        let changes: [Edit; 4] = [
            (|blob| blob[2000] ^= 1, "changed"),
            (|blob| blob[299_999] ^= 1, "changed"),
            (|blob| blob.truncate(200_000), "shrank"),
            (|blob| blob.clear(), "shrank"),
        ];
        for (change, said) in changes {
            fs::write(&path, &right).unwrap();
            edit(&path, change);
            let (came, error) = until_error(&recipe);
            assert!(came.len() + 1000 < right.len(), "the last bytes were returned");
            assert!(error.to_string().contains(&format!("blob\" {said}")), "{error}");
            // A second read does not return it either.
            let mut reader = recipe.open().unwrap();
            std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
            reader.read(&mut [0; 100]).unwrap_err();
        }
        fs::remove_file(&path).unwrap();
        assert!(until_error(&recipe).1.to_string().contains("vanished"));
    }
    fs::write(&path, [&right[..], b"more"].concat()).unwrap();
    assert!(until_error(&describe(0)).1.to_string().contains("grew"));
    fs::remove_file(&path).unwrap();
    common::run(std::process::Command::new("mkfifo").arg(&path));
    assert!(until_error(&describe(0)).1.to_string().contains("stopped being a regular file"));
}

#[test]
fn a_recipe_is_small() {
    // The recipe of a Python tree of 308 MB in 8762 files takes 26 kB for its blocks, 47 kB for its
    // files, and nothing for their contents. A closure takes 150 bytes for each of its paths.
    let dir = TempDir::new().unwrap();
    for file in 0..500 {
        fs::write(dir.path().join(format!("file-{file}")), vec![b'x'; 50_000]).unwrap();
    }
    let files: Vec<_> =
        (0..30).map(|at| FileMapping::new(dir.path(), format!("/nix/store/{at}"))).collect();
    let layer =
        layer_tar(files[..1].iter().cloned(), LayerOptions::default().recipe(true)).unwrap();
    let size = layer.recipe().unwrap().to_bytes().unwrap().len();
    let (blocks, entries) = (layer.tar_size().div_ceil(1 << 20) as usize, 500);
    assert!(size < 1000 + blocks * 44 + entries * 6, "{size}");
    let out = TempDir::new().unwrap();
    image_layout(out.path().join("image"), [image([layer.into()])], sparse()).unwrap();
    let written: u64 = files_in(out.path())
        .iter()
        .map(|file| out.path().join(file).metadata().unwrap().len())
        .sum();
    assert!(written < 30_000, "{written}");
}

#[test]
fn stored_layers_are_named_and_not_copied() {
    let dir = sources();
    let out = TempDir::new().unwrap();
    let at = |name: &str| out.path().join(name);
    let layer = layer_tar(files(dir.path()), LayerOptions::default().store(at("layer"))).unwrap();
    folder::write_layer(at("layer"), &layer, &RecipeTrust::everything(), WriteOptions::default())
        .unwrap();
    let layer = folder::open_layer(at("layer"), &RecipeTrust::everything()).unwrap();
    let descriptor = layer.descriptor().clone();
    let config = image_config([&layer], json!({})).unwrap();
    let manifest = image_manifest(config, [layer], json!({})).unwrap();
    folder::link_image(at("manifest"), manifest, &Pool::new(2), WriteOptions::default()).unwrap();
    let layout = image_layout(
        at("sparse"),
        [folder::open_image(at("manifest"), &RecipeTrust::everything()).unwrap().tagged("latest")],
        sparse(),
    )
    .unwrap();
    assert!(!at("sparse/blobs/sha256").join(descriptor.digest.hex()).exists());
    // The path of the link's target, not that of the link.
    let (blob, file) =
        (layout.blob(&descriptor), at("layer/blobs/sha256").join(descriptor.digest.hex()));
    assert_eq!(blob.recipe().unwrap().lies_in(), Some((&*file.canonicalize().unwrap(), 0)));
    assert_whole(&layout);
    assert_eq!(findings(&at("sparse"), true), [""; 0]);
    edit(&file, |file| file[0] ^= 1);
    assert!(until_error(&*blob).1.to_string().contains("changed since it was described"));
}

#[test]
fn folders_of_lazy_layers_make_the_same_images() {
    let dir = sources();
    let out = TempDir::new().unwrap();
    let at = |name: &str| out.path().join(name);
    let layer = described(dir.path(), Compression::ZSTD);
    let expected =
        image_layout(at("expected"), [image([Arc::new(layer.clone()) as _])], json!({})).unwrap();
    folder::write_layer(at("layer"), &layer, &RecipeTrust::everything(), WriteOptions::default())
        .unwrap();
    assert_eq!(fs::read_dir(at("layer/blobs/sha256")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(at("layer/recipes/sha256")).unwrap().count(), 1);

    // Naming a layer opens no source.
    let away = dir.path().with_extension("away");
    fs::rename(dir.path(), &away).unwrap();
    let lazy = folder::open_layer(at("layer"), &RecipeTrust::everything()).unwrap();
    assert_eq!((lazy.descriptor(), lazy.diff_id()), (layer.descriptor(), layer.diff_id()));
    let config = image_config([&lazy], json!({})).unwrap();
    let manifest = image_manifest(config, [lazy.clone()], json!({})).unwrap();
    folder::write_image(
        at("written"),
        manifest.clone(),
        &RecipeTrust::everything(),
        &Pool::new(1),
        WriteOptions::default(),
    )
    .unwrap();
    folder::link_image(at("linked"), manifest, &Pool::new(1), WriteOptions::default()).unwrap();
    for of in ["written", "linked"] {
        let image =
            || folder::open_image(at(of), &RecipeTrust::everything()).unwrap().tagged("latest");
        let layout = image_layout(at(&format!("{of}-sparse")), [image()], sparse()).unwrap();
        assert_eq!(layout.index().unwrap(), expected.index().unwrap());
        assert!(until_error(&lazy).1.to_string().contains("vanished"));
        fs::rename(&away, dir.path()).unwrap();
        let full = image_layout(at(&format!("{of}-full")), [image()], json!({})).unwrap();
        assert_eq!(full.index().unwrap(), expected.index().unwrap());
        assert_whole(&full);
        assert!(!at(&format!("{of}-full/recipes")).exists());
        fs::rename(dir.path(), &away).unwrap();
    }
    fs::rename(&away, dir.path()).unwrap();
}

#[test]
fn sparse_layouts_are_edited_as_others_are() {
    let dir = sources();
    let out = TempDir::new().unwrap();
    let at = |name: &str| out.path().join(name);
    let pool = Pool::new(2);
    let recipes = || files_in(&at("sparse/recipes/sha256")).len();
    let one = described(dir.path(), Compression::GZIP);
    let mut layout =
        image_layout(at("sparse"), [image([Arc::new(one.clone()) as _])], sparse()).unwrap();

    // As a base, and appended to.
    let base = layout.image(Some("latest"), None).unwrap();
    let two = layer_tar([FileMapping::text("two", "/two")], LayerOptions::default().recipe(true))
        .unwrap();
    let config = oci_layout::ConfigOptions::default().base(base);
    let config = image_config([&two], config).unwrap();
    let second = image_manifest(config, [two.clone()], ManifestOptions::default()).unwrap();
    layout.append([second.tagged("second")], &pool).unwrap();
    assert_eq!(recipes(), 2);
    assert_whole(&layout);
    assert_eq!(findings(&at("sparse"), true), [""; 0]);

    // Copied into another one, sparse or not, and from an archive.
    let images = || layout.images().unwrap();
    let passed_on = image_layout(at("passed-on"), images(), sparse()).unwrap();
    assert_eq!(passed_on.blob(one.descriptor()).recipe().unwrap().lies_in(), None);
    let full = image_layout(at("full"), images(), json!({})).unwrap();
    assert_whole(&full);
    let mut archive = tar::Builder::new(File::create(at("archive.tar")).unwrap());
    archive.append_dir_all(".", at("sparse")).unwrap();
    archive.into_inner().unwrap();
    assert_whole(&ImageLayout::open(at("archive.tar")).unwrap().trust(RecipeTrust::everything()));
    let mut archive = tar::Builder::new(File::create(at("full.tar")).unwrap());
    archive.append_dir_all(".", at("full")).unwrap();
    archive.into_inner().unwrap();
    let of_archive = ImageLayout::open(at("full.tar")).unwrap().images().unwrap();
    let of_archive = image_layout(at("of-archive"), of_archive, sparse()).unwrap();
    let lies_in = of_archive.blob(one.descriptor()).recipe().unwrap();
    assert_eq!(lies_in.lies_in().unwrap().0, at("full.tar"));
    assert!(lies_in.lies_in().unwrap().1 > 0);
    assert_whole(&of_archive);

    // Unreferenced files are removed, with the leftovers of killed writers.
    fs::write(at("sparse/recipes/sha256/.oci-layout-x"), "").unwrap();
    assert_eq!(layout.collect_garbage().unwrap().files.len(), 1);
    layout.remove("second").unwrap();
    assert_eq!(layout.collect_garbage().unwrap().files.len(), 3);
    assert_eq!(recipes(), 1);

    // After `fill`, a sparse layout behaves like any other layout.
    assert_eq!(layout.fill(&pool).unwrap().len(), 1);
    assert!(!at("sparse/recipes").exists());
    layout.append([image([Arc::new(two) as _]).tagged("two")], &pool).unwrap();
    assert!(!at("sparse/recipes").exists());
    assert_whole(&layout);
    layout.fill(&pool).unwrap();
}

#[test]
fn a_layer_that_cannot_be_filled_stays_a_recipe() {
    let dir = sources();
    let out = TempDir::new().unwrap();
    let other = layer_tar([FileMapping::text("other", "/x")], LayerOptions::default().recipe(true))
        .unwrap();
    let layers = [
        Arc::new(described(dir.path(), Compression::None)) as Arc<dyn Layer>,
        Arc::new(other.clone()),
    ];
    let layout = image_layout(out.path().join("image"), [image(layers)], sparse()).unwrap();
    unseen(&dir.path().join("c"), |c| c[0] ^= 1);
    for _ in 0..2 {
        let error = layout.fill(&Pool::new(2)).unwrap_err();
        assert!(matches!(error, Error::SourceOutdated { .. }), "{error}");
        // The others are filled, and there is no incomplete file.
        assert_eq!(fs::read_dir(out.path().join("image/recipes/sha256")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(out.path().join("image/blobs/sha256")).unwrap().count(), 3);
        assert_eq!(findings(&out.path().join("image"), false), [""; 0]);
    }
    unseen(&dir.path().join("c"), |c| c[0] ^= 1);
    assert_eq!(layout.fill(&Pool::new(2)).unwrap().len(), 1);
    assert_whole(&layout);
}

/// A compressed tar must be unpacked into a file, and a reader of a recipe has no folder for it.
#[test]
fn a_compressed_tar_has_no_recipe_and_is_kept() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let inner = layer_tar([FileMapping::text("in it", "/x")], LayerOptions::default().recipe(true))
        .unwrap();
    fs::write(at("plain.tar"), common::decoded(&inner)).unwrap();
    fs::write(at("packed.tar.gz"), bytes(&inner)).unwrap();
    let of = |tar: &str| {
        let options = LayerOptions::default().recipe(true).scratch(at("scratch"));
        layer_tar([FileMapping::tar(at(tar), "/")], options).unwrap()
    };
    let (plain, packed) = (of("plain.tar"), of("packed.tar.gz"));
    assert_eq!(plain.diff_id(), packed.diff_id());
    assert_eq!(bytes(&recipe(&plain)), bytes(&packed));
    assert!(packed.recipe().is_none());
    image_layout(at("image"), [image([packed.into()])], sparse()).unwrap();
    assert_eq!(fs::read_dir(at("image/recipes/sha256")).unwrap().count(), 0);
    edit(&at("plain.tar"), |tar| tar[512] ^= 1);
    let (_, error) = until_error(&recipe(&plain));
    assert!(error.to_string().contains("plain.tar\" changed"), "{error}");
}

#[test]
fn every_mapping_comes_back_from_a_recipe() {
    let dir = sources();
    let mut files = common::rich::rich_tree();
    files.push(
        FileMapping::new(dir.path(), "/kept").include("**/*a*").exclude("sub").keep().owner(5, 6),
    );
    files.push(FileMapping::new(dir.path(), "/kept").follow(false));
    let rule = PermissionRule { glob: "**/*".to_owned(), mode: None, uid: Some(12), gid: None };
    let options =
        LayerOptions::from(Compression::Zstd { level: 1 }).mtime(77).owner(9, 10).permission(rule);
    let options =
        options.on_conflict(OnConflict::LastWins).hard_links(HardLinks::Merge).recipe(true);
    let layer = layer_tar(files.clone(), options.clone()).unwrap();
    let bytes_again = bytes(&recipe(&layer));
    assert!(bytes_again == bytes(&layer_tar(files, options.recipe(false)).unwrap()));
    // A recipe depends only on what the layer depends on.
    let json = layer.recipe().unwrap().to_bytes().unwrap();
    assert_eq!(Recipe::from_bytes(&json).unwrap().to_bytes().unwrap(), json);
}

#[test]
fn a_name_that_json_cannot_hold_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let name = std::ffi::OsString::from_vec(b"user.\xff".to_vec());
    let layer = layer_tar(
        [FileMapping::text("", "/x").xattr(name, "")],
        LayerOptions::default().recipe(true),
    )
    .unwrap();
    assert_eq!(
        message(layer.recipe().unwrap().to_bytes()),
        "\"/x\": the extended attribute \"user.\\xFF\" has a name that is not UTF-8, which JSON \
         cannot represent"
    );
}

/// Every defect of a recipe is an error that names it, and no such recipe is used.
#[test]
fn hostile_recipes_are_errors() {
    let dir = sources();
    let json = |compression| -> Value {
        serde_json::from_slice(
            &described(dir.path(), compression).recipe().unwrap().to_bytes().unwrap(),
        )
        .unwrap()
    };
    let (gzip, none) = (json(Compression::GZIP), json(Compression::None));
    let file = Recipe::of_file(Descriptor::of(MediaType::LAYER, b"x"), "/a", 0)
        .unwrap()
        .to_bytes()
        .unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let other = Digest::of("other").to_string();
    let changes: Vec<(&Value, &str, Value, &str)> = vec![
        (&gzip, "", json!([]), "recipe: invalid type: sequence, expected a map"),
        (&gzip, "/descriptor", json!({}), "recipe: missing field `mediaType`"),
        (&gzip, "/descriptor/size", json!(-1), "recipe: invalid value: integer `-1`"),
        (
            &gzip,
            "/descriptor/mediaType",
            json!("text/plain"),
            "recipe, descriptor: a layer with compression gzip does not have the type",
        ),
        (&gzip, "/tar/byteFormat", json!("1"), "recipe, tar, byteFormat: expected a number"),
        (
            &gzip,
            "/tar/byteFormat",
            json!(1),
            "is for byte format 1, but this program makes byte format 2",
        ),
        (&gzip, "/tar/byteFormat", json!(u64::MAX), "is for byte format 18446744073709551615"),
        (
            &gzip,
            "/tar/size",
            json!(u64::MAX),
            "recipe, tar, prefixes: found 13 digests, which do not fit a tar of \
             18446744073709551615 bytes",
        ),
        (
            &gzip,
            "/tar/size",
            json!(0),
            "recipe, tar, prefixes: found 13 digests, which do not fit a tar of 0 bytes",
        ),
        (&gzip, "/tar/prefixes", json!("!"), "recipe, tar, prefixes: expected base64"),
        (
            &gzip,
            "/tar/prefixes",
            json!("AAAA"),
            "recipe, tar, prefixes: expected values of 32 bytes each",
        ),
        (&gzip, "/tar/prefixes", json!(""), "recipe, tar, prefixes: found 0"),
        (
            &gzip,
            "/tar/entries",
            json!("AAAA"),
            "recipe, tar, entries: expected values of 4 bytes each",
        ),
        (&gzip, "/tar/more", json!(1), "recipe, tar: unknown field `more`"),
        (&gzip, "/tar/spec/files/0/source", json!("srv"), "recipe, tar, spec: \"srv\" is relative"),
        (&gzip, "/tar/spec/files/0/mode", json!(755), "write the octal digits as a string"),
        (&gzip, "/tar/spec/compression", json!("gzip:13"), "gzip supports levels 1 to 12"),
        (&gzip, "/diffId", json!(other), "recipe, diffId: it differs from the digest of the tar"),
        (&gzip, "/diffId", Value::Null, "recipe, diffId: it differs from the digest of the tar"),
        (
            &gzip,
            "/file",
            json!("/a"),
            "recipe: it must have either a file, with an optional offset, or a tar",
        ),
        (
            &gzip,
            "/offset",
            json!(1),
            "recipe: it must have either a file, with an optional offset, or a tar",
        ),
        (
            &gzip,
            "/tar",
            Value::Null,
            "recipe: it must have either a file, with an optional offset, or a tar",
        ),
        (&none, "/descriptor/digest", json!(other), "recipe, descriptor: it differs from the tar"),
        (&none, "/descriptor/size", json!(1), "recipe, descriptor: it differs from the tar"),
        (
            &file,
            "/file",
            json!("a"),
            "recipe, file: \"a\" is relative, but a recipe needs absolute paths",
        ),
        (&file, "/file", json!(""), "recipe, file: \"\" is relative"),
        (&file, "/file", json!(7), "recipe, file: expected a path"),
        (&file, "/offset", json!(u64::MAX), "recipe, offset: the end exceeds the size of any file"),
        (&file, "/more", json!(1), "recipe: unknown field `more`"),
    ];
    for (recipe, pointer, value, said) in changes {
        let mut json = recipe.clone();
        match (json.pointer_mut(pointer), pointer.rsplit_once('/')) {
            (Some(place), _) => *place = value.clone(),
            (None, Some((above, name))) => json.pointer_mut(above).unwrap()[name] = value.clone(),
            (None, None) => unreachable!(),
        }
        // Levels are checked when the codec is created.
        let read = Recipe::from_bytes(&serde_json::to_vec(&json).unwrap());
        let error = read.map_or_else(|error| error, |recipe| until_error(&recipe).1);
        assert!(error.to_string().contains(said), "{pointer} = {value}: {error}");
    }
    for garbage in [
        &b""[..],
        b"{",
        b"\0",
        b"null",
        &b"[".repeat(100_000),
        b"{\"descriptor\":{},\"descriptor\":{}}",
    ] {
        message(Recipe::from_bytes(garbage));
    }
}

/// Consistent but wrong recipes make no blob that seems complete.
#[test]
fn wrong_recipes_never_make_a_complete_blob() {
    let dir = sources();
    let layer = described(dir.path(), Compression::GZIP);
    let json: Value = serde_json::from_slice(&layer.recipe().unwrap().to_bytes().unwrap()).unwrap();
    let lie = |change: fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        until_error(&Recipe::from_bytes(&serde_json::to_vec(&json).unwrap()).unwrap())
    };
    let size = layer.descriptor().size as usize;
    let (came, error) =
        lie(|json| json["descriptor"]["digest"] = Digest::of("other").to_string().into());
    assert!(came.len() < size && matches!(error, Error::BlobDamaged { .. }), "{error}");
    let (came, error) = lie(|json| json["descriptor"]["size"] = 1.into());
    assert!(came.len() < size && matches!(error, Error::BlobDamaged { .. }), "{error}");
    let (came, error) = lie(|json| {
        let prefixes = json["tar"]["prefixes"].as_str().unwrap().replacen(|_: char| true, "A", 20);
        json["tar"]["prefixes"] = prefixes.into();
    });
    assert!(came.is_empty() && error.to_string().contains("is inconsistent"), "{error}");

    // Names in a cycle, of missing files, and of endless ones.
    let at = |name: &str| dir.path().join(name);
    symlink("loop", at("loop")).unwrap();
    for (source, said) in [
        (at("loop"), "Too many levels of symbolic links"),
        (at("a/b"), "Not a directory"),
        ("/dev/zero".into(), "stopped being a regular file"),
        (dir.path().into(), "stopped being a regular file"),
    ] {
        let (came, error) =
            until_error(&Recipe::of_file(layer.descriptor().clone(), source, 0).unwrap());
        assert!(came.is_empty() && Report(&error).to_string().contains(said), "{error}");
    }
    fs::remove_file(at("loop")).unwrap();
    // A recipe in a layout that names its own path.
    let out = TempDir::new().unwrap();
    let layout =
        image_layout(out.path().join("image"), [image([layer.clone().into()])], sparse()).unwrap();
    let hex = layer.descriptor().digest.hex();
    let own = Recipe::of_file(
        layer.descriptor().clone(),
        out.path().join("image/blobs/sha256").join(&hex),
        0,
    )
    .unwrap();
    fs::write(out.path().join(format!("image/recipes/sha256/{hex}.json")), own.to_bytes().unwrap())
        .unwrap();
    assert!(message(layout.fill(&Pool::new(1))).contains("vanished"));
}

#[test]
fn verify_checks_recipes_and_with_deep_their_blobs() {
    type Damage = (&'static str, fn(&Path), &'static str, Option<&'static str>);
    const PLACE: &str = "index.json, manifests[0], layers[0]";
    fn recipe_of(layout: &Path) -> PathBuf {
        let folder = layout.join("recipes/sha256");
        folder.join(&files_in(&folder)[0])
    }
    fn change(layout: &Path, change: fn(&mut Value)) {
        let path = recipe_of(layout);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
    }
    let damages: [Damage; 10] = [
        ("nothing", |_| {}, "", None),
        (
            "no recipe",
            |layout| fs::remove_file(recipe_of(layout)).unwrap(),
            PLACE,
            Some("is missing"),
        ),
        (
            "garbage",
            |layout| fs::write(recipe_of(layout), "{").unwrap(),
            PLACE,
            Some("has an unusable recipe"),
        ),
        (
            "another format",
            |layout| change(layout, |json| json["tar"]["byteFormat"] = 9.into()),
            PLACE,
            Some("is for byte format 9"),
        ),
        (
            "another blob's",
            |layout| {
                change(layout, |json| {
                    json["descriptor"]["digest"] = Digest::of("x").to_string().into()
                })
            },
            PLACE,
            Some("is the recipe of another blob"),
        ),
        (
            "another size",
            |layout| change(layout, |json| json["descriptor"]["size"] = 7.into()),
            PLACE,
            Some("has 7 bytes, but its descriptor says"),
        ),
        (
            "a link",
            |layout| {
                fs::rename(recipe_of(layout), layout.join("away")).unwrap();
                let hex = fs::read_to_string(layout.join("hex")).unwrap();
                symlink("../../away", layout.join(format!("recipes/sha256/{hex}.json"))).unwrap();
            },
            PLACE,
            Some("is a symbolic link"),
        ),
        (
            "a stray file",
            |layout| fs::write(layout.join("recipes/sha256/readme"), "").unwrap(),
            "recipes/sha256/readme",
            Some("is not a recipe"),
        ),
        (
            "a stray recipe",
            |layout| {
                let hex = Digest::of("x").hex();
                fs::write(layout.join(format!("recipes/sha256/{hex}.json")), "null").unwrap();
            },
            "recipes/sha256/",
            Some("has an unusable recipe"),
        ),
        (
            "a temporary file",
            |layout| fs::write(layout.join("recipes/sha256/.oci-layout-x"), "").unwrap(),
            "",
            None,
        ),
    ];
    let dir = sources();
    let layer = described(dir.path(), Compression::GZIP);
    for (what, damage, place, said) in damages {
        let out = TempDir::new().unwrap();
        let path = out.path().join("image");
        image_layout(&path, [image([layer.clone().into()])], sparse()).unwrap();
        fs::write(path.join("hex"), layer.descriptor().digest.hex()).unwrap();
        damage(&path);
        let findings = findings(&path, false);
        match said {
            None => assert_eq!(findings, [""; 0], "{what}"),
            Some(said) => {
                assert_eq!(findings.len(), 1, "{what}: {findings:?}");
                assert!(
                    findings[0].starts_with(place) && findings[0].contains(said),
                    "{what}: {findings:?}"
                );
            }
        }
    }
    // The recipe of another layer, under the digest of this one.
    let out = TempDir::new().unwrap();
    let path = out.path().join("image");
    image_layout(&path, [image([layer.clone().into()])], sparse()).unwrap();
    let lies = Recipe::of_file(layer.descriptor().clone(), "/nowhere", 0).unwrap();
    let mut lies: Value = serde_json::from_slice(&lies.to_bytes().unwrap()).unwrap();
    lies["diffId"] = Digest::of("x").to_string().into();
    lies["descriptor"]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd".into();
    fs::write(recipe_of(&path), lies.to_string()).unwrap();
    let found = findings(&path, false);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("zstd") && found[1].contains(&Digest::of("x").to_string()),
        "{found:?}"
    );
    fs::write(recipe_of(&path), layer.recipe().unwrap().to_bytes().unwrap()).unwrap();

    // Only a deep check reads the current sources. For no compression does it report a damaged
    // stream.
    for compression in COMPRESSIONS {
        let layer = described(dir.path(), compression);
        let path = out.path().join(compression.to_string());
        image_layout(&path, [image([layer.into()])], sparse()).unwrap();
        assert_eq!(findings(&path, true), [""; 0]);
        unseen(&dir.path().join("c"), |c| c[4_000_000] ^= 1);
        assert_eq!(findings(&path, false), [""; 0]);
        for threads in [1, 2] {
            let options = VerifyOptions::default()
                .deep(true)
                .trust(RecipeTrust::everything())
                .pool(&Pool::new(threads));
            let found: Vec<_> = verify(&path, &options).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].place, PLACE);
            assert!(
                found[0].to_string().contains("c\" changed since it was described"),
                "{found:?}"
            );
        }
        unseen(&dir.path().join("c"), |c| c[4_000_000] ^= 1);
    }
}

/// The lines of `verify`.
#[track_caller]
fn findings(layout: &Path, deep: bool) -> Vec<String> {
    let findings =
        verify(layout, &VerifyOptions::default().deep(deep).trust(RecipeTrust::everything()))
            .unwrap();
    findings.iter().map(ToString::to_string).collect()
}
