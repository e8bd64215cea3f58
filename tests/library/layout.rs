//! Documents and layouts: their JSON, and what is read from them.

use std::{fs, path::Path, process::Command, sync::Arc};

use crate::common::{assert_whole, bytes, files_in, image, message, run};
use oci_layout::{
    Blob, Compression, ConfigOptions, Digest, FileMapping, Image, ImageConfig, ImageLayout,
    ImageManifest, Inherit, Layer, LayerOptions, ManifestOptions, MemoryBlob, PlatformImage, Pool,
    TarLayer, artifact_manifest,
    document::{Descriptor, MediaType, Platform},
    image_config, image_index, image_layout, image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

fn layer(text: &str) -> TarLayer {
    layer_tar([FileMapping::text(text, "/file")], Compression::None).unwrap()
}

fn named(text: &str) -> ImageManifest {
    image([FileMapping::text(text, "/file")], json!({}))
}

fn on_platform(text: &str, platform: &str) -> ImageManifest {
    let layer = layer(text);
    let options = ConfigOptions::default().platform(platform.parse().unwrap());
    let config = image_config([&layer], options).unwrap();
    image_manifest(config, [layer], json!({})).unwrap()
}

fn index_json(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap()
}

fn config_of(extra: Value) -> Value {
    serde_json::from_slice(image_config([&layer("")], extra).unwrap().bytes()).unwrap()
}

/// A layout with one image, whose configuration and manifest are these bytes, as another program
/// may have written them.
fn foreign(dir: &Path, config: &Value, layers: Vec<Descriptor>, docker: bool) -> ImageLayout {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
        Descriptor::of(MediaType::new(media_type), bytes)
    };
    let (config_type, manifest_type) = match docker {
        true => (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ),
        false => (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
        ),
    };
    let config = put(config_type, config.to_string().as_bytes());
    let manifest = json!({ "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers });
    let manifest = put(manifest_type, serde_json::to_string_pretty(&manifest).unwrap().as_bytes());
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    fs::write(
        dir.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string(),
    )
    .unwrap();
    ImageLayout::open(dir).unwrap()
}

#[test]
fn a_configuration_merges_the_options_of_the_user() {
    let plain = config_of(json!({}));
    assert_eq!(plain["architecture"], "amd64", "on any host");
    assert_eq!(
        (&plain["os"], &plain["created"]),
        (&json!("linux"), &json!("1970-01-01T00:00:01Z"))
    );
    assert_eq!(plain.get("config"), None);
    assert_eq!(
        plain["history"],
        json!([{ "created": "1970-01-01T00:00:01Z", "created_by": "oci-layout layer-tar /file" }])
    );

    let said = config_of(json!({
        "created": "2026-01-31T12:00:00+02:00",
        "ARCHITECTURE": "riscv64",
        "config": { "entrypoint": ["a"], "ENV": ["A=1"], "healthcheck": { "test": ["NONE"] }, "workingdir": "/w" },
        "rootfs": { "type": "layers", "diff_ids": [] },
        "author": null,
    }));
    assert_eq!(said["architecture"], "riscv64");
    assert_eq!(
        said["config"],
        json!({ "Entrypoint": ["a"], "Env": ["A=1"], "Healthcheck": { "Test": ["NONE"] }, "WorkingDir": "/w" })
    );
    assert_eq!(said["rootfs"], plain["rootfs"], "rootfs is the layers'");
    assert_eq!(said["history"][0]["created"], "2026-01-31T12:00:00+02:00");
    assert_eq!(config_of(json!({ "created": null })).get("created"), None);
    assert_eq!(config_of(json!({ "history": null })).get("history"), None);
    assert_eq!(config_of(Value::Null), plain);
}

#[test]
fn unknown_members_are_kept_and_sorted_at_every_depth() {
    let text = r#"{"X":{"b":{"d":1,"c":-1.5},"a":[{"z":1,"y":18446744073709551615}]},"A":null}"#;
    let extra: Value = serde_json::from_str(text).unwrap();
    let below = layer("below");
    let config = image_config([&below], json!({})).unwrap();
    let mut document = serde_json::to_value(config.document()).unwrap();
    document["config"] = extra.clone();
    let config = ImageConfig::from_bytes(serde_json::to_vec(&document).unwrap()).unwrap();
    let base = PlatformImage::from(image_manifest(config, [below], json!({})).unwrap());
    let config = image_config([&layer("")], ConfigOptions::default().base(base)).unwrap();
    let text = String::from_utf8(config.bytes().to_vec()).unwrap();
    let expected =
        r#""config":{"X":{"a":[{"y":18446744073709551615,"z":1}],"b":{"c":-1.5,"d":1}}}"#;
    assert!(text.contains(expected), "{text}");
    // These are typos of the user.
    let said = message(image_config([&layer("")], json!({ "config": extra })));
    assert!(said.contains("config (set by the options): unknown member \"A\""), "{said}");
}

#[test]
fn times_are_those_of_rfc_3339() {
    for time in
        ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.123456789z", "2026-01-31T12:00:00-08:00"]
    {
        assert_eq!(config_of(json!({ "created": time }))["created"], time);
    }
    for time in [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "1767225600",
        "2026-01-31 12:00:00Z",
    ] {
        let said = message(image_config([&layer("")], json!({ "created": time })));
        assert!(
            said.starts_with("image configuration, created (set by the options): is "),
            "{said}"
        );
    }
}

#[test]
fn a_history_has_an_entry_for_each_layer() {
    let [one, two] = [layer("one"), layer("two")];
    let config = |history: Value| image_config([&one, &two], json!({ "history": history }));
    let with_empty = json!([{ "created_by": "a" }, { "created_by": "b", "empty_layer": true }, { "created_by": "c" }]);
    assert_eq!(
        serde_json::to_value(&config(with_empty.clone()).unwrap().document().history).unwrap(),
        with_empty
    );
    for history in [json!([{}]), json!([{}, {}, {}]), json!([{}, { "empty_layer": true }])] {
        assert!(message(config(history)).starts_with("image configuration, history: it has "));
    }
}

#[test]
fn a_manifest_names_the_layers_of_its_configuration() {
    let [one, two] = [layer("one"), layer("two")];
    let config = image_config([&one, &two], json!({})).unwrap();
    let manifest = |layers: Vec<&TarLayer>| {
        image_manifest(
            config.clone(),
            layers.into_iter().cloned(),
            json!({ "layers": [], "config": {} }),
        )
    };
    let right = manifest(vec![&one, &two]).unwrap();
    let document: Value = serde_json::from_slice(right.bytes()).unwrap();
    assert_eq!(document["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(document["config"]["digest"], config.digest().to_string());
    assert_eq!(document["layers"][1]["digest"], two.descriptor().digest.to_string());
    for wrong in [vec![&one], vec![&two, &one], vec![&one, &two, &two], vec![]] {
        assert!(message(manifest(wrong)).starts_with("image manifest: its configuration "));
    }
}

#[test]
fn tags_and_full_names() {
    let dir = TempDir::new().unwrap();
    let [one, two, three] = ["one", "two", "three"].map(named);
    let (first, second) = (one.digest(), two.digest());
    let images = [
        one.tagged("v1").tagged("stable"),
        two.tagged("ghcr.io/me/app:2.0").annotated("k", "v"),
        three.tagged("app"),
    ];
    let layout = image_layout(dir.path(), images, json!({ "annotations": { "a": "b" } })).unwrap();
    assert_eq!(layout.tags().unwrap(), ["v1", "stable", "2.0", "app"]);
    let index = index_json(dir.path());
    assert_eq!(index["annotations"], json!({ "a": "b" }));
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(index["manifests"][0]["annotations"], json!({ REF_NAME: "v1" }));
    assert_eq!(
        index["manifests"][2]["annotations"],
        json!({ REF_NAME: "2.0", CONTAINERD_NAME: "ghcr.io/me/app:2.0", "k": "v" })
    );
    assert_eq!(
        index["manifests"][2]["platform"],
        json!({ "architecture": "amd64", "os": "linux" })
    );
    let digest = |name| layout.image(Some(name), None).unwrap().descriptor().digest;
    assert_eq!((digest("v1"), digest("stable")), (first, first));
    assert_eq!((digest("2.0"), digest("ghcr.io/me/app:2.0")), (second, second));
    assert!(
        message(layout.image(None, None)).contains("has several images: choose one by its tag")
    );
    assert_whole(&layout);
}

/// A name is found as it was given, however it is completed.
#[test]
fn a_short_name_is_found_again() {
    let dir = TempDir::new().unwrap();
    let layout = image_layout(
        dir.path(),
        [named("one").tagged("app:1.0"), named("two").tagged("me/tool")],
        json!({}),
    );
    let mut layout = layout.unwrap();
    for name in
        ["app:1.0", "docker.io/library/app:1.0", "1.0", "me/tool", "me/tool:latest", "latest"]
    {
        assert!(layout.image(Some(name), None).is_ok(), "{name}");
    }
    layout.remove("app:1.0").unwrap();
    layout.remove("me/tool").unwrap();
    assert_eq!(layout.index().unwrap().manifests, []);
}

#[test]
fn platforms_nest_under_one_tag() {
    let dir = TempDir::new().unwrap();
    let platforms =
        ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/arm/v6", "windows/amd64"];
    let images = platforms.map(|platform| on_platform(platform, platform));
    let digests = images.each_ref().map(ImageManifest::digest);
    let images = images.map(|image| image.tagged("latest").annotated("k", "v"));
    let layout = image_layout(dir.path(), images, json!({ "annotations": { "a": "b" } })).unwrap();
    let [entry] = &layout.index().unwrap().manifests[..] else {
        panic!("one entry for all platforms")
    };
    assert_eq!(entry.media_type, MediaType::INDEX);
    let nested = fs::read(dir.path().join("blobs/sha256").join(entry.digest.hex())).unwrap();
    let nested: Value = serde_json::from_slice(&nested).unwrap();
    assert_eq!(nested["annotations"], json!({ "a": "b" }));
    assert_eq!(nested["manifests"].as_array().unwrap().len(), 5);
    assert_eq!(nested["manifests"][0]["annotations"], json!({ "k": "v" }));
    let digest = |platform: Option<&str>| {
        let platform = platform.map(|platform| platform.parse::<Platform>().unwrap());
        layout.image(Some("latest"), platform.as_ref()).map(|image| image.descriptor().digest)
    };
    for (platform, digest_of) in platforms.into_iter().zip(digests) {
        assert_eq!(digest(Some(platform)).unwrap(), digest_of, "{platform}");
    }
    assert_eq!(digest(None).unwrap(), digests[0], "linux/amd64 on any host");
    assert_eq!(digest(Some("linux/arm64")).unwrap(), digests[1], "arm64 means v8");
    assert!(message(digest(Some("linux/s390x"))).ends_with(
        "has no image for linux/s390x; it has linux/amd64, linux/arm64/v8, linux/arm/v7, \
         linux/arm/v6, windows/amd64"
    ));
    assert_whole(&layout);

    // The index, and each of its images, is copied to another layout with the same bytes.
    let copy = TempDir::new().unwrap();
    let [image] = <[Image; 1]>::try_from(layout.images().unwrap()).unwrap();
    let copied = image_layout(copy.path(), [image], json!({})).unwrap();
    assert_eq!(copied.index().unwrap().manifests, layout.index().unwrap().manifests);
    assert_eq!(files_in(&copy.path().join("blobs")), files_in(&dir.path().join("blobs")));
}

#[test]
fn images_of_other_layouts_nest_under_their_tag() {
    let image =
        |platform: &str| on_platform(platform, platform).tagged("1.0").tagged("ghcr.io/me/app:1.0");
    let stored = |platform: &str| {
        let dir = TempDir::new().unwrap();
        let layout = image_layout(dir.path(), [image(platform)], json!({})).unwrap();
        (layout.images().unwrap(), dir)
    };
    let ((amd, _amd), (arm, _arm)) = (stored("linux/amd64"), stored("linux/arm64"));
    let nested = |images: Vec<Image>| {
        let dir = TempDir::new().unwrap();
        let layout = image_layout(dir.path(), images, json!({})).unwrap();
        (layout.index().unwrap().manifests.clone(), dir)
    };
    let (found, _dir) = nested([amd.clone(), arm.clone(), amd.clone()].concat());
    let (expected, _dir) = nested(["linux/amd64", "linux/arm64"].map(image).to_vec());
    assert_eq!(found, expected);

    // Another image for the same platform is a conflict.
    let dir = TempDir::new().unwrap();
    let other = on_platform("other", "linux/arm64").tagged("1.0");
    let other = image_layout(dir.path(), [other.tagged("ghcr.io/me/app:1.0")], json!({}));
    let other = other.unwrap().images().unwrap();
    let dir = TempDir::new().unwrap();
    let images = [arm, other].concat();
    let message = message(image_layout(dir.path(), images, json!({})));
    assert!(message.contains("both have the tag \"1.0\""), "{message}");
}

#[test]
fn an_index_names_each_platform_once() {
    let [one, other] = ["one", "other"].map(|text| on_platform(text, "linux/arm64"));
    assert!(
        message(image_index([one.clone(), other.clone()], json!({})))
            .ends_with(" are both for linux/arm64: use different platforms, or different tags")
    );
    let dir = TempDir::new().unwrap();
    let images = [one.tagged("a"), other.tagged("a")];
    assert!(
        message(image_layout(dir.path(), images, json!({}))).contains(" are both for linux/arm64")
    );
    assert!(!dir.path().join("index.json").exists());
}

/// A base with everything that other programs write: unknown members, Docker's media types, nulls
/// in place of lists.
fn base(dir: &Path) -> ImageLayout {
    let below = layer("below");
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("blobs/sha256").join(below.descriptor().digest.hex()), bytes(&below))
        .unwrap();
    let mut descriptor = below.descriptor().clone();
    descriptor.media_type = MediaType::new("application/vnd.docker.image.rootfs.diff.tar");
    let config = json!({
        "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2020-02-02T02:02:02Z", "author": "somebody",
        "container": "5e1f", "docker_version": "20", "Unknown": { "b": 1, "a": 2 },
        "config": {
            "Env": ["PATH=/bin", "A=1", "B=2"], "Cmd": ["sh"], "User": "7", "WorkingDir": "/w", "Volumes": null,
            "ExposedPorts": { "80/tcp": {} }, "Labels": { "l": "1", "m": "2" }, "StopSignal": "SIGINT",
            "Healthcheck": { "Test": ["CMD", "x"] }, "OnBuild": ["RUN x"], "Shell": ["sh", "-c"],
        },
        "rootfs": { "type": "layers", "diff_ids": [below.diff_id()] },
        "history": [{ "created_by": "below" }, { "created_by": "CMD", "empty_layer": true }],
    });
    foreign(dir, &config, vec![descriptor], true)
}

#[test]
fn a_base_image_gives_its_layers_and_its_configuration() {
    let dir = TempDir::new().unwrap();
    let base = base(dir.path()).image(None, None).unwrap();
    let above = layer("above");
    let extra = json!({
        "config": { "Env": ["C=3", "A=9"], "Entrypoint": ["/app"], "Labels": { "m": null, "n": "3" }, "User": null },
    });
    let config = image_config([&above], ConfigOptions::new(extra).base(base.clone())).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(config.bytes()).unwrap(),
        json!({
            "created": "1970-01-01T00:00:01Z", "author": "somebody", "architecture": "arm64", "os": "linux", "variant": "v8",
            "config": {
                "ExposedPorts": { "80/tcp": {} }, "Env": ["PATH=/bin", "A=9", "B=2", "C=3"], "Entrypoint": ["/app"],
                "WorkingDir": "/w", "Labels": { "l": "1", "n": "3" }, "StopSignal": "SIGINT",
                "Healthcheck": { "Test": ["CMD", "x"] }, "Shell": ["sh", "-c"],
            },
            "rootfs": { "type": "layers", "diff_ids": [base.layers()[0].diff_id(), above.diff_id()] },
            "history": [
                { "created_by": "below" }, { "created_by": "CMD", "empty_layer": true },
                { "created": "1970-01-01T00:00:01Z", "created_by": "oci-layout layer-tar /file" },
            ],
            "container": "5e1f", "docker_version": "20", "Unknown": { "b": 1, "a": 2 },
        })
    );
    let manifest = image_manifest(config, [above], json!({})).unwrap();
    let media_types = manifest.document().layers.iter().map(|layer| layer.media_type.as_str());
    assert_eq!(media_types.collect::<Vec<_>>(), ["application/vnd.oci.image.layer.v1.tar"; 2]);
    let out = TempDir::new().unwrap();
    let layout = image_layout(out.path(), [manifest], json!({})).unwrap();
    assert_whole(&layout);
    assert_eq!(bytes(&*layout.image(None, None).unwrap().layers()[0]), bytes(&layer("below")));
}

#[test]
fn the_caller_chooses_the_inherited_parts() {
    let dir = TempDir::new().unwrap();
    let base = base(dir.path()).image(None, None).unwrap();
    let above = layer("above");
    let config = |inherit: Inherit, extra: Value| -> Value {
        let options = ConfigOptions::new(extra).base(base.clone()).inherit(inherit);
        serde_json::from_slice(image_config([&above], options).unwrap().bytes()).unwrap()
    };
    let nothing = config(Inherit::NOTHING, json!({}));
    assert_eq!(nothing["config"], json!({}));
    assert_eq!(nothing["history"][0], json!({ "comment": "layer of the base image" }));
    assert_eq!(nothing["history"].as_array().unwrap().len(), 2);
    assert_eq!((nothing.get("author"), nothing.get("container")), (None, None));
    assert_eq!(
        (&nothing["architecture"], &nothing["variant"]),
        (&json!("arm64"), &json!("v8")),
        "the layers are"
    );
    let none = Inherit::NOTHING;
    for (inherit, member) in [
        (Inherit { env: true, ..none }, "Env"),
        (Inherit { cmd: true, ..none }, "Cmd"),
        (Inherit { user: true, ..none }, "User"),
        (Inherit { working_dir: true, ..none }, "WorkingDir"),
        (Inherit { exposed_ports: true, ..none }, "ExposedPorts"),
        (Inherit { labels: true, ..none }, "Labels"),
        (Inherit { stop_signal: true, ..none }, "StopSignal"),
    ] {
        let config = config(inherit, json!({}));
        let members: Vec<_> = config["config"].as_object().unwrap().keys().collect();
        assert_eq!(members, [member]);
    }
    let other = config(Inherit { other: true, ..none }, json!({}));
    let members: Vec<_> = other["config"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["Healthcheck", "Shell"]);
    assert_eq!(config(Inherit { metadata: true, ..none }, json!({}))["docker_version"], "20");
    assert_eq!(
        config(Inherit { history: true, ..none }, json!({}))["history"][1]["created_by"],
        "CMD"
    );
    // Excluded parts are not merged either.
    let env = config(none, json!({ "config": { "Env": ["A=9"] } }));
    assert_eq!(env["config"]["Env"], json!(["A=9"]));
    // A command belongs to its entry point. A new command keeps the entry point.
    assert_eq!(
        config(Inherit::EVERYTHING, json!({ "config": { "Cmd": ["x"] } }))["config"]["Cmd"],
        json!(["x"])
    );
}

/// The bytes of an image stay unchanged when it is copied to another layout, including Docker's
/// media types.
#[test]
fn a_copied_image_keeps_its_bytes() {
    let dir = TempDir::new().unwrap();
    let layout = base(dir.path());
    let image = layout.image(None, None).unwrap();
    let out = TempDir::new().unwrap();
    let copied =
        image_layout(out.path(), [Image::from(image.clone()).tagged("base")], json!({})).unwrap();
    assert_eq!(files_in(&out.path().join("blobs")), files_in(&dir.path().join("blobs")));
    assert_eq!(copied.image(Some("base"), None).unwrap().manifest(), image.manifest());
    assert_whole(&copied);
}

#[test]
fn an_archive_is_read_in_place_of_a_folder() {
    let dir = TempDir::new().unwrap();
    base(dir.path());
    let archive = TempDir::new().unwrap();
    let tar = archive.path().join("image.tar");
    run(Command::new("tar").arg("-C").arg(dir.path()).arg("-cf").arg(&tar).arg("."));
    let mut layout = ImageLayout::open(&tar).unwrap();
    assert_whole(&layout);
    let image = layout.image(None, None).unwrap();
    assert_eq!(bytes(&*image.layers()[0]), bytes(&layer("below")));
    let pool = Pool::new(2);
    for said in [
        message(layout.append([named("x")], &pool)),
        message(layout.remove("x")),
        message(layout.collect_garbage()),
    ] {
        assert_eq!(
            said,
            format!("{tar:?} is an archive, which is only read: unpack it into a folder first")
        );
    }
    fs::write(&tar, "no tar at all").unwrap();
    assert!(
        message(ImageLayout::open(&tar))
            .contains("neither the folder of an image layout, an oci-archive nor a docker-archive")
    );
    fs::write(&tar, b"\x1f\x8b\x08\0").unwrap();
    assert!(
        message(ImageLayout::open(&tar))
            .contains("is compressed with gzip: unpack it first, with `gzip -dk ")
    );
}

#[test]
fn artifacts_and_referrers() {
    let dir = TempDir::new().unwrap();
    let image = named("image");
    let subject = Image::from(image.clone()).descriptor().clone();
    let bill =
        Arc::new(MemoryBlob::new(MediaType::new("application/spdx+json"), *b"{}")) as Arc<dyn Blob>;
    let about =
        artifact_manifest("application/spdx+json", [bill], Some(&subject), json!({})).unwrap();
    let alone = artifact_manifest("a/b", [], None, json!({ "annotations": { "k": "v" } })).unwrap();
    let (about_digest, alone_digest) = (about.digest(), alone.digest());
    let mut layout = image_layout(
        dir.path(),
        [Image::from(image).tagged("v1"), about, alone.tagged("note")],
        json!({}),
    )
    .unwrap();
    let digests = |found: Vec<(Descriptor, oci_layout::document::Manifest)>| {
        found.into_iter().map(|(descriptor, _)| descriptor.digest).collect::<Vec<_>>()
    };
    assert_eq!(digests(layout.artifacts().unwrap()), [about_digest, alone_digest]);
    assert_eq!(digests(layout.referrers(subject.digest).unwrap()), [about_digest]);
    let manifest = fs::read(dir.path().join("blobs/sha256").join(alone_digest.hex())).unwrap();
    let empty = json!({
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    });
    assert_eq!(
        serde_json::from_slice::<Value>(&manifest).unwrap(),
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "a/b",
            "config": empty, "layers": [empty], "annotations": { "k": "v" },
        })
    );
    assert_eq!(index_json(dir.path())["manifests"][1]["artifactType"], "application/spdx+json");
    assert_whole(&layout);
    // No blob of it is garbage, and the subject of an artifact may be missing.
    assert_eq!(layout.collect_garbage().unwrap().files, [] as [&Path; 0]);
    layout.remove("v1").unwrap();
    assert_eq!(digests(layout.referrers(subject.digest).unwrap()), [about_digest]);
}

