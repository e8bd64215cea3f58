//! The folders between the steps: their files, what is read from them, and the errors for other
//! folders.
#![cfg(feature = "cli")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

use crate::common::blob_file;
use oci_layout::{
    Blob, FileMapping, Image, ImageConfig, Layer, LayerOptions, Pool, RecipeTrust, TarLayer,
    WriteOptions,
    document::{Descriptor, Platform},
    folder, image_config, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;

fn layer(dir: &Path) -> TarLayer {
    let layer =
        layer_tar([FileMapping::text("x", "/a")], LayerOptions::default().store(dir)).unwrap();
    folder::write_layer(dir, &layer, &RecipeTrust::everything(), WriteOptions::default()).unwrap();
    layer
}

/// The folders of a layer, of a configuration and of an image.
fn folders() -> (TempDir, [PathBuf; 3]) {
    let dir = TempDir::new().unwrap();
    let dirs = ["layer", "config", "image"].map(|name| dir.path().join(name));
    let layer = layer(&dirs[0]);
    let config =
        image_config([&layer], json!({ "architecture": "arm64", "variant": "v8" })).unwrap();
    folder::write_config(&dirs[1], &config, WriteOptions::default()).unwrap();
    folder::write_image(
        &dirs[2],
        image_manifest(config, [layer], json!({})).unwrap(),
        &RecipeTrust::everything(),
        &Pool::new(2),
        WriteOptions::default(),
    )
    .unwrap();
    (dir, dirs)
}

#[test]
fn a_layer_folder_is_read_back_unchanged() {
    let dir = TempDir::new().unwrap();
    let layer = layer(dir.path());
    let opened = folder::open_layer(dir.path(), &RecipeTrust::everything()).unwrap();
    assert_eq!((opened.descriptor(), opened.diff_id()), (layer.descriptor(), layer.diff_id()));
    assert_eq!(opened.created_by(), "oci-layout layer-tar /a");
    assert_eq!(opened.file(), Some(&*blob_file(dir.path(), layer.descriptor().digest)));
    assert_eq!(fs::read_to_string(dir.path().join("DiffID")).unwrap(), layer.diff_id().to_string());
    assert_eq!(
        fs::read_to_string(dir.path().join("history.json")).unwrap(),
        r#"{"created_by":"oci-layout layer-tar /a"}"#
    );

    // As other programs write it.
    fs::write(dir.path().join("DiffID"), format!("{}\n", layer.diff_id())).unwrap();
    fs::remove_file(dir.path().join("history.json")).unwrap();
    let opened = folder::open_layer(dir.path(), &RecipeTrust::everything()).unwrap();
    assert_eq!((opened.diff_id(), opened.created_by()), (layer.diff_id(), String::new()));
}

#[test]
fn a_layer_that_was_only_described_is_made() {
    let dir = TempDir::new().unwrap();
    let described = layer_tar([FileMapping::text("x", "/a")], LayerOptions::default()).unwrap();
    folder::write_layer(
        dir.path(),
        &described,
        &RecipeTrust::everything(),
        WriteOptions::default(),
    )
    .unwrap();
    assert_eq!(
        fs::metadata(blob_file(dir.path(), described.descriptor().digest)).unwrap().len(),
        described.descriptor().size
    );
}

#[test]
fn a_configuration_folder_is_read_back_unchanged() {
    let (_dir, [_, dir, _]) = folders();
    let config: ImageConfig = folder::open_config(&dir, &RecipeTrust::everything()).unwrap();
    assert_eq!(config.document().platform().to_string(), "linux/arm64/v8");
    assert_eq!(
        fs::read_to_string(dir.join("platform.json")).unwrap(),
        r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#
    );
    let descriptor: Descriptor =
        serde_json::from_slice(&fs::read(dir.join("media-descriptor.json")).unwrap()).unwrap();
    assert_eq!(config.descriptor(), &descriptor);
}

#[test]
fn an_image_folder_outlives_the_folders_of_its_parts() {
    let (_dir, [layer, config, dir]) = folders();
    let descriptor =
        folder::open_layer(&layer, &RecipeTrust::everything()).unwrap().descriptor().clone();
    let links = |dir: &Path| fs::metadata(blob_file(dir, descriptor.digest)).unwrap().nlink();
    assert_eq!((links(&layer), links(&dir)), (2, 2), "the layer is linked, not copied");
    for dir in [layer, config] {
        fs::remove_dir_all(dir).unwrap();
    }
    let image: Image = folder::open_image(&dir, &RecipeTrust::everything()).unwrap();
    assert_eq!(image.platform(), Some(&"linux/arm64/v8".parse::<Platform>().unwrap()));
    assert_eq!(image.blobs().len(), 3);
    for blob in image.blobs() {
        let mut bytes = Vec::new();
        blob.open().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(oci_layout::Digest::of(&bytes), blob.descriptor().digest);
    }
}

#[test]
fn a_wrong_folder_is_an_error_that_names_the_command_for_it() {
    let (dir, [layer, config, image]) = folders();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("file"), "").unwrap();
    let (none, empty, file) = (path("none"), path("empty"), path("file"));
    for (error, message) in [
        (
            folder::open_layer(&none, &RecipeTrust::everything()).unwrap_err(),
            format!(
                "{none:?} does not exist: give the folder of a layer, written by `oci-layout \
                 layer-tar`"
            ),
        ),
        (
            folder::open_config(&file, &RecipeTrust::everything()).unwrap_err(),
            format!(
                "{file:?} is not a folder: give the folder of a configuration, written by \
                 `oci-layout image-config`"
            ),
        ),
        (
            folder::open_image(&empty, &RecipeTrust::everything()).unwrap_err(),
            format!(
                "{empty:?} has no media-descriptor.json: give the folder of an image, written by \
                 `oci-layout image-manifest`"
            ),
        ),
        (
            folder::open_layer(&image, &RecipeTrust::everything()).unwrap_err(),
            format!(
                "{image:?} holds application/vnd.oci.image.manifest.v1+json: give the folder of a \
                 layer, written by `oci-layout layer-tar`"
            ),
        ),
        (
            folder::open_image(&config, &RecipeTrust::everything()).unwrap_err(),
            format!(
                "{config:?} holds application/vnd.oci.image.config.v1+json: give the folder of an \
                 image, written by `oci-layout image-manifest`"
            ),
        ),
        (
            folder::open_config(&layer, &RecipeTrust::everything()).unwrap_err(),
            format!(
                "{layer:?} holds application/vnd.oci.image.layer.v1.tar+gzip: give the folder of a \
                 configuration, written by `oci-layout image-config`"
            ),
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn an_image_folder_can_refer_to_its_layers() {
    let (dir, [_, _, image]) = folders();
    let linked = dir.path().join("linked");
    let image = folder::open_image(&image, &RecipeTrust::everything()).unwrap();
    let layer = image.blobs().iter().find(|blob| blob.descriptor().media_type.is_layer()).unwrap();
    folder::link_image(&linked, image.clone(), &Pool::new(1), WriteOptions::default()).unwrap();
    let link = blob_file(&linked, layer.descriptor().digest);
    assert_eq!(fs::read_link(&link).unwrap(), fs::canonicalize(layer.file().unwrap()).unwrap());
    // A link that was replaced by a shorter one works too.
    let name = layer.file().unwrap().strip_prefix(fs::canonicalize(dir.path()).unwrap()).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(Path::new("../../..").join(name), &link).unwrap();
    let opened = folder::open_image(&linked, &RecipeTrust::everything()).unwrap();
    let file = |image: &Image| {
        image.blobs().iter().find_map(|blob| blob.file().map(Path::to_owned)).unwrap()
    };
    assert_eq!(file(&opened), file(&image));
    assert_eq!(opened.descriptor(), image.descriptor());
}

#[test]
fn a_folder_that_lacks_a_part_is_an_error_that_names_it() {
    let again = "write the folder of a layer again with `oci-layout layer-tar`";
    let broken = |damage: fn(&Path, &Path)| {
        let (_dir, [layer, ..]) = folders();
        let path = folder::open_layer(&layer, &RecipeTrust::everything())
            .unwrap()
            .file()
            .unwrap()
            .to_owned();
        damage(&layer, &path);
        let error = folder::open_layer(&layer, &RecipeTrust::everything()).unwrap_err().to_string();
        let name = path.strip_prefix(&layer).unwrap().display();
        error.replace(&format!("{layer:?}"), "FOLDER").replace(&name.to_string(), "BLOB")
    };
    assert_eq!(
        broken(|_, blob| fs::remove_file(blob).unwrap()),
        format!("FOLDER has no BLOB: {again}")
    );
    let size = broken(|_, blob| fs::write(blob, "x").unwrap());
    assert!(size.starts_with("FOLDER has a BLOB of 1 bytes, but its descriptor says "), "{size}");
    assert!(size.ends_with(again), "{size}");
    let linked = broken(|dir, blob| {
        fs::remove_file(blob).unwrap();
        symlink(dir, blob).unwrap();
    });
    assert_eq!(linked, format!("FOLDER has a BLOB that is not a regular file: {again}"));
    let dangling = broken(|dir, blob| {
        fs::remove_file(blob).unwrap();
        symlink(dir.join("x"), blob).unwrap();
    });
    assert_eq!(dangling, format!("FOLDER has a BLOB that is not a regular file: {again}"));
    let diff_id = broken(|dir, _| fs::remove_file(dir.join("DiffID")).unwrap());
    assert_eq!(diff_id, format!("FOLDER has no DiffID: {again}"));
    let diff_id = broken(|dir, _| fs::write(dir.join("DiffID"), "sha512:00").unwrap());
    assert_eq!(
        diff_id,
        format!(
            "FOLDER has a DiffID that cannot be read: digest \"sha512:00\" has an unsupported \
             algorithm: only sha256 is supported: {again}"
        )
    );
    let descriptor = broken(|dir, _| fs::write(dir.join("media-descriptor.json"), "{}").unwrap());
    assert_eq!(
        descriptor,
        format!(
            "FOLDER has a media-descriptor.json that cannot be read: missing field `mediaType` at \
             line 1 column 2: {again}"
        )
    );

    let (_dir, [_, _, image]) = folders();
    let layer = folder::open_image(&image, &RecipeTrust::everything()).unwrap().blobs()[0]
        .descriptor()
        .clone();
    fs::remove_file(blob_file(&image, layer.digest)).unwrap();
    let message = folder::open_image(&image, &RecipeTrust::everything()).unwrap_err().to_string();
    assert!(
        message.contains(&layer.digest.hex()) && message.contains("image-manifest"),
        "{message}"
    );
}
