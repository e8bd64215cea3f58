//! Defects of indexes, manifests and configurations.

use oci_layout::Digest;
use serde_json::{Value, json};

use super::layout::{Expected, Layout, descriptor, expected, verify};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A change of one document, and the expected finding.
struct Case {
    name: &'static str,
    /// The document: a path of descriptors from `index.json`.
    way: &'static [&'static str],
    change: fn(&mut Value),
    found: &'static [(&'static str, &'static str)],
}

const fn case(
    name: &'static str,
    way: &'static [&'static str],
    change: fn(&mut Value),
    found: &'static [(&'static str, &'static str)],
) -> Case {
    Case { name, way, change, found }
}

fn remove(object: &mut Value, member: &str) {
    object.as_object_mut().unwrap().remove(member).unwrap();
}

const APP: &[&str] = &["/manifests/0"];
const APP_CONFIG: &[&str] = &["/manifests/0", "/config"];
const MULTI: &[&str] = &["/manifests/1"];
const ARTIFACT: &[&str] = &["/manifests/2"];
const DOCKER: &[&str] = &["/manifests/3"];

const CASES: &[Case] = &[
    // Descriptors, in index.json and in a manifest.
    case(
        "a digest that is too short",
        APP,
        |v| v["layers"][0]["digest"] = "sha256:00".into(),
        &[(
            "layers[0].digest",
            "is \"sha256:00\", which does not have 64 lower-case hexadecimal digits: the blob was \
             not checked",
        )],
    ),
    case(
        "a digest by another algorithm",
        &[],
        |v| v["manifests"][0]["digest"] = format!("sha512:{:0128}", 0).into(),
        &[(
            "manifests[0].digest",
            "is \"sha512:00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\", which has an unsupported algorithm: only sha256 is supported: the blob was not checked",
        )],
    ),
    case(
        "a digest that is a number",
        &[],
        |v| v["manifests"][0]["digest"] = 1.into(),
        &[("manifests[0].digest", "is 1 and must be a digest, sha256:HEX")],
    ),
    case(
        "no digest",
        APP,
        |v| remove(&mut v["config"], "digest"),
        &[("config.digest", "is missing and must be a digest, sha256:HEX")],
    ),
    case(
        "a negative size",
        APP,
        |v| v["layers"][0]["size"] = json!(-1),
        &[("layers[0].size", "is -1 and must be a number of bytes, from 0 to 2^63 - 1")],
    ),
    case(
        "a size beyond what Go reads",
        APP,
        |v| v["layers"][0]["size"] = json!(u64::MAX),
        &[(
            "layers[0].size",
            "is 18446744073709551615 and must be a number of bytes, from 0 to 2^63 - 1",
        )],
    ),
    case(
        "a size in parts of bytes",
        &[],
        |v| v["manifests"][0]["size"] = json!(1.5),
        &[("manifests[0].size", "is 1.5 and must be a number of bytes, from 0 to 2^63 - 1")],
    ),
    case(
        "no size",
        &[],
        |v| remove(&mut v["manifests"][1], "size"),
        &[("manifests[1].size", "is missing and must be a number of bytes, from 0 to 2^63 - 1")],
    ),
    case(
        "several things wrong with one descriptor, none hides another",
        APP,
        |v| {
            v["layers"][0] = json!({ "mediaType": "tar", "size": "1", "urls": [1], "annotations": { "a": 1 }, "data": 1 });
        },
        &[
            ("layers[0].mediaType", "is \"tar\" and must be a media type, TYPE/NAME"),
            ("layers[0].digest", "is missing and must be a digest, sha256:HEX"),
            ("layers[0].size", "is \"1\" and must be a number of bytes, from 0 to 2^63 - 1"),
            ("layers[0].urls[0]", "is 1 and must be a string"),
            ("layers[0].annotations.a", "is 1 and must be a string"),
            ("layers[0].data", "is 1 and must be a string, base64"),
        ],
    ),
    case(
        "a descriptor that is a string",
        &[],
        |v| v["manifests"][0] = "app".into(),
        &[("manifests[0]", "is \"app\" and must be an object")],
    ),
    case(
        "data that is not the blob",
        ARTIFACT,
        |v| v["config"]["data"] = "e30K".into(),
        &[(
            "config.data",
            "is not the base64 of the bytes that the descriptor describes: correct or remove it",
        )],
    ),
    case("data that is the blob", ARTIFACT, |v| v["config"]["data"] = "e30=".into(), &[]),
    case(
        "a platform without an architecture",
        &[],
        |v| {
            v["manifests"][0]["platform"] = json!({ "os": "", "os.features": "x", "variant": 8 });
        },
        &[
            (
                "manifests[0].platform.architecture",
                "is missing and must be a string that is not empty",
            ),
            ("manifests[0].platform.os", "is \"\" and must be a string that is not empty"),
            ("manifests[0].platform.os.features", "is \"x\" and must be a list of strings"),
            ("manifests[0].platform.variant", "is 8 and must be a string"),
        ],
    ),
    // Indexes.
    case(
        "index.json without a media type",
        &[],
        |v| remove(v, "mediaType"),
        &[(
            "mediaType",
            "is missing and should be \"application/vnd.oci.image.index.v1+json\": without it, \
             readers may mistake the document for another kind",
        )],
    ),
    case(
        "index.json with another media type",
        &[],
        |v| v["mediaType"] = MANIFEST.into(),
        &[(
            "mediaType",
            "is \"application/vnd.oci.image.manifest.v1+json\" and must be \"application/vnd.oci.image.index.v1+json\", as in the descriptor of the document",
        )],
    ),
    case(
        "index.json of another version",
        &[],
        |v| v["schemaVersion"] = 1.into(),
        &[("schemaVersion", "is 1 and must be 2")],
    ),
    case(
        "an index without a version",
        MULTI,
        |v| remove(v, "schemaVersion"),
        &[("schemaVersion", "is missing and must be 2")],
    ),
    case(
        "an index without a media type",
        MULTI,
        |v| remove(v, "mediaType"),
        &[(
            "mediaType",
            "is missing and should be \"application/vnd.oci.image.index.v1+json\": without it, \
             readers may mistake the document for another kind",
        )],
    ),
    case(
        "manifests is null",
        MULTI,
        |v| v["manifests"] = Value::Null,
        &[("manifests", "is null and must be a list of descriptors, which may be empty")],
    ),
    case(
        "index.json without manifests",
        &[],
        |v| remove(v, "manifests"),
        &[("manifests", "is missing and must be a list of descriptors, which may be empty")],
    ),
    case(
        "annotations that are a list",
        MULTI,
        |v| v["annotations"] = json!([]),
        &[("annotations", "is a list and must be an object of strings")],
    ),
    case(
        "two images with one tag",
        &[],
        |v| {
            v["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] = "app".into();
        },
        &[(
            "manifests[1]",
            "has the org.opencontainers.image.ref.name \"app\", and so has index.json, \
             manifests[0], which is another image: rename one of them",
        )],
    ),
    case(
        "two images with one full name",
        &[],
        |v| {
            for (number, tag) in [(0, "app"), (1, "multi")] {
                v["manifests"][number]["annotations"] = json!({
                    "org.opencontainers.image.ref.name": tag, "io.containerd.image.name": "docker.io/library/app:app",
                });
            }
        },
        &[(
            "manifests[1]",
            "has the io.containerd.image.name \"docker.io/library/app:app\", and so has \
             index.json, manifests[0], which is another image: rename one of them",
        )],
    ),
    case(
        "one image twice with one tag",
        &[],
        |v| {
            let entry = v["manifests"][0].clone();
            v["manifests"].as_array_mut().unwrap().push(entry);
        },
        &[(
            "manifests[4]",
            "repeats index.json, manifests[0]: tools refuse to choose; remove one of the two",
        )],
    ),
    case(
        "two images for one platform",
        MULTI,
        |v| {
            v["manifests"][1]["platform"] = json!({ "architecture": "amd64", "os": "linux" });
        },
        &[
            (
                "manifests[1]",
                "is for linux/amd64, and so is index.json, manifests[1], manifests[0]: readers \
                 use one and never see the other",
            ),
            (
                "manifests[1].platform",
                "is linux/amd64, but the configuration says linux/arm64/v8: correct the wrong one",
            ),
        ],
    ),
    case(
        "another operating system",
        &[],
        |v| v["manifests"][0]["platform"]["os"] = "windows".into(),
        &[(
            "manifests[0].platform",
            "is windows/amd64, but the configuration says linux/amd64: correct the wrong one",
        )],
    ),
    case(
        "another variant",
        MULTI,
        |v| v["manifests"][1]["platform"]["variant"] = "v9".into(),
        &[(
            "manifests[1].platform",
            "is linux/arm64/v9, but the configuration says linux/arm64/v8: correct the wrong one",
        )],
    ),
    case(
        "a variant in the index alone",
        &[],
        |v| v["manifests"][0]["platform"]["variant"] = "v3".into(),
        &[(
            "manifests[0].platform",
            "is linux/amd64/v3, but the configuration says linux/amd64: correct the wrong one",
        )],
    ),
    case(
        "arm64 without its only variant",
        MULTI,
        |v| remove(&mut v["manifests"][1]["platform"], "variant"),
        &[],
    ),
    // Manifests.
    case(
        "a manifest without a media type",
        APP,
        |v| remove(v, "mediaType"),
        &[(
            "mediaType",
            "is missing and should be \"application/vnd.oci.image.manifest.v1+json\": without it, \
             readers may mistake the document for another kind",
        )],
    ),
    case(
        "Docker's manifest without a media type",
        DOCKER,
        |v| remove(v, "mediaType"),
        &[(
            "mediaType",
            "is missing and should be \"application/vnd.docker.distribution.manifest.v2+json\": \
             without it, readers may mistake the document for another kind",
        )],
    ),
    case(
        "Docker's manifest with OCI's media type",
        DOCKER,
        |v| v["mediaType"] = MANIFEST.into(),
        &[(
            "mediaType",
            "is \"application/vnd.oci.image.manifest.v1+json\" and must be \"application/vnd.docker.distribution.manifest.v2+json\", as in the descriptor of the document",
        )],
    ),
    case(
        "a manifest of another version",
        APP,
        |v| v["schemaVersion"] = "2".into(),
        &[("schemaVersion", "is \"2\" and must be 2")],
    ),
    case(
        "a manifest without a configuration",
        APP,
        |v| remove(v, "config"),
        &[("config", "is missing and must be a descriptor")],
    ),
    case(
        "layers is null",
        ARTIFACT,
        |v| v["layers"] = Value::Null,
        &[("layers", "is null and must be a list of descriptors")],
    ),
    case(
        "a manifest that is a list",
        ARTIFACT,
        |v| *v = json!([]),
        &[("", "is a list and must be an object")],
    ),
    case(
        "fewer layers than diff IDs",
        APP,
        |v| drop(v["layers"].as_array_mut().unwrap().pop()),
        &[(
            "layers",
            "has 2 layers, but its configuration has 3 diff IDs: each layer requires one",
        )],
    ),
    case(
        "layers in another order",
        APP,
        |v| v["layers"].as_array_mut().unwrap().reverse(),
        &[
            // A test below checks which digests these are.
            ("layers[0]", "DIFF IDS 2 0"),
            ("layers[2]", "DIFF IDS 0 2"),
        ],
    ),
    case(
        "an artifact without a type",
        ARTIFACT,
        |v| remove(v, "artifactType"),
        &[(
            "artifactType",
            "is missing and must be a media type, because the configuration is the empty one",
        )],
    ),
    case(
        "an artifact with a type that is none",
        ARTIFACT,
        |v| v["artifactType"] = "spdx".into(),
        &[("artifactType", "is \"spdx\" and must be a media type, TYPE/NAME")],
    ),
    case(
        "a configuration that is not as empty as it says",
        APP,
        |v| {
            v["artifactType"] = "a/b".into();
            v["config"]["mediaType"] = EMPTY.into();
        },
        &[("config", "is described as the empty JSON object `{}`, but has another digest or size")],
    ),
    // Configurations.
    case(
        "no architecture, no operating system",
        APP_CONFIG,
        |v| {
            remove(v, "architecture");
            v["os"] = "".into();
        },
        &[
            ("architecture", "is missing and must be a string that is not empty"),
            ("os", "is \"\" and must be a string that is not empty"),
        ],
    ),
    case(
        "times without a zone",
        APP_CONFIG,
        |v| {
            v["created"] = "2026-01-31T12:00:00".into();
            v["history"][1]["created"] = "yesterday".into();
            v["history"][2]["created"] = "2026-01-31T12:00:00+01:00".into();
        },
        &[
            (
                "created",
                "is \"2026-01-31T12:00:00\" and must be a time as RFC 3339 writes it, as in \"2026-01-31T12:00:00Z\"",
            ),
            (
                "history[1].created",
                "is \"yesterday\" and must be a time as RFC 3339 writes it, as in \"2026-01-31T12:00:00Z\"",
            ),
        ],
    ),
    case(
        "wrong types in the container's configuration",
        APP_CONFIG,
        |v| {
            v["config"] = json!({
                "User": 0, "Env": ["A=b", "PATH", "=x"], "Entrypoint": "/bin/app", "Cmd": [1], "ExposedPorts": ["80"],
                "Volumes": "/v", "WorkingDir": [], "Labels": { "a": 1 }, "StopSignal": 9, "Healthcheck": "curl",
            });
        },
        &[
            ("config.User", "is 0 and must be a string"),
            (
                "config.ExposedPorts",
                "is a list and must be an object of ports, as in {\"80/tcp\": {}}",
            ),
            ("config.Env[1]", "is \"PATH\" and must be NAME=VALUE"),
            ("config.Env[2]", "is \"=x\" and must be NAME=VALUE"),
            ("config.Entrypoint", "is \"/bin/app\" and must be a list of strings"),
            ("config.Cmd[0]", "is 1 and must be a string"),
            ("config.Volumes", "is \"/v\" and must be an object of paths, as in {\"/data\": {}}"),
            ("config.WorkingDir", "is a list and must be a string"),
            ("config.Labels.a", "is 1 and must be a string"),
            ("config.StopSignal", "is 9 and must be a string"),
            ("config.Healthcheck", "is \"curl\" and must be an object"),
        ],
    ),
    case(
        "Env is an object",
        APP_CONFIG,
        |v| v["config"]["Env"] = json!({}),
        &[("config.Env", "is an object and must be a list of strings")],
    ),
    case(
        "no rootfs",
        APP_CONFIG,
        |v| remove(v, "rootfs"),
        &[("rootfs", "is missing and must be an object with the layers' diff IDs")],
    ),
    case(
        "another kind of rootfs",
        APP_CONFIG,
        |v| v["rootfs"]["type"] = "disk".into(),
        &[("rootfs.type", "is \"disk\" and must be \"layers\"")],
    ),
    case(
        "a rootfs without a type or a list",
        APP_CONFIG,
        |v| v["rootfs"] = json!({ "diff_ids": {} }),
        &[
            ("rootfs.type", "is missing and must be \"layers\""),
            ("rootfs.diff_ids", "is an object and must be a list of digests"),
        ],
    ),
    case(
        "a diff ID that is no digest",
        APP_CONFIG,
        |v| v["rootfs"]["diff_ids"][0] = "sha256:x".into(),
        &[(
            "rootfs.diff_ids[0]",
            "is \"sha256:x\", which does not have 64 lower-case hexadecimal digits: the blob was \
             not checked",
        )],
    ),
    case(
        "a history that is too short",
        APP_CONFIG,
        |v| drop(v["history"].as_array_mut().unwrap().pop()),
        &[(
            "history",
            "has 2 entries that created a layer for 3 diff IDs: mark those that created none with \
             empty_layer",
        )],
    ),
    case(
        "a history with a layer less",
        APP_CONFIG,
        |v| v["history"][0]["empty_layer"] = true.into(),
        &[(
            "history",
            "has 2 entries that created a layer for 3 diff IDs: mark those that created none with \
             empty_layer",
        )],
    ),
    case(
        "a history with a step more",
        APP_CONFIG,
        |v| {
            v["history"].as_array_mut().unwrap().push(json!({ "empty_layer": true }));
        },
        &[],
    ),
    case("no history", APP_CONFIG, |v| remove(v, "history"), &[]),
    case(
        "a history of strings",
        APP_CONFIG,
        |v| v["history"] = json!(["RUN x", "RUN y", "RUN z"]),
        &[
            ("history[0]", "is \"RUN x\" and must be an object"),
            ("history[1]", "is \"RUN y\" and must be an object"),
            ("history[2]", "is \"RUN z\" and must be an object"),
        ],
    ),
    case(
        "the configuration of another image",
        APP_CONFIG,
        |v| v["architecture"] = "arm64".into(),
        &[
            // A finding of the index, although the configuration was changed.
            (
                "PLATFORM",
                "is linux/amd64, but the configuration says linux/arm64: correct the wrong one",
            ),
        ],
    ),
];

#[test]
fn each_defect_is_found_alone() {
    for Case { name, way, change, found } in CASES {
        let layout = Layout::good();
        layout.edit_json(way, change);
        let document = (!way.is_empty()).then(|| layout.digest(way));
        let place = way.iter().fold("index.json".to_owned(), |place, step| {
            let step = step
                .trim_start_matches('/')
                .split_once('/')
                .map_or("config".into(), |(list, n)| format!("{list}[{n}]"));
            format!("{place}, {step}")
        });
        let expected: Vec<Expected> = found
            .iter()
            .map(|(member, sentence)| match (*member, sentence.strip_prefix("DIFF IDS ")) {
                ("PLATFORM", _) => expected("index.json, manifests[0].platform", None, *sentence),
                ("", _) => expected(&place, document, *sentence),
                (_, None) => expected(format!("{place}, {member}"), document, *sentence),
                (_, Some(layers)) => {
                    let (actual, said) = layers.split_once(' ').unwrap();
                    let layer = layout.digest(&[
                        "/manifests/0",
                        &format!("/{}", member.replace('[', "/").replace(']', "")),
                    ]);
                    let config: Value = serde_json::from_slice(&layout.read(APP_CONFIG)).unwrap();
                    let id = |n: &str| {
                        config["rootfs"]["diff_ids"][n.parse::<usize>().unwrap()]
                            .as_str()
                            .unwrap()
                            .to_owned()
                    };
                    let sentence = format!(
                        "unpacks to the diff ID {}, but the configuration says {}",
                        id(actual),
                        id(said)
                    );
                    expected(format!("{place}, {member}"), layer, sentence)
                }
            })
            .collect();
        assert_eq!(verify(layout.path()), expected, "{name}");
    }
}

#[test]
fn a_size_that_differs_is_the_descriptors_fault() {
    let layout = Layout::good();
    layout.edit_json(&["/manifests/0"], |manifest| {
        for (member, size) in [("/config", 1), ("/layers/0", 2), ("/layers/2", i64::MAX)] {
            manifest.pointer_mut(member).unwrap()["size"] = size.into();
        }
    });
    layout.edit_json(&[], |index| index["manifests"][1]["size"] = 0.into());
    let found = |way: &[&str], place: &str, said: i64| {
        let (digest, size) = (layout.digest(way), layout.read(way).len());
        expected(
            place,
            digest,
            format!("has {size} bytes, but its descriptor says {said}: correct the descriptor"),
        )
    };
    assert_eq!(
        verify(layout.path()),
        [
            found(APP_CONFIG, "index.json, manifests[0], config", 1),
            found(&["/manifests/0", "/layers/0"], "index.json, manifests[0], layers[0]", 2),
            found(&["/manifests/0", "/layers/2"], "index.json, manifests[0], layers[2]", i64::MAX),
            found(MULTI, "index.json, manifests[1]", 0),
        ]
    );
}

#[test]
fn documents_of_another_kind_are_found() {
    for (way, said, found) in [
        (
            APP,
            INDEX,
            "is an image manifest, but its descriptor says \
             application/vnd.oci.image.index.v1+json: correct the mediaType of the descriptor",
        ),
        (
            MULTI,
            MANIFEST,
            "is an image index, but its descriptor says \
             application/vnd.oci.image.manifest.v1+json: correct the mediaType of the descriptor",
        ),
    ] {
        let layout = Layout::good();
        layout
            .edit_json(&[], |index| index.pointer_mut(way[0]).unwrap()["mediaType"] = said.into());
        let place =
            if way == APP { "index.json, manifests[0]" } else { "index.json, manifests[1]" };
        assert_eq!(verify(layout.path()), [expected(place, layout.digest(way), found)]);
    }
    // A layer that is declared as a configuration.
    let layout = Layout::good();
    layout.edit_json(APP, |manifest| {
        manifest["config"]["digest"] = manifest["layers"][0]["digest"].clone()
    });
    layout.edit_json(APP, |manifest| {
        manifest["config"]["size"] = manifest["layers"][0]["size"].clone()
    });
    let sentence = "is not valid JSON: expected value at line 1 column 1";
    let digest = layout.digest(&["/manifests/0", "/layers/0"]);
    assert_eq!(
        verify(layout.path()),
        [expected("index.json, manifests[0], config", digest, sentence)]
    );
}

#[test]
fn duplicate_members_are_found() {
    let layout = Layout::good();
    layout.edit_text(APP_CONFIG, r#""Env":"#, r#""Env":[],"Env":"#);
    layout.edit_text(APP, r#""layers":"#, r#""layers":[],"layers":"#);
    layout.edit_text(&[], r#""mediaType":"#, r#""mediaType":"x","mediaType":"#);
    let sentence = "occurs twice in one object: which one counts depends on the reader; keep one";
    assert_eq!(
        verify(layout.path()),
        [
            expected("index.json, manifests[0].mediaType", None, sentence),
            expected("index.json, manifests[0], layers", layout.digest(APP), sentence),
            expected(
                "index.json, manifests[0], config, config.Env",
                layout.digest(APP_CONFIG),
                sentence
            ),
        ]
        .map(|mut found| {
            // serde_json sorts members, so the first `mediaType` is that of the index or of its
            // first entry.
            found.0 = found.0.replace("manifests[0].mediaType", first_media_type(&layout));
            found
        })
    );
}

fn first_media_type(layout: &Layout) -> &'static str {
    let text = String::from_utf8(layout.read(&[])).unwrap();
    if text.find("\"manifests\"") < text.find("\"mediaType\"") {
        "manifests[0].mediaType"
    } else {
        "mediaType"
    }
}

/// Indexes cannot form a cycle, because each contains the digest of the next. They can form a long
/// chain.
#[test]
fn deep_nesting_is_bounded() {
    let layout = Layout::good();
    let index =
        |below: Value| json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [below] });
    let mut below = layout.descriptor(MULTI);
    for _ in 0..1000 {
        below = descriptor(INDEX, &layout.put_json(&index(below)));
    }
    layout.edit_json(&[], |document| document["manifests"] = json!([below]));
    let place = format!("index.json, manifests[0]{}", ", manifests[0]".repeat(9));
    let found = verify(layout.path());
    assert_eq!(
        found,
        [expected(place, None, "is nested more than 8 indexes deep: it was not checked")]
    );

    // The same through subjects of artifacts.
    let mut subject = layout.descriptor(&["/manifests/0"]);
    for _ in 0..1000 {
        let empty = descriptor(EMPTY, &layout.put(b"{}"));
        subject = descriptor(
            MANIFEST,
            &layout.put_json(&json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "config": empty, "layers": [empty],
                "subject": subject,
            })),
        );
    }
    layout.edit_json(&[], |document| document["manifests"] = json!([subject]));
    let place = format!("index.json, manifests[0]{}", ", subject".repeat(9));
    let found = verify(layout.path());
    assert_eq!(
        found,
        [expected(place, None, "is nested more than 8 indexes deep: it was not checked")]
    );
}

#[test]
fn two_documents_that_share_a_blob_are_both_checked() {
    let layout = Layout::good();
    // The same layer, once with its diff ID and once with another.
    let config = layout.put_json(&json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [Digest::of("x")] },
    }));
    let layer = layout.descriptor(&["/manifests/0", "/layers/0"]);
    let manifest = layout.put_json(&json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config), "layers": [layer],
    }));
    layout.edit_json(&[], |index| {
        index["manifests"].as_array_mut().unwrap().push(descriptor(MANIFEST, &manifest));
    });
    let said = Digest::of("x");
    let app: Value = serde_json::from_slice(&layout.read(APP_CONFIG)).unwrap();
    let actual = app["rootfs"]["diff_ids"][0].as_str().unwrap();
    let sentence = format!("unpacks to the diff ID {actual}, but the configuration says {said}");
    let digest = layout.digest(&["/manifests/4", "/layers/0"]);
    assert_eq!(
        verify(layout.path()),
        [expected("index.json, manifests[4], layers[0]", digest, sentence)]
    );
}
