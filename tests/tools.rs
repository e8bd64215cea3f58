//! Programs that others wrote accept the layouts, and find in them what was put in.

mod common;

mod tools {
    mod artifact;
    mod base;
    mod build;
    mod check;
    mod chunked;
    mod copy;
    mod document;
    mod edit;
    mod entry;
    mod examples;
    mod export;
    mod faults;
    mod inspect;
    mod layering;
    mod limits;
    mod listing;
    mod mutate;
    mod named;
    #[cfg(feature = "on-demand")]
    mod on_demand;
    #[cfg(feature = "on-demand")]
    mod on_demand_redirect;
    mod page;
    mod platforms;
    mod proxies;
    mod pull;
    mod push;
    mod python;
    mod readme;
    mod real_base;
    mod referrers;
    mod run;
    mod sample;
    mod sbom;
    mod serve;
    mod serve_tls;
    mod services;
    mod signatures;
    mod sparse;
    mod split;
    mod terminal;
    mod tls;
    mod transport;
    mod unpack;
    mod values_of_configurations;
    mod verbs;
}

use std::fs;

use common::docker::{Docker, VERSIONS};
use common::tool::{
    Containerd, Containers, Registry, cosign, crane, oci_image_tool, oras, schemas, skopeo, umoci,
};

/// Reports a missing program before the other failures do.
#[test]
fn every_tool_is_installed() {
    let containers = Containers::new("/");
    let containerd = Containerd::start();
    for version in VERSIONS {
        assert!(!Docker::start(version).docker(["version"]).is_empty());
    }
    for said in [
        containers.podman(["--version"]),
        containers.buildah(["--version"]),
        containerd.ctr(["version"]),
        cosign(["version"]),
        crane(["version"]),
        oci_image_tool(["--version"]),
        oras(["version"]),
        skopeo(["--version"]),
        umoci(["--version"]),
    ] {
        assert!(!said.is_empty());
    }
}

#[test]
fn a_registry_answers_and_is_empty() {
    let registry = Registry::start();
    assert_eq!(crane(["catalog", "--insecure", &registry.address]), "");
}

#[test]
fn an_empty_layout_fits_the_schemas() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(dir.path().join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    assert_eq!(schemas(dir.path()), "2 documents and descriptors\n");
}
