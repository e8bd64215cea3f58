//! Layers that use blocks of earlier layers again have the bytes that they have without them.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{fs, path::Path, sync::Arc};

use crate::common::{bytes, text};
use oci_layout::{
    Blob, Compression, Digest, Error, FileMapping, ImageLayout, Layer, LayerOptions, TarLayer,
    WriteOptions, image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;

fn files(change: bool) -> Vec<FileMapping> {
    let files = (0..400).map(|number| {
        let size = if number == 100 { 5_000_000 } else { number * 20 };
        let seed = number as u64 + if change && number == 300 { 1000 } else { 0 };
        FileMapping::bytes(text(size, seed), format!("/folder/file-{number:03}"))
    });
    files.collect()
}

fn stored(files: Vec<FileMapping>, compression: Compression, dir: &Path) -> TarLayer {
    layer_tar(files, LayerOptions::from(compression).store(dir)).unwrap()
}

/// The blob of these files, made with blocks of an earlier layer.
fn reusing(files: Vec<FileMapping>, compression: Compression, earlier: Arc<dyn Layer>) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let options = LayerOptions::from(compression).reuse(&[earlier]).unwrap();
    let layer = layer_tar(files, options.store(dir.path())).unwrap();
    fs::read(layer.file().unwrap()).unwrap()
}

