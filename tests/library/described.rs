//! Described layers: their bytes are made when they are read.

use std::io::Read;

use oci_layout::{Blob, Compression, Digest, FileMapping, LayerOptions, Pool, TarLayer, layer_tar};

fn described(name: &str, pool: &Pool, compression: Compression) -> TarLayer {
    let noise: Vec<u8> =
        (0..24u32 << 20).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 13) as u8).collect();
    layer_tar(
        [FileMapping::bytes(noise, name)],
        LayerOptions::default().pool(pool).compression(compression),
    )
    .unwrap()
}

fn digest_of(mut reader: impl Read) -> Digest {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    Digest::of(bytes)
}

/// A reader that stops reading must not keep threads or memory from the others.
#[test]
fn described_layers_are_read_in_any_order_with_one_thread() {
    let pool = Pool::new(1);
    let layers = ["/a", "/b", "/c"].map(|name| described(name, &pool, Compression::None));
    let mut readers = layers.each_ref().map(|layer| layer.open().unwrap());
    for reader in &mut readers {
        reader.read_exact(&mut [0; 700]).unwrap();
    }
    drop(readers);
    let readers = layers.each_ref().map(|layer| layer.open().unwrap());
    for (reader, layer) in readers.into_iter().zip(&layers).rev() {
        assert_eq!(digest_of(reader), layer.descriptor().digest);
    }
}

#[test]
fn a_described_layer_is_the_blob_that_a_stored_one_writes() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let pool = Pool::new(3);
        let described = described("/a", &pool, compression);
        let noise: Vec<u8> =
            (0..24u32 << 20).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 13) as u8).collect();
        let options = LayerOptions::default().compression(compression).store(dir.path());
        let stored = layer_tar([FileMapping::bytes(noise, "/a")], options).unwrap();
        assert_eq!(described.descriptor(), stored.descriptor());
        assert_eq!(digest_of(described.open().unwrap()), digest_of(stored.open().unwrap()));
    }
}

/// The digest of the uncompressed bytes is the diff ID, for any compression and any place of the
/// blob.
#[test]
fn a_layer_gives_its_uncompressed_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let files = || [FileMapping::text("hello", "/etc/motd")];
        let options = LayerOptions::from(compression);
        let layers =
            [layer_tar(files(), options.clone()), layer_tar(files(), options.store(dir.path()))];
        for layer in layers.map(Result::unwrap) {
            let shared: std::sync::Arc<dyn oci_layout::Layer> = layer.into();
            assert_eq!(
                digest_of(shared.uncompressed().unwrap()),
                shared.diff_id(),
                "{compression}"
            );
        }
    }
}
