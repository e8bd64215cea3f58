//! The documents, checked by the specification's schemas, Debian's validator and skopeo.

use std::fs;

use oci_layout::{Compression, document::Platform};
use serde_json::{Value, json};

use crate::common::tool::{oci_image_tool, schemas, skopeo};
use crate::tools::sample::{Sample, annotations, for_each_compression, run_config};

for_each_compression! { every_document_fits_the_schemas, skopeo_reads_what_was_said }

fn every_document_fits_the_schemas(compression: Compression) {
    let sample = Sample::new(compression);
    // oci-layout, index, manifest and configuration; and five descriptors: of the last two and of
    // three layers.
    assert_eq!(schemas(&sample.layout()), "9 documents and descriptors\n");
    // It is older than zstd layers.
    if !matches!(compression, Compression::ZSTD | Compression::ZSTD_CHUNKED) {
        oci_image_tool([
            "validate",
            "--type",
            "image",
            "--ref",
            "name=latest",
            sample.layout().to_str().unwrap(),
        ]);
    }
}

fn skopeo_reads_what_was_said(compression: Compression) {
    let sample = Sample::new(compression);
    let reference = format!("oci:{}:latest", sample.layout().display());
    let config: Value = serde_json::from_str(&skopeo(["inspect", "--config", &reference])).unwrap();
    assert_eq!(config["config"], run_config());
    assert_eq!(config["rootfs"], json!({ "type": "layers", "diff_ids": sample.diff_ids() }));
    assert_eq!(config["history"].as_array().unwrap().len(), 3);
    assert_eq!(config["author"], "the tests");
    assert_eq!(config["created"], "1970-01-01T00:00:01Z");
    let platform = Platform::default();
    assert_eq!(
        (&config["os"], &config["architecture"]),
        (&json!(platform.os), &json!(platform.architecture))
    );
    let manifest: Value = serde_json::from_str(&skopeo(["inspect", "--raw", &reference])).unwrap();
    assert_eq!(manifest["annotations"], annotations());
    let index: Value =
        serde_json::from_slice(&fs::read(sample.layout().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["annotations"], json!({ "org.example.of": "the index" }));
    assert_eq!(index["manifests"][0]["annotations"]["org.example.of"], "the descriptor");
}
