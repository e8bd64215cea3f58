//! Conversions to the types of the `oci-spec` crate and back keep what both can represent.
#![cfg(feature = "oci-spec")]

use std::fmt::Debug;

use oci_layout::{
    Digest, Error,
    document::{
        Configuration, ContainerConfig, Descriptor, History, Index, Manifest, MediaType, Platform,
        RootFs,
    },
};
use oci_spec::image as spec;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// The document survives the round trip. On the way, the crate's own JSON of it is `theirs`.
#[track_caller]
fn round_trip<Ours, Theirs>(ours: Value, theirs: Value)
where
    Ours: DeserializeOwned + Clone + Debug + PartialEq + TryFrom<Theirs, Error: Debug>,
    Theirs: From<Ours> + Serialize,
{
    let document: Ours = serde_json::from_value(ours).unwrap();
    let there = Theirs::from(document.clone());
    assert_eq!(serde_json::to_value(&there).unwrap(), theirs);
    assert_eq!(Ours::try_from(there).unwrap(), document);
}

/// A document whose members both sides know.
#[track_caller]
fn same<Ours, Theirs>(document: Value)
where
    Ours: DeserializeOwned + Clone + Debug + PartialEq + TryFrom<Theirs, Error: Debug>,
    Theirs: From<Ours> + Serialize,
{
    round_trip::<Ours, Theirs>(document.clone(), document);
}

fn descriptor() -> Value {
    json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": u64::MAX,
        "urls": ["https://example.com/a"], "annotations": { "a": "1", "b": "2" }, "data": "e30=",
        "artifactType": "application/x",
        "platform": { "architecture": "amd64", "os": "linux", "variant": "v2", "features": ["sse4"] },
    })
}

fn configuration() -> Value {
    json!({
        "created": "1970-01-01T00:00:01Z", "author": "me", "architecture": "arm64", "os": "windows",
        "os.version": "10.0", "os.features": ["win32k"], "variant": "v8",
        "config": {
            "User": "1:1", "ExposedPorts": { "80/tcp": {} }, "Env": ["A=B"], "Entrypoint": [], "Cmd": ["c"],
            "Volumes": { "/data": {} }, "WorkingDir": "/", "Labels": { "l": "m" }, "StopSignal": "SIGTERM",
        },
        "rootfs": { "type": "layers", "diff_ids": [DIGEST] },
        "history": [{ "created": "2026-01-01T00:00:00Z", "author": "a", "created_by": "b", "comment": "c",
            "empty_layer": false }],
    })
}

#[test]
fn documents_survive_the_round_trip() {
    same::<Digest, spec::Digest>(json!(DIGEST));
    for name in [
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
    ] {
        same::<MediaType, spec::MediaType>(json!(name));
    }
    same::<Descriptor, spec::Descriptor>(descriptor());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    same::<Manifest, spec::ImageManifest>(json!({
        "schemaVersion": 2, "mediaType": media_type, "artifactType": "application/x", "config": descriptor(),
        "layers": [descriptor(), descriptor()], "subject": descriptor(), "annotations": { "a": "1" },
    }));
    same::<Index, spec::ImageIndex>(json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "artifactType": "application/x", "manifests": [descriptor()], "subject": descriptor(),
        "annotations": { "a": "1" },
    }));
    same::<Configuration, spec::ImageConfiguration>(configuration());
    same::<ContainerConfig, spec::Config>(configuration()["config"].clone());
    same::<RootFs, spec::RootFs>(configuration()["rootfs"].clone());
    same::<History, spec::History>(configuration()["history"][0].clone());
    // The minimal document.
    same::<Platform, spec::Platform>(json!({ "architecture": "", "os": "plan9" }));
    let least =
        json!({ "architecture": "", "os": "", "rootfs": { "type": "layers", "diff_ids": [] } });
    same::<Configuration, spec::ImageConfiguration>(least);
}

#[test]
fn members_that_oci_spec_names_differently_keep_their_value() {
    let ours = json!({ "architecture": "arm64", "os": "windows", "os.version": "1", "os.features": ["win32k"] });
    let theirs = json!({ "architecture": "arm64", "os": "windows", "os_version": "1", "os_features": ["win32k"] });
    // The crate's JSON would lose both.
    let read: spec::Platform = serde_json::from_value(ours.clone()).unwrap();
    assert_eq!((read.os_version(), read.os_features()), (&None, &None));
    round_trip::<Platform, spec::Platform>(ours, theirs);
    // And the architecture would change.
    assert_eq!(spec::Arch::from("armbe"), spec::Arch::ARM64be);
    same::<Platform, spec::Platform>(json!({ "architecture": "armbe", "os": "linux" }));
}

#[test]
fn members_that_oci_spec_lacks_are_omitted() {
    let mut ours = configuration();
    ours["config"]["Healthcheck"] = json!({ "Test": ["NONE"] });
    ours["config"]["Volumes"]["/data"] = json!({ "size": 1 });
    ours["moby.buildkit.buildinfo.v1"] = json!("x");
    ours["rootfs"]["x"] = json!(1);
    ours["history"][0]["x"] = json!(1);
    let ours: Configuration = serde_json::from_value(ours).unwrap();
    let there = spec::ImageConfiguration::from(ours);
    assert_eq!(serde_json::to_value(&there).unwrap(), configuration());
    let back = serde_json::from_value::<Configuration>(configuration()).unwrap();
    assert_eq!(Configuration::try_from(there).unwrap(), back);

    let mut ours = descriptor();
    ours["x"] = json!(1);
    ours["platform"]["x"] = json!(1);
    ours["platform"]["features"] = json!("not a list");
    let ours: Descriptor = serde_json::from_value(ours).unwrap();
    let mut theirs = descriptor();
    theirs["platform"].as_object_mut().unwrap().remove("features");
    assert_eq!(serde_json::to_value(spec::Descriptor::from(ours)).unwrap(), theirs);
}

#[test]
fn other_digest_algorithms_are_refused() {
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let refused = |error: Error| {
        error.to_string().starts_with(&format!("digest {sha512:?} has an unsupported algorithm"))
    };
    let digest: spec::Digest = sha512.parse().unwrap();
    assert!(refused(Digest::try_from(digest.clone()).unwrap_err()));
    let descriptor = spec::Descriptor::new(spec::MediaType::ImageConfig, 2, digest);
    assert!(refused(Descriptor::try_from(descriptor.clone()).unwrap_err()));
    let index = spec::ImageIndexBuilder::default()
        .schema_version(2u32)
        .manifests([descriptor])
        .build()
        .unwrap();
    assert!(refused(Index::try_from(index).unwrap_err()));
    let mut rootfs = spec::RootFs::default();
    rootfs.set_diff_ids(vec![sha512.clone()]);
    assert!(refused(RootFs::try_from(rootfs).unwrap_err()));
}
