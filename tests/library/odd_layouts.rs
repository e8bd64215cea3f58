//! Layouts as other programs write them, or as none should: what is found in them, and what is not
//! changed.

use std::{
    fs::{self, File, FileTimes},
    io::Read,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::common::{blob_file, image_for, put};
use oci_layout::{
    Blob, Compression, Digest, Error, FileMapping, Image, ImageLayout, Layer, Pool,
    document::{Descriptor, MediaType},
    image_config, image_layout, image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn set_index(layout: &Path, manifests: &Value) -> ImageLayout {
    fs::write(
        layout.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": manifests }).to_string(),
    )
    .unwrap();
    ImageLayout::open(layout).unwrap()
}

fn files(layout: &Path) -> usize {
    fs::read_dir(layout.join("blobs/sha256")).unwrap().count()
}

#[test]
fn nothing_is_collected_if_a_document_has_an_unknown_type() {
    let dir = TempDir::new().unwrap();
    image_layout(dir.path(), [Image::from(image_for("linux/amd64"))], json!({})).unwrap();
    let unknown = MediaType::new("application/vnd.example.manifest.v9+json");
    let named = put(dir.path(), unknown.as_str(), "{}");
    let layout = set_index(dir.path(), &json!([named]));
    let before = files(dir.path());
    for error in [layout.collect_garbage().unwrap_err(), layout.images().unwrap_err()] {
        assert!(
            error.to_string().contains(
                "of the media type application/vnd.example.manifest.v9+json: what that refers to"
            ),
            "{error}"
        );
    }
    assert_eq!(files(dir.path()), before);
}

#[test]
fn files_that_are_not_blobs_are_not_collected() {
    let dir = TempDir::new().unwrap();
    let layout =
        image_layout(dir.path(), [Image::from(image_for("linux/amd64"))], json!({})).unwrap();
    fs::create_dir(dir.path().join("blobs/sha256/folder")).unwrap();
    fs::write(dir.path().join("blobs/sha256/.gitkeep"), "").unwrap();
    assert_eq!(layout.collect_garbage().unwrap().files, [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn a_full_name_does_not_replace_another_image() {
    let dir = TempDir::new().unwrap();
    let app = image_for("linux/amd64").tagged("ghcr.io/me/app");
    let mut layout = image_layout(dir.path(), [app], json!({})).unwrap();
    let db = image_for("linux/arm64").tagged("ghcr.io/me/db");
    let before = fs::read(dir.path().join("index.json")).unwrap();
    let message = layout.append([db], &Pool::new(1)).unwrap_err().to_string();
    assert!(
        message
            .starts_with("images ghcr.io/me/app:latest and ghcr.io/me/db:latest have the same tag"),
        "{message}"
    );
    assert_eq!(fs::read(dir.path().join("index.json")).unwrap(), before);
}

#[test]
fn one_image_may_have_two_names_with_one_tag() {
    let dir = TempDir::new().unwrap();
    let image =
        image_for("linux/amd64").tagged("ghcr.io/me/app:1").tagged("me/app:1").tagged("me/app:1");
    assert_eq!(
        image_layout(dir.path(), [image], json!({})).unwrap().index().unwrap().manifests.len(),
        2
    );
}

/// BuildKit writes attestations beside the image, for the platform unknown/unknown.
#[test]
fn an_attestation_is_not_an_image() {
    let dir = TempDir::new().unwrap();
    let images = ["linux/arm64", "unknown/unknown"].map(|p| image_for(p).tagged("x"));
    let layout = image_layout(dir.path(), images, json!({})).unwrap();
    let image = layout.image(Some("x"), None).unwrap();
    assert_eq!(image.configuration().platform(), "linux/arm64".parse().unwrap());
}

/// `skopeo copy` without `--all` leaves such layouts.
#[test]
fn an_image_is_found_if_other_platforms_are_missing() {
    let dir = TempDir::new().unwrap();
    let images = ["linux/amd64", "linux/arm64"].map(image_for);
    let missing = dir.path().join("blobs/sha256").join(images[1].digest().hex());
    let layout = image_layout(dir.path(), images, json!({})).unwrap();
    fs::remove_file(missing).unwrap();
    assert!(layout.image(None, Some(&"linux/amd64".parse().unwrap())).is_ok());
    assert!(matches!(
        layout.image(None, Some(&"linux/arm64".parse().unwrap())),
        Err(Error::BlobMissing { .. })
    ));
}

/// Seven levels of ten entries each: a reader that reads each reference would read ten million
/// documents.
#[test]
fn a_document_with_many_references_is_read_once() {
    let dir = TempDir::new().unwrap();
    let image = image_for("linux/amd64");
    let mut named =
        serde_json::to_value(Descriptor::of(MediaType::MANIFEST, image.bytes())).unwrap();
    image_layout(dir.path(), [Image::from(image)], json!({})).unwrap();
    for _ in 0..7 {
        named = put(
            dir.path(),
            MediaType::INDEX.as_str(),
            json!({ "schemaVersion": 2, "manifests": vec![named; 10] }).to_string(),
        );
    }
    let layout = set_index(dir.path(), &json!([named]));
    assert!(layout.image(None, None).is_ok());
    assert_eq!(layout.images().unwrap()[0].blobs().len(), 3 + 7);
}

#[test]
fn a_list_of_layers_may_be_shared() {
    let layer = layer_tar([FileMapping::text("", "/file")], Compression::None).unwrap();
    let layers: Vec<Arc<dyn Layer>> = vec![Arc::new(layer)];
    let config = image_config(&layers, json!({})).unwrap();
    assert_eq!(config.document().rootfs.diff_ids, [layers[0].diff_id()]);
    assert_eq!(image_manifest(config, layers, json!({})).unwrap().layers().len(), 1);
}

/// The second read can only check the time, which was set back.
#[test]
fn a_described_layer_whose_source_changed_is_an_error() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    let write = |text: &str| {
        fs::write(&source, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options()
            .write(true)
            .open(&source)
            .unwrap()
            .set_times(FileTimes::new().set_modified(time))
            .unwrap();
    };
    write("one");
    let layer = layer_tar([FileMapping::new(&source, "/file")], Compression::None).unwrap();
    write("two");
    let error = layer.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().ends_with("a source changed; make or fetch it again"), "{error}");
}

/// Our own output with the largest numbers of the byte format is read back.
#[test]
fn the_largest_numbers_are_no_defect() {
    let dir = TempDir::new().unwrap();
    let file =
        FileMapping::text("", "/file").owner(i64::MAX as u64, i64::MAX as u64).mtime(i64::MIN);
    let layer =
        layer_tar([file, FileMapping::text("", "/other").mtime(i64::MAX)], Compression::None)
            .unwrap();
    let config = image_config([&layer], json!({})).unwrap();
    image_layout(
        dir.path(),
        [image_manifest(config, [layer], json!({})).unwrap().tagged("x")],
        json!({}),
    )
    .unwrap();
    assert_eq!(verify(dir.path(), &VerifyOptions::default()).unwrap(), []);
}

#[test]
fn the_documents_of_an_image_are_verified() {
    let dir = TempDir::new().unwrap();
    let made = image_for("linux/amd64");
    let (config, digest) = (made.document().config.digest, made.digest());
    let layout = image_layout(dir.path(), [Image::from(made.clone())], json!({})).unwrap();
    let image = layout.whole_image(None).unwrap();
    assert_eq!(image.document(digest).unwrap(), made.bytes());
    assert_eq!(Digest::of(image.document(config).unwrap()), config);
    let other = Digest::of("other");
    let lacks = format!("image {digest}: it lacks the blob {other}: fetch it whole");
    assert_eq!(image.document(other).unwrap_err().to_string(), lacks);
    let file = blob_file(dir.path(), config);
    let damaged = fs::read_to_string(&file).unwrap().replace("linux", "other");
    fs::write(file, damaged).unwrap();
    let error = layout.whole_image(None).and_then(|image| image.document(config)).unwrap_err();
    assert!(matches!(error, Error::BlobDamaged { .. }), "{error}");
}