#[test]
fn append_replace_remove_and_collect() {
    let dir = TempDir::new().unwrap();
    let pool = Pool::new(2);
    let mut layout = image_layout(
        dir.path(),
        [named("one").tagged("v1")],
        json!({ "annotations": { "a": "b" } }),
    )
    .unwrap();
    layout.append([named("two").tagged("v2")], &pool).unwrap();
    assert_eq!(layout.tags().unwrap(), ["v1", "v2"]);
    layout.append([named("three").tagged("v1").tagged("v3")], &pool).unwrap();
    assert_eq!(
        layout.tags().unwrap(),
        ["v2", "v1", "v3"],
        "a new image takes the place of the tag's old one"
    );
    assert_eq!(
        layout.image(Some("v1"), None).unwrap().descriptor().digest,
        named("three").digest()
    );
    assert_eq!(index_json(dir.path())["annotations"], json!({ "a": "b" }));
    // Without a tag, the same image is listed once, and another one is added.
    layout.append([named("four")], &pool).unwrap();
    layout.append([named("four")], &pool).unwrap();
    assert_eq!(layout.index().unwrap().manifests.len(), 4);
    layout.append([named("five")], &pool).unwrap();
    assert_eq!(layout.index().unwrap().manifests.len(), 5);

    layout.remove("v3").unwrap();
    assert_eq!(layout.tags().unwrap(), ["v2", "v1"]);
    assert!(
        message(layout.remove("v3")).ends_with("has no image with the tag \"v3\": it has v2, v1")
    );

    let left_behind =
        [".oci-layout-Xy1", "blobs/sha256/.oci-layout-Xy2"].map(|name| dir.path().join(name));
    left_behind.iter().for_each(|file| fs::write(file, "partial").unwrap());
    let strangers = ["README", "blobs/sha512"].map(|name| dir.path().join(name));
    fs::write(&strangers[0], "mine").unwrap();
    fs::create_dir(&strangers[1]).unwrap();
    let mut collected = layout.collect_garbage().unwrap();
    collected.files.sort();
    let blob = |digest: Digest| dir.path().join("blobs/sha256").join(digest.hex());
    let mut expected = vec![
        blob(named("one").digest()),
        blob(named("one").config().digest()),
        blob(layer("one").diff_id()),
    ];
    expected.extend(left_behind);
    expected.sort();
    assert_eq!(collected.files, expected);
    assert!(collected.bytes > 14, "{}", collected.bytes);
    assert!(strangers.iter().all(|stranger| stranger.exists()), "other files stay");
    assert_whole(&ImageLayout::open(dir.path()).unwrap());
    assert_eq!(layout.collect_garbage().unwrap().files, [] as [&Path; 0]);
}

