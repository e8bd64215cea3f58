//! `verify` finds nothing in a good layout, and in a layout with one defect exactly that defect, at
//! its place.
#![cfg(all(feature = "gzip", feature = "zstd"))]

mod archives;
mod damage;
mod documents;
mod files;
mod hostile;
mod layers;
mod layout;
mod readers;
mod table;
mod values_of_configurations;

use layout::{Layout, verify};
use oci_layout::{
    Pool,
    verify::{Finding, VerifyOptions},
};

#[test]
fn a_good_layout_has_no_findings() {
    assert_eq!(verify(Layout::good().path()), []);
}

/// Deviations that other programs write, or that the specification allows.
#[test]
fn allowed_deviations_are_not_reported() {
    let layout = Layout::good();
    // An unreferenced blob, the leftover of a killed writer, and files that the specification does
    // not know.
    layout.put(b"nothing refers to this");
    std::fs::write(layout.path().join("blobs/sha256/.oci-layout-x1y2z3"), "half a bl").unwrap();
    std::fs::write(layout.path().join("README"), "hello").unwrap();
    std::fs::create_dir(layout.path().join("blobs/sha512")).unwrap();
    // Go writes empty lists and maps as null in a configuration.
    layout.edit_json(&["/manifests/0", "/config"], |config| {
        config["config"]["Cmd"] = serde_json::Value::Null;
        config["config"]["Volumes"] = serde_json::Value::Null;
        config["os.features"] = serde_json::Value::Null;
    });
    // An artifact whose subject is elsewhere.
    layout.edit_json(&["/manifests/2"], |artifact| {
        artifact["subject"] = serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": oci_layout::Digest::of("x"), "size": 1,
        });
    });
    // BuildKit writes attestations for each platform, for an unknown platform.
    let config = layout.put_json(&serde_json::json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [oci_layout::Digest::of("{}")] },
    }));
    let manifest = |title: &str| {
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": layout::descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [layout::descriptor("application/vnd.in-toto+json", &layout.put(b"{}"))],
            "annotations": { "title": title },
        })
    };
    let attestations = ["one", "two"].map(|title| {
        let digest = layout.put_json(&manifest(title));
        let mut entry = layout::descriptor("application/vnd.oci.image.manifest.v1+json", &digest);
        entry["platform"] = serde_json::json!({ "architecture": "unknown", "os": "unknown" });
        entry
    });
    layout.edit_json(&["/manifests/1"], |index| {
        index["manifests"].as_array_mut().unwrap().extend(attestations);
    });
    // A layer that only its owner may distribute.
    layout.edit_json(&["/manifests/3"], |manifest| {
        let layer = &mut manifest["layers"][0];
        layer["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
        layer["digest"] = oci_layout::Digest::of("elsewhere").to_string().into();
        layer["urls"] = serde_json::json!(["https://example.com/layer"]);
    });
    assert_eq!(verify(layout.path()), []);
}

#[test]
fn a_path_that_cannot_be_opened_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, sentence) in [
        (
            dir.path().join("none"),
            "does not exist: give the folder of an image layout, or an archive of images",
        ),
        (fifo, "is a fifo: give the folder of an image layout, or an archive of images"),
    ] {
        let error = oci_layout::verify::verify(&path, &VerifyOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("{path:?} {sentence}"));
    }
}

/// A line for people, and an object for programs.
#[test]
fn a_finding_is_a_line_and_an_object() {
    let layout = Layout::good();
    let digest = layout.digest(&["/manifests/0", "/layers/1"]);
    std::fs::remove_file(layout.blob(digest)).unwrap();
    let findings: Vec<Finding> =
        oci_layout::verify::verify(layout.path(), &VerifyOptions::default().pool(&Pool::new(1)))
            .unwrap();
    let place = "index.json, manifests[0], layers[1]";
    let message = "is missing: fetch or build the whole image again";
    assert_eq!(
        findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
        [format!("{place} ({digest}): {message}")]
    );
    assert_eq!(
        serde_json::to_value(&findings).unwrap(),
        serde_json::json!([{
            "severity": "error", "place": place, "digest": digest, "defect": "blob-missing", "message": message,
        }])
    );
}
