//! Digests that must not change: the promise of `BYTE_FORMAT`, in `tests/golden.txt`.
//!
//! A deliberate change of the format raises `BYTE_FORMAT`. `GOLDEN=write cargo test --test library
//! golden` then writes the table again. `tests/library/byte_format.rs`, and not this test, shows
//! that the bytes are right.
#![cfg(all(feature = "gzip", feature = "zstd"))]

use std::{env, fs};

use crate::common::rich::{rich_tree, tabled_tree};
use oci_layout::{
    BYTE_FORMAT, Blob, Compression, ConfigOptions, Layer, LayerOptions, document::Platform,
    image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;

#[test]
fn digests_are_those_of_the_table() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt");
    let found = found();
    if env::var_os("GOLDEN").is_some_and(|golden| golden == "write") {
        return fs::write(table, found).unwrap();
    }
    let promised = fs::read_to_string(table).unwrap();
    assert_eq!(found.lines().count(), promised.lines().count());
    for (found, promised) in found.lines().zip(promised.lines()) {
        if let Some(refused) = found.strip_suffix(REFUSED) {
            assert!(promised.starts_with(refused), "{refused} is not the level in {promised}");
            continue;
        }
        assert_eq!(
            found, promised,
            "the bytes of format {BYTE_FORMAT} changed; see tests/library/golden.rs"
        );
    }
}

/// In place of a digest on big-endian machines, where some levels of zstd are refused.
const REFUSED: &str = "refused";

fn digest(compression: Compression) -> String {
    let is_chunked = matches!(compression, Compression::ZstdChunked { .. });
    let layer = layer_tar(if is_chunked { tabled_tree() } else { rich_tree() }, compression);
    let is_high = matches!(
        compression,
        Compression::Zstd { level: 4.. } | Compression::ZstdChunked { level: 4.. }
    );
    if cfg!(target_endian = "big") && is_high {
        let error = layer.unwrap_err().to_string();
        assert!(error.contains("on big-endian machines"), "{error}");
        return REFUSED.to_owned();
    }
    layer.unwrap().descriptor().digest.to_string()
}

fn found() -> String {
    let mut table = format!("byte-format {BYTE_FORMAT}\n");
    let mut add = |what: &str, value: &dyn std::fmt::Display| table += &format!("{what} {value}\n");
    let gzip = (1..=12).map(|level| Compression::Gzip { level });
    let zstd = [1, 3, 6, 9, 12, 19].map(|level| Compression::Zstd { level });
    let chunked = [1, 3, 9, 19].map(|level| Compression::ZstdChunked { level });
    for compression in [Compression::None].into_iter().chain(gzip).chain(zstd).chain(chunked) {
        if compression == Compression::None {
            add("diff-id", &layer_tar(rich_tree(), compression).unwrap().diff_id());
        }
        add(&compression.to_string(), &digest(compression));
    }

    let dir = TempDir::new().unwrap();
    let options = LayerOptions::from(Compression::None).store(dir.path());
    let image = |platform: Platform| {
        let layer = layer_tar(rich_tree(), options.clone()).unwrap();
        let extra = json!({
            "author": "A. Nonymous",
            "config": {
                "User": "1000:1000", "Env": ["PATH=/bin", "EMPTY="], "Entrypoint": ["/bin/app"], "Cmd": ["\u{1}\n"],
                "ExposedPorts": { "80/tcp": {}, "53/udp": {} }, "Volumes": { "/data": {} }, "WorkingDir": "/",
                "Labels": { "z": "1", "a": "ä\u{7f}" }, "StopSignal": "SIGTERM",
                "Healthcheck": { "Test": ["CMD", "true"], "Interval": 1_000_000_000_u64 },
            },
        });
        let config = image_config([&layer], ConfigOptions::new(extra).platform(platform)).unwrap();
        image_manifest(config, [layer], json!({ "annotations": { "z": "1", "a": "2" } })).unwrap()
    };
    let images = ["linux/amd64", "linux/arm64/v8"].map(|platform| image(platform.parse().unwrap()));
    for image in &images {
        add("config", &String::from_utf8_lossy(image.config().bytes()));
        add("manifest", &String::from_utf8_lossy(image.bytes()));
    }
    let [one, other] = images.map(|image| image.tagged("ghcr.io/me/app:1.0"));
    let layout =
        image_layout(dir.path(), [one, other], json!({ "annotations": { "k": "v" } })).unwrap();
    let nested =
        dir.path().join("blobs/sha256").join(layout.index().unwrap().manifests[0].digest.hex());
    add("nested-index", &fs::read_to_string(nested).unwrap());
    for file in ["index.json", "oci-layout"] {
        add(file, &fs::read_to_string(dir.path().join(file)).unwrap());
    }
    table
}