/// The collector does not remove the blob of a stored layer before an index names it. In the same
/// process, the collector would wait forever.
#[test]
fn garbage_is_not_collected_beside_a_stored_layer_of_the_same_process() {
    let dir = TempDir::new().unwrap();
    let layout = image_layout(dir.path(), [named("one")], json!({})).unwrap();
    let options = LayerOptions::from(Compression::None).store(dir.path());
    let stored = layer_tar([FileMapping::text("two", "/file")], options).unwrap();
    let clone = stored.clone();
    let file = stored.file().unwrap().to_owned();
    drop(stored);
    assert_eq!(
        message(layout.collect_garbage()),
        format!(
            "{:?} cannot be collected while this process has a layer that is stored in it: drop \
             the layer, and every image that was made of it, first",
            dir.path()
        )
    );
    assert!(file.exists());
    drop(clone);
    assert_eq!(layout.collect_garbage().unwrap().files, [file]);
}

/// What a missing manifest refers to is unknown.
#[test]
fn garbage_is_not_collected_in_a_damaged_layout() {
    let dir = TempDir::new().unwrap();
    let image = named("one");
    let manifest = dir.path().join("blobs/sha256").join(image.digest().hex());
    let layout = image_layout(dir.path(), [image.clone()], json!({})).unwrap();
    fs::remove_file(manifest).unwrap();
    assert!(
        message(layout.collect_garbage())
            .starts_with(&format!("blob {} is missing", image.digest()))
    );
    assert!(dir.path().join("blobs/sha256").join(image.config().digest().hex()).exists());
}

