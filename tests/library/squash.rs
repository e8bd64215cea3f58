//! Images with merged layers, and with layers in another compression.

use oci_layout::{
    Blob, Compression, Error, FileMapping, Image, ImageLayout, Layer, LayerOptions, PlatformImage,
    Pool, WriteOptions, image_config, image_layout, image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::json;
use tempfile::TempDir;

use super::layer_diff::unpacked;
use crate::common::text;

/// Three layers, of which the upper two change the lowest.
fn image(compression: Compression) -> PlatformImage {
    let layers = [
        vec![
            FileMapping::text("1", "/etc/kept").mode(0o600),
            FileMapping::text("1", "/etc/changed"),
            FileMapping::text("1", "/gone/file"),
        ],
        vec![FileMapping::text("2", "/etc/changed"), FileMapping::text("2", "/between")],
        vec![FileMapping::whiteout("/gone"), FileMapping::whiteout("/between")],
    ];
    image_of(&layers, compression)
}

fn image_of(layers: &[Vec<FileMapping>], compression: Compression) -> PlatformImage {
    let layer = |files: &Vec<_>| layer_tar(files.clone(), LayerOptions::from(compression)).unwrap();
    let layers: Vec<_> = layers.iter().map(layer).collect();
    let config = json!({ "config": { "Env": ["A=1"] }, "author": "me" });
    let config = image_config(&layers, config).unwrap();
    let annotations = json!({ "annotations": { "x": "y" } });
    let image = image_manifest(config, layers, annotations).unwrap();
    PlatformImage::of(&image.into(), None).unwrap()
}

/// Writes a layout, in which nothing is wrong.
fn written(dir: &TempDir, image: &PlatformImage) -> PlatformImage {
    image_layout(dir.path(), [Image::from(image.clone())], json!({})).unwrap();
    assert_eq!(verify(dir.path(), &VerifyOptions::default()).unwrap(), []);
    ImageLayout::open(dir.path()).unwrap().image(None, None).unwrap()
}

#[test]
fn merged_layers_have_the_files_that_a_container_sees() {
    let image = image(Compression::GZIP);
    for (count, names) in [
        (1, &["etc/", ".wh.between"][..]),
        (2, &[".wh.gone", "etc/", "etc/changed"]),
        (3, &["etc/", "etc/changed", "etc/kept"]),
    ] {
        let dir = TempDir::new().unwrap();
        let options = LayerOptions::default().store(dir.path());
        let squashed = written(&dir, &image.squashed(count, options).unwrap());
        let kept = 3 - count;
        assert_eq!(squashed.layers().len(), kept + 1);
        for (old, new) in image.layers()[..kept].iter().zip(squashed.layers()) {
            assert_eq!(old.descriptor(), new.descriptor());
        }
        assert_eq!(unpacked(squashed.layers().to_vec()), unpacked(image.layers().to_vec()));
        let top = oci_layout::layer_entries(&*squashed.layers()[kept]).unwrap();
        let found: Vec<_> = top.map(|entry| entry.unwrap().path.display().to_string()).collect();
        if count > 1 {
            assert_eq!(found, names);
        }
        let configuration = squashed.configuration();
        let diff_ids: Vec<_> = squashed.layers().iter().map(|layer| layer.diff_id()).collect();
        assert_eq!(configuration.rootfs.diff_ids, diff_ids);
        let empty: Vec<_> =
            configuration.history.iter().map(|entry| entry.empty_layer == Some(true)).collect();
        assert_eq!(empty.iter().filter(|is_empty| !**is_empty).count(), kept + 1);
        assert_eq!(empty.len(), 4);
        assert_eq!(configuration.config, image.configuration().config);
        assert_eq!(configuration.author.as_deref(), Some("me"));
        assert_eq!(squashed.manifest().annotations, image.manifest().annotations);
    }
    for count in [0, 4] {
        let error = image.squashed(count, LayerOptions::default().store("/nothing")).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
}

#[test]
fn another_compression_gives_the_bytes_of_a_layer_made_with_it() {
    // Several blocks: they end at entries, with and without extended headers, and in large files.
    let large = (0..400).map(|number| {
        let size = if number == 70 { 9_000_000 } else { number * 77 };
        let folder = if number % 3 == 0 { "long".repeat(30) } else { "short".to_owned() };
        FileMapping::bytes(text(size, number as u64), format!("/{folder}/file-{number}"))
    });
    let layers = [large.collect(), vec![FileMapping::whiteout("/short/file-1")]];
    let image = |compression| image_of(&layers, compression);
    let compressions =
        [Compression::None, Compression::GZIP, Compression::ZSTD, Compression::ZSTD_CHUNKED];
    for from in compressions {
        let image = image(from);
        for to in compressions {
            let dir = TempDir::new().unwrap();
            let (recompressed, warnings) =
                image.recompressed(to, dir.path(), WriteOptions::default(), &Pool::new(3)).unwrap();
            assert_eq!(warnings, []);
            let recompressed = written(&dir, &recompressed);
            let wanted = self::image_of(&layers, to);
            let digests = |image: &PlatformImage| {
                image.layers().iter().map(|layer| layer.descriptor().digest).collect::<Vec<_>>()
            };
            assert_eq!(digests(&recompressed), digests(&wanted), "{from} {to}");
            assert_eq!(recompressed.manifest(), wanted.manifest());
            assert_eq!(recompressed.manifest().config, image.manifest().config);
        }
    }
}

#[test]
fn layers_above_a_base_are_counted() {
    let image = image(Compression::GZIP);
    let dir = TempDir::new().unwrap();
    assert_eq!(image.layers_above(&image).unwrap(), 0);
    for count in [2, 3] {
        let base = image.squashed(count, LayerOptions::default().store(dir.path())).unwrap();
        let error = image.layers_above(&base).unwrap_err();
        assert!(matches!(error, Error::OtherBase { .. }), "{error:?}");
        assert!(error.to_string().contains(" was not built on image sha256:"), "{error}");
    }
}