/// A layer with this blob.
fn layer(blob: &[u8], like: &TarLayer, dir: &Path) -> Arc<dyn Layer> {
    let digest = Digest::of(blob);
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("blobs/sha256").join(digest.hex()), blob).unwrap();
    let config = image_config([like], json!({})).unwrap();
    let image = image_manifest(config, [like.clone()], json!({})).unwrap();
    let manifest = String::from_utf8(image.bytes().to_vec()).unwrap();
    let size = format!("\"size\":{}", like.descriptor().size);
    let manifest = manifest
        .replace(&like.descriptor().digest.to_string(), &digest.to_string())
        .replace(&size, &format!("\"size\":{}", blob.len()));
    let digest = Digest::of(&manifest);
    for (digest, bytes) in [
        (digest, manifest.as_bytes()),
        (image.config().descriptor().digest, image.config().bytes()),
    ] {
        fs::write(dir.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    }
    let index = json!({ "schemaVersion": 2, "manifests": [
        { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": manifest.len() },
    ] });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    ImageLayout::open(dir).unwrap().image(None, None).unwrap().layers()[0].clone()
}

#[test]
fn the_bytes_are_those_without_earlier_layers() {
    let compressions = [
        Compression::None,
        Compression::GZIP,
        Compression::Gzip { level: 1 },
        Compression::ZSTD,
        Compression::Zstd { level: 1 },
    ];
    let dir = TempDir::new().unwrap();
    let wanted = compressions.map(|to| stored(files(true), to, dir.path()));
    for from in compressions {
        let earlier = stored(files(false), from, dir.path());
        for (to, wanted) in compressions.into_iter().zip(&wanted) {
            let blob = reusing(files(true), to, earlier.clone().into());
            assert!(blob == bytes(wanted), "{from} {to}");
        }
    }
}

/// The blocks of an earlier layer that claims the wrong level can be told apart.
#[test]
fn only_blocks_that_changed_are_compressed() {
    for (claimed, fast) in [
        (Compression::GZIP, Compression::Gzip { level: 1 }),
        (Compression::ZSTD, Compression::Zstd { level: 1 }),
    ] {
        let dir = TempDir::new().unwrap();
        let fast = stored(files(false), fast, dir.path());
        let mut blob = bytes(&fast);
        let mut at = 0;
        if claimed == Compression::GZIP {
            while at < blob.len() {
                (blob[at + 8], blob[at + 21]) = (0, 5);
                at += u32::from_le_bytes(blob[at + 16..at + 20].try_into().unwrap()) as usize;
            }
        } else {
            *blob.last_mut().unwrap() = 3;
        }
        let earlier = layer(&blob, &fast, &dir.path().join("claims"));
        let same = reusing(files(false), claimed, Arc::clone(&earlier));
        assert!(same == blob, "{claimed}");

        let changed = reusing(files(true), claimed, earlier);
        assert!(changed != bytes(&stored(files(true), claimed, dir.path())));
        let (first, last) = (common_start(&changed, &blob), common_end(&changed, &blob));
        assert!(first > 0 && last > 0, "{claimed}");
        let replaced = changed.len() - first - last;
        let largest = if claimed == Compression::GZIP { 1 << 20 } else { 4 << 20 };
        assert!(replaced < largest, "{replaced} of {} bytes, {claimed}", changed.len());
    }
}

fn common_start(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_end(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Other programs do not write labels.
#[test]
fn layers_of_others_are_not_used() {
    let dir = TempDir::new().unwrap();
    let tar = bytes(&stored(files(false), Compression::None, dir.path()));
    let like = stored(files(false), Compression::GZIP, dir.path());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(5));
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    let earlier = layer(&gzip.finish().unwrap(), &like, &dir.path().join("other"));
    assert!(reusing(files(false), Compression::GZIP, earlier) == bytes(&like));
}

#[test]
fn damage_is_noticed() {
    for compression in [Compression::GZIP, Compression::ZSTD] {
        let dir = TempDir::new().unwrap();
        let wanted = stored(files(true), compression, dir.path());
        let other = dir.path().join("other");
        let earlier = stored(files(false), compression, &other);
        let file = earlier.file().unwrap().to_owned();
        let earlier: Arc<dyn Layer> = earlier.into();

        // After the blob was verified: the blocks are compressed again.
        let options = LayerOptions::from(compression).reuse([&earlier]).unwrap();
        let mut blob = fs::read(&file).unwrap();
        for byte in blob.iter_mut().skip(1000).step_by(4099) {
            *byte ^= 1;
        }
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        #[allow(clippy::permissions_set_readonly_false, reason = "a test of this user")]
        permissions.set_readonly(false);
        fs::set_permissions(&file, permissions).unwrap();
        fs::write(&file, blob).unwrap();
        let layer = layer_tar(files(true), options).unwrap();
        assert_eq!(layer.descriptor(), wanted.descriptor());

        // Before.
        let error = LayerOptions::from(compression).reuse([&earlier]).unwrap_err();
        assert!(matches!(error, Error::BlobDamaged { .. }), "{error}");
    }
}

/// A layout that is being replaced keeps the blocks readable.
#[test]
fn an_earlier_layout_may_be_removed_meanwhile() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("image");
    let first = stored(files(false), Compression::GZIP, &out);
    let config = image_config([&first], json!({})).unwrap();
    let image = image_manifest(config, [first], json!({})).unwrap();
    image_layout(&out, [image], json!({})).unwrap();
    let image = ImageLayout::open(&out).unwrap().image(None, None).unwrap();
    let options = LayerOptions::default().write(WriteOptions::default());
    let options = options.reuse(image.layers()).unwrap();
    fs::remove_dir_all(&out).unwrap();
    let layer = layer_tar(files(true), options).unwrap();
    let wanted = stored(files(true), Compression::GZIP, dir.path());
    assert_eq!(layer.descriptor(), wanted.descriptor());
}

fn cached(files: Vec<FileMapping>, compression: Compression, cache: &Path, limit: u64) -> Digest {
    let options = LayerOptions::from(compression).block_cache(cache, limit).unwrap();
    layer_tar(files, options).unwrap().descriptor().digest
}

fn blocks(cache: &Path) -> Vec<std::path::PathBuf> {
    let folder = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_cache_changes_no_byte() {
    let dir = TempDir::new().unwrap();
    for compression in [Compression::GZIP, Compression::Gzip { level: 1 }, Compression::ZSTD] {
        let cache = dir.path().join(compression.to_string());
        let store = dir.path().join("store");
        let [before, after] = [false, true]
            .map(|change| stored(files(change), compression, &store).descriptor().digest);
        for _ in 0..2 {
            assert_eq!(cached(files(false), compression, &cache, u64::MAX), before);
            assert_eq!(cached(files(true), compression, &cache, u64::MAX), after);
        }
        // Blocks of one level do not serve another.
        assert_eq!(
            cached(files(true), Compression::Gzip { level: 2 }, &cache, u64::MAX),
            stored(files(true), Compression::Gzip { level: 2 }, &store).descriptor().digest
        );
    }
}

/// A block that another level made shows that the cache is used.
#[test]
fn blocks_come_from_the_cache() {
    let dir = TempDir::new().unwrap();
    let cache = dir.path().join("cache");
    let few = || vec![FileMapping::bytes(text(300_000, 1), "/file")];
    let fast = cached(few(), Compression::Gzip { level: 1 }, &cache, u64::MAX);
    let [block] = &blocks(&cache)[..] else { panic!("one block") };
    let name = block.file_name().unwrap().to_str().unwrap();
    fs::rename(block, block.with_file_name(name.replace("gzip-1", "gzip"))).unwrap();
    assert_eq!(cached(few(), Compression::GZIP, &cache, u64::MAX), fast);
}

#[test]
fn a_damaged_cache_costs_time_only() {
    let dir = TempDir::new().unwrap();
    let cache = dir.path().join("cache");
    let digest = cached(files(true), Compression::GZIP, &cache, u64::MAX);
    let damages: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |_| Vec::new(),
        |block| block[..3].to_vec(),
        |block| block[..block.len() / 2].to_vec(),
        |mut block| {
            // The last bits of a compressed block can mean nothing: only the checksum shows them.
            let at = block.len() - 13;
            block[at] ^= 0x80;
            block
        },
        |mut block| {
            block[4] = 1;
            block
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        for block in blocks(&cache) {
            fs::write(&block, damage(fs::read(&block).unwrap())).unwrap();
        }
        assert_eq!(cached(files(true), Compression::GZIP, &cache, u64::MAX), digest, "{number}");
        // The damaged blocks were replaced: without compressing, nothing is written.
        assert!(blocks(&cache).iter().all(|block| fs::metadata(block).unwrap().len() > 100));
    }
    // Another block in a file with the right name.
    let all = blocks(&cache);
    fs::copy(&all[0], &all[1]).unwrap();
    assert_eq!(cached(files(true), Compression::GZIP, &cache, u64::MAX), digest);
}

#[test]
fn a_cache_has_a_maximum_size() {
    let dir = TempDir::new().unwrap();
    let cache = dir.path().join("cache");
    let size =
        || blocks(&cache).iter().map(|block| fs::metadata(block).unwrap().len()).sum::<u64>();
    let digest = cached(files(true), Compression::GZIP, &cache, u64::MAX);
    let all = size();
    for limit in [all, all / 2, 0] {
        assert_eq!(cached(files(true), Compression::GZIP, &cache, limit), digest);
        assert!(size() <= limit, "{} of {limit}", size());
    }
}

#[test]
fn several_processes_use_a_cache() {
    let dir = TempDir::new().unwrap();
    let cache = dir.path().join("cache");
    let digest = stored(files(true), Compression::GZIP, dir.path()).descriptor().digest;
    std::thread::scope(|scope| {
        let all = (0..4).map(|number| {
            let limit = if number % 2 == 0 { 300_000 } else { u64::MAX };
            let cache = &cache;
            scope.spawn(move || cached(files(true), Compression::GZIP, cache, limit))
        });
        for found in all.collect::<Vec<_>>() {
            assert_eq!(found.join().unwrap(), digest);
        }
    });
}