/// Members that the specification does not know are still in the index after an append.
#[test]
fn an_append_keeps_unknown_members() {
    let dir = TempDir::new().unwrap();
    let mut layout = base(dir.path());
    let text =
        r#"{"schemaVersion":2,"unknown":{"b":[1.5,{"y":1,"x":2}],"a":null},"manifests":ENTRIES}"#;
    let mut entry = serde_json::to_value(&layout.index().unwrap().manifests[0]).unwrap();
    entry["com.example"] = json!(true);
    entry["platform"] = json!({ "os": "linux", "architecture": "arm64", "features": ["sse4"] });
    fs::write(dir.path().join("index.json"), text.replace("ENTRIES", &json!([entry]).to_string()))
        .unwrap();
    layout.append([named("x").tagged("x")], &Pool::new(1)).unwrap();
    let index = fs::read_to_string(dir.path().join("index.json")).unwrap();
    assert!(index.ends_with(r#""unknown":{"a":null,"b":[1.5,{"x":2,"y":1}]}}"#), "{index}");
    let index = index_json(dir.path());
    assert_eq!(index["manifests"][0], entry);
    assert_eq!(index.get("mediaType"), None, "the member is not added");
}

/// A signature or comparison of an entry is still valid.
#[test]
fn an_append_leaves_other_entries_as_they_were_written() {
    let dir = TempDir::new().unwrap();
    let mut layout = image_layout(dir.path(), [named("one").tagged("one")], json!({})).unwrap();
    let entry = serde_json::to_string_pretty(&layout.index().unwrap().manifests[0]).unwrap();
    let text = format!("{{ \"manifests\": [ {entry} ],\n \"schemaVersion\": 2 }}");
    fs::write(dir.path().join("index.json"), text).unwrap();
    let pool = Pool::new(1);
    layout.append([named("two").tagged("two")], &pool).unwrap();
    let with_both = fs::read_to_string(dir.path().join("index.json")).unwrap();
    assert!(
        with_both.starts_with(&format!("{{\"schemaVersion\":2,\"manifests\":[{entry},")),
        "{with_both}"
    );
    layout.remove("two").unwrap();
    let with_one = fs::read_to_string(dir.path().join("index.json")).unwrap();
    assert_eq!(with_one, format!("{{\"schemaVersion\":2,\"manifests\":[{entry}]}}"));
    assert_eq!(layout.tags().unwrap(), ["one"]);
}

/// The message has the position in the file, even if only one entry is wrong.
#[test]
fn an_invalid_index_is_an_error_and_stays_unchanged() {
    let dir = TempDir::new().unwrap();
    let layout = image_layout(dir.path(), [named("one").tagged("one")], json!({})).unwrap();
    let entry = serde_json::to_string(&layout.index().unwrap().manifests[0]).unwrap();
    let wrong = entry.replace("sha256:", "md5:");
    let blobs = files_in(&dir.path().join("blobs"));
    for (text, reason) in [
        ("{".to_owned(), "EOF while parsing an object at line 1 column 1"),
        (r#"{"schemaVersion":2,"manifests":[1]}"#.to_owned(), "invalid type: integer `1`"),
        (
            format!("{{\"schemaVersion\":2,\n\"manifests\":[{entry},\n{wrong}]}}"),
            "at line 3 column ",
        ),
    ] {
        fs::write(dir.path().join("index.json"), &text).unwrap();
        let mut layout = ImageLayout::open(dir.path()).unwrap();
        let said =
            [message(layout.append([named("two")], &Pool::new(1))), message(layout.remove("one"))];
        for said in said {
            let begin = format!("{:?} is not an image index (", dir.path().join("index.json"));
            assert!(said.starts_with(&begin) && said.contains(reason), "{said}");
        }
        assert_eq!(fs::read_to_string(dir.path().join("index.json")).unwrap(), text);
        assert_eq!(
            files_in(&dir.path().join("blobs")),
            blobs,
            "no blob is written before the index is checked"
        );
    }
}

/// Blobs are separate regular files with mode 0644, wherever they come from.
#[test]
fn stored_layers_are_linked_or_copied_from_their_place() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let dir = TempDir::new().unwrap();
    let (elsewhere, out) = (dir.path().join("elsewhere"), dir.path().join("out"));
    let stored = |dir: &Path, text: &str| {
        layer_tar([FileMapping::text(text, "/x")], LayerOptions::from(Compression::None).store(dir))
            .unwrap()
    };
    let layers = [
        stored(&out, "one"),
        stored(&elsewhere, "two"),
        stored(&elsewhere, "three"),
        layer("four"),
    ];
    // A read-only store of another user.
    fs::set_permissions(layers[2].file().unwrap(), fs::Permissions::from_mode(0o444)).unwrap();
    let inode = fs::metadata(layers[0].file().unwrap()).unwrap().ino();
    let config = image_config(layers.iter(), json!({})).unwrap();
    let image = image_manifest(config, layers.clone(), ManifestOptions::default()).unwrap();
    let layout = image_layout(&out, [image], json!({})).unwrap();
    assert_whole(&layout);
    assert_eq!(fs::metadata(layers[0].file().unwrap()).unwrap().ino(), inode);
    for file in files_in(&out).into_iter().map(|file| out.join(file)).filter(|file| !file.is_dir())
    {
        let metadata = fs::symlink_metadata(&file).unwrap();
        assert!(metadata.is_file() && metadata.mode() & 0o7777 == 0o644, "{file:?}: {metadata:?}");
    }
    let mode = fs::metadata(layers[2].file().unwrap()).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o444, "the store's own file is untouched");
}
