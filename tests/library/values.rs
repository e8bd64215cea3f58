//! Values of a configuration: what is refused, with which message, what is a warning, and what is
//! inherited from a base image.

use std::{fs, path::Path};

use crate::common::{message, values};
use oci_layout::{
    ConfigOptions, Digest, FileMapping, Image, ImageConfig, ImageLayout, Layer, LayerOptions,
    ManifestOptions, PlatformImage, Warning, document::Platform, image_config, image_index,
    image_manifest, layer_tar,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const NO_LAYERS: [&dyn Layer; 0] = [];

fn made(options: impl Into<ConfigOptions>) -> oci_layout::Result<ImageConfig> {
    image_config(NO_LAYERS, options)
}

fn document(config: &ImageConfig) -> Value {
    serde_json::from_slice(config.bytes()).unwrap()
}

/// A layout with an image without layers, whose configuration another program wrote.
fn write_base(dir: &Path, document: &Value) -> ImageLayout {
    let mut document = document.clone();
    let members = document.as_object_mut().unwrap();
    for (member, default) in [("architecture", "amd64"), ("os", "linux")] {
        members.entry(member).or_insert(default.into());
    }
    members.entry("rootfs").or_insert(json!({ "type": "layers", "diff_ids": [] }));
    let put = |bytes: &[u8]| {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("blobs/sha256").join(Digest::of(bytes).hex()), bytes).unwrap();
        json!({ "digest": Digest::of(bytes), "size": bytes.len() })
    };
    let described = |media_type: &str, mut descriptor: Value| {
        descriptor["mediaType"] = format!("application/vnd.oci.image.{media_type}.v1+json").into();
        descriptor
    };
    let config = described("config", put(document.to_string().as_bytes()));
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] });
    let manifest = described("manifest", put(manifest.to_string().as_bytes()));
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(
        dir.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string(),
    )
    .unwrap();
    ImageLayout::open(dir).unwrap()
}

fn base(dir: &Path, document: &Value) -> PlatformImage {
    write_base(dir, document).image(None, None).unwrap()
}

/// The configuration on a base image with this configuration.
fn on_base(document: Value, options: impl Into<ConfigOptions>) -> oci_layout::Result<ImageConfig> {
    let dir = TempDir::new().unwrap();
    made(options.into().base(base(dir.path(), &document)))
}

/// The members have the names of the image specification.
#[test]
fn setters_are_members_of_the_configuration() {
    let options = ConfigOptions::default()
        .entrypoint(["/bin/app", "-v"])
        .cmd(["serve"])
        .env("A", "1")
        .env("B", "${A}2")
        .env("A", "3")
        .user("1000:1000")
        .working_dir("/srv")
        .label("a", "1")
        .label("b", "2")
        .expose("80")
        .expose("53/udp")
        .volume("/data")
        .stop_signal("SIGINT")
        .created("2026-01-31T12:00:00Z")
        .author("me");
    let expected = json!({
        "author": "me",
        "created": "2026-01-31T12:00:00Z",
        "config": {
            "Entrypoint": ["/bin/app", "-v"],
            "Cmd": ["serve"],
            "Env": ["A=3", "B=12"],
            "User": "1000:1000",
            "WorkingDir": "/srv",
            "Labels": { "a": "1", "b": "2" },
            "ExposedPorts": { "53/udp": {}, "80/tcp": {} },
            "Volumes": { "/data": {} },
            "StopSignal": "SIGINT",
        },
    });
    let made = made(options).unwrap();
    let document = document(&made);
    for member in ["author", "created", "config"] {
        assert_eq!(document[member], expected[member], "{member}");
    }
    // The typed form, and the error for a value of another type.
    let typed = made_from(made.document().config.clone().unwrap());
    assert_eq!(typed["config"], expected["config"]);
    let refused = message(image_config(NO_LAYERS, ConfigOptions::default().working_dir("srv")));
    assert!(refused.contains("WorkingDir"), "{refused}");
}

fn made_from(config: oci_layout::document::ContainerConfig) -> Value {
    document(&image_config(NO_LAYERS, config).unwrap())
}

#[test]
fn values_that_engines_refuse_are_errors_with_the_member_and_source() {
    for (member, config) in [values::forbidden(), values::refused()].concat() {
        let options =
            ConfigOptions::default().merge_json_from("--extra-config", json!({ "config": config }));
        let said = message(options.check());
        let place = format!("image configuration, {member} (set by --extra-config): is ");
        assert!(said.starts_with(&place) && said.contains(" and must be "), "{config}: {said}");
        assert_eq!(message(made(options)), said, "the error does not need layers");
    }
}

#[test]
fn values_that_engines_accept_are_accepted() {
    for config in values::taken() {
        let made =
            made(json!({ "config": config })).unwrap_or_else(|error| panic!("{config}: {error}"));
        assert_eq!(made.warnings(), [], "{config}");
    }
}

#[test]
fn the_last_source_that_has_the_value_is_named() {
    let options = ConfigOptions::default()
        .merge_json_from("--extra-config", json!({ "config": { "WorkingDir": "a", "Env": ["A=1", "=x"], "Volumes": { "a": {} } } }))
        .merge_json_from("--workdir", json!({ "config": { "WorkingDir": "b" } }))
        .merge_json_from("--env", json!({ "config": { "Env": ["B=1"] } }))
        .merge_json_from("--volume", json!({ "config": { "Volumes": { "b": {} } } }));
    let said = |change: Value| {
        message(made(options.clone().merge_json_from("--fix", json!({ "config": change }))))
    };
    let starts = |said: String, start: &str| assert!(said.starts_with(start), "{said}");
    starts(
        said(json!({})),
        "image configuration, config.Env[1] (set by --extra-config): is \"=x\"",
    );
    let fixed = json!({ "Env": null });
    starts(said(fixed), "image configuration, config.Volumes.a (set by --extra-config): is \"a\"");
    let fixed = json!({ "Env": null, "Volumes": { "a": null } });
    starts(said(fixed), "image configuration, config.Volumes.b (set by --volume): is \"b\"");
    let fixed = json!({ "Env": null, "Volumes": null });
    starts(said(fixed), "image configuration, config.WorkingDir (set by --workdir): is \"b\"");
    let fixed = json!({ "Env": null, "Volumes": null, "WorkingDir": null });
    let config = made(options.merge_json(json!({ "config": fixed }))).unwrap();
    assert_eq!(document(&config)["config"], json!({}));
    for (members, place) in [
        (json!({ "author": 1 }), "author (set by the options)"),
        (json!({ "os.features": ["a", 1] }), "os.features[1] (set by the options)"),
        (json!({ "variant": 8 }), "variant (set by the options)"),
        (json!({ "config": [] }), "config (set by the options)"),
        (json!({ "history": {} }), "history (set by the options)"),
        (json!({ "history": [1] }), "history[0] (set by the options)"),
        (json!({ "history": [{ "created_by": 1 }] }), "history[0].created_by (set by the options)"),
        (
            json!({ "history": [{ "empty_layer": "no" }] }),
            "history[0].empty_layer (set by the options)",
        ),
    ] {
        starts(message(made(members)), &format!("image configuration, {place}: is "));
    }
}

/// Values that engines accept are inherited, with a warning if some refuse them. Values that no
/// engine runs must be replaced.
#[test]
fn unusual_values_of_a_base_are_inherited_with_a_warning() {
    for (member, config) in values::refused() {
        let made = on_base(json!({ "config": config }), Value::Null)
            .unwrap_or_else(|error| panic!("{config}: {error}"));
        let [Warning::MemberRefused { member: found, source_name, .. }] = made.warnings() else {
            panic!("{config}: {:?}", made.warnings())
        };
        assert_eq!((&**found, &**source_name), (member, "the base image"));
        let inherited = document(&made)["config"].clone();
        assert_eq!(inherited, config);
        let strict = on_base(json!({ "config": config }), ConfigOptions::default().strict(true));
        assert!(message(strict).ends_with(" (strict: warnings are errors)"));
    }
    let relative = json!({ "config": { "WorkingDir": "app", "Cmd": ["x"] } });
    assert_eq!(
        message(on_base(relative.clone(), Value::Null)),
        "image configuration, config.WorkingDir (set by the base image): is \"app\" and must be an \
         absolute path, as in \"/app\": set another value, or null to remove it"
    );
    for (over, expected) in [
        (json!(null), json!({ "Cmd": ["x"] })),
        (json!("/a"), json!({ "Cmd": ["x"], "WorkingDir": "/a" })),
    ] {
        let made = on_base(relative.clone(), json!({ "config": { "WorkingDir": over } })).unwrap();
        assert_eq!((document(&made)["config"].clone(), made.warnings()), (expected, &[][..]));
    }
}

#[test]
fn other_names_of_platforms_are_normalised() {
    for (given, used) in [
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/aarch64/8", "linux/arm64/v8"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/armv7", "linux/arm/v7"),
        ("linux/armv7l", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("macos/aarch64", "darwin/arm64"),
        ("linux/ppc64el", "linux/ppc64le"),
    ] {
        let platform: Platform = given.parse().unwrap();
        let by_option = made(ConfigOptions::default().platform(platform.clone())).unwrap();
        let by_json = json!({ "os": platform.os, "architecture": platform.architecture, "variant": platform.variant });
        let by_json = made(by_json).unwrap();
        for config in [by_option, by_json] {
            assert_eq!(config.document().platform().to_string(), used, "{given}");
            let expected =
                Warning::PlatformRenamed { given: given.to_owned(), used: used.to_owned() };
            assert_eq!(config.warnings(), [expected], "{given}");
        }
    }
    // They are written as given: a valid name should not get another digest.
    for given in [
        "linux/arm",
        "linux/arm/v7",
        "linux/arm64/v8",
        "linux/amd64/v1",
        "linux/amd64/v3",
        "windows/amd64",
    ] {
        let config = made(ConfigOptions::default().platform(given.parse().unwrap())).unwrap();
        assert_eq!(
            (config.document().platform().to_string(), config.warnings()),
            (given.to_owned(), &[][..])
        );
    }
    for (given, member) in [
        ("linux/amd46", "architecture"),
        ("linus/amd64", "os"),
        ("linux/amd64/v9", "variant"),
        ("linux/arm/v9", "variant"),
        ("linux/arm64/v7", "variant"),
    ] {
        let config = made(ConfigOptions::default().platform(given.parse().unwrap())).unwrap();
        assert_eq!(config.document().platform().to_string(), given);
        let [Warning::MemberUnusual { member: found, source_name, .. }] = config.warnings() else {
            panic!("{given}: {:?}", config.warnings())
        };
        assert_eq!((&**found, &**source_name), (member, "the option platform"));
    }
}

/// Like containerd's `platforms.OnlyStrict`.
#[test]
fn platforms_match_by_their_meaning() {
    let platform = |text: &str| text.parse::<Platform>().unwrap();
    for (wanted, image, accepted) in [
        ("linux/arm", "linux/arm/v7", true),
        ("linux/arm/v7", "linux/arm", true),
        ("linux/arm", "linux/arm/v6", false),
        ("linux/arm/v6", "linux/arm", false),
        ("linux/armhf", "linux/arm", true),
        ("linux/armel", "linux/arm/v6", true),
        ("linux/arm/7", "linux/arm/v7", true),
        ("linux/amd64", "linux/amd64/v1", true),
        ("linux/amd64/v1", "linux/amd64", true),
        ("linux/amd64", "linux/amd64/v3", false),
        ("linux/x86_64", "linux/amd64", true),
        ("linux/amd64", "linux/x86_64", true),
        ("linux/arm64", "linux/arm64/v8", true),
        ("linux/aarch64", "linux/arm64/v8", true),
        ("linux/arm64/v8", "linux/aarch64", true),
        ("linux/arm64", "linux/arm64/v9", false),
        ("linux/386", "linux/i386", true),
        ("linux/ppc64le", "linux/ppc64le/power8", true),
        ("linux/amd64", "windows/amd64", false),
        ("macos/arm64", "darwin/arm64", true),
    ] {
        assert_eq!(platform(wanted).accepts(&platform(image)), accepted, "{wanted}, {image}");
    }
}

#[test]
fn a_base_is_found_by_another_name_of_its_platform() {
    for (of_base, asked, written) in [
        (json!({ "architecture": "arm64" }), "linux/aarch64", "linux/arm64"),
        (json!({ "architecture": "arm64", "variant": "v8" }), "linux/aarch64", "linux/arm64/v8"),
        (json!({ "architecture": "arm", "variant": "v7" }), "linux/armhf", "linux/arm/v7"),
        (json!({ "architecture": "arm", "variant": "v7" }), "linux/arm", "linux/arm/v7"),
        (json!({ "architecture": "x86_64" }), "linux/amd64", "linux/amd64"),
        (json!({ "architecture": "amd64", "variant": "v1" }), "linux/amd64", "linux/amd64/v1"),
    ] {
        let dir = TempDir::new().unwrap();
        base(dir.path(), &of_base);
        let platform: Platform = asked.parse().unwrap();
        let base = ImageLayout::open(dir.path()).unwrap().image(None, Some(&platform)).unwrap();
        let config = made(ConfigOptions::default().base(base).platform(platform)).unwrap();
        assert_eq!(config.document().platform().to_string(), written, "{of_base}");
    }
    let other = on_base(
        json!({ "architecture": "arm64" }),
        ConfigOptions::default().platform("linux/armhf".parse().unwrap()),
    );
    assert_eq!(
        message(other),
        "platform linux/arm/v7: the base image is for linux/arm64: choose the base image of that \
         platform"
    );
}

#[test]
fn a_base_carries_programs_for_later_levels() {
    let on = |base: Value, extra: Value| {
        on_base(base, extra)
            .map(|config| config.document().platform().to_string())
            .map_err(|error| error.to_string())
    };
    let amd64 = json!({ "architecture": "amd64" });
    assert_eq!(on(amd64.clone(), json!({ "variant": "v3" })).as_deref(), Ok("linux/amd64/v3"));
    assert_eq!(
        on(json!({ "architecture": "arm" }), json!({ "variant": "v6" })).as_deref(),
        Ok("linux/arm/v6")
    );
    assert_eq!(
        on(amd64.clone(), json!({ "architecture": "x86_64" })).as_deref(),
        Ok("linux/amd64")
    );
    on(amd64, json!({ "architecture": "aarch64" })).unwrap_err();
    on(json!({ "architecture": "arm", "variant": "v7" }), json!({ "variant": "v6" })).unwrap_err();
}

/// crane writes such an image from nothing but layers.
#[test]
fn a_base_may_lack_a_platform() {
    let nothing = json!({ "architecture": "", "os": "", "created": "0001-01-01T00:00:00Z" });
    for (asked, written) in [(None, "linux/amd64"), (Some("linux/arm64"), "linux/arm64")] {
        let platform: Option<Platform> = asked.map(|platform: &str| platform.parse().unwrap());
        let dir = TempDir::new().unwrap();
        let base = write_base(dir.path(), &nothing).image(None, platform.as_ref()).unwrap();
        let mut options = ConfigOptions::default().base(base);
        options.platform = platform;
        let config = made(options).unwrap();
        assert_eq!(
            (config.document().platform().to_string(), config.warnings()),
            (written.to_owned(), &[][..])
        );
    }
    let said = on_base(nothing, json!({ "architecture": "riscv64" })).unwrap();
    assert_eq!(said.document().platform().to_string(), "linux/riscv64");
}

/// With two names of one platform, a client would never choose the second.
#[test]
fn an_index_has_each_platform_once() {
    let image = |platform: &str, text: &str| -> Image {
        let layer = layer_tar([FileMapping::text(text, "/x")], LayerOptions::default()).unwrap();
        let options = ConfigOptions::default().platform(platform.parse().unwrap());
        image_manifest(image_config([&layer], options).unwrap(), [layer], json!({})).unwrap().into()
    };
    for (one, other, same) in [
        ("linux/arm64", "linux/arm64/v8", true),
        ("linux/arm", "linux/arm/v7", true),
        ("linux/arm/v6", "linux/arm/v7", false),
        ("linux/amd64", "linux/amd64/v2", false),
    ] {
        let index = image_index([image(one, "one"), image(other, "other")], Value::Null);
        assert_eq!(index.is_err(), same, "{one}, {other}");
    }
}

/// "ONBUILD triggers are not inherited": <https://docs.docker.com/reference/dockerfile/#onbuild>.
#[test]
fn triggers_are_not_inherited() {
    let triggers = json!({ "config": { "OnBuild": ["RUN echo hi", "COPY . /src"], "Cmd": ["x"] } });
    let config = on_base(triggers.clone(), Value::Null).unwrap();
    assert_eq!(document(&config)["config"], json!({ "Cmd": ["x"] }));
    let [Warning::TriggersNotRun { triggers: named }] = config.warnings() else {
        panic!("{:?}", config.warnings())
    };
    assert_eq!(*named, ["\"RUN echo hi\"", "\"COPY . /src\""]);
    // The new image's own triggers are for images that are built on it.
    let config = on_base(triggers, json!({ "config": { "OnBuild": ["USER app"] } })).unwrap();
    assert_eq!(document(&config)["config"]["OnBuild"], json!(["USER app"]));
    for nothing in [
        json!({ "config": { "OnBuild": [] } }),
        json!({ "config": { "OnBuild": null } }),
        json!({}),
    ] {
        assert_eq!(on_base(nothing, Value::Null).unwrap().warnings(), []);
    }
}

#[test]
fn variables_refer_to_those_of_the_base() {
    let below = json!({ "config": { "Env": ["PATH=/usr/bin:/bin", "HOME=/root", "OLD=1"] } });
    let options = |env: Value| {
        ConfigOptions::default().merge_json_from("--env", json!({ "config": { "Env": env } }))
    };
    let env = |config: ImageConfig| document(&config)["config"]["Env"].clone();
    let on = |new: Value| on_base(below.clone(), options(new)).unwrap();

    let config = on(json!([
        "PATH=/app/bin:$PATH",
        "APP=${HOME}/app",
        "BIN=$APP/bin",
        "MODE=${MODE:-fast}",
        "PRICE=5$$"
    ]));
    assert_eq!(config.warnings(), []);
    assert_eq!(
        env(config),
        json!([
            "PATH=/app/bin:/usr/bin:/bin",
            "HOME=/root",
            "OLD=1",
            "APP=/root/app",
            "BIN=/root/app/bin",
            "MODE=fast",
            "PRICE=5$"
        ])
    );
    // Also from one source to the next.
    let both = options(json!(["PATH=/a:$PATH"]))
        .merge_json_from("--extra-config", json!({ "config": { "Env": ["PATH=/b:$PATH"] } }));
    assert_eq!(env(on_base(below.clone(), both).unwrap())[0], "PATH=/b:/a:/usr/bin:/bin");

    // A reference to a variable that is not set stays, with a warning.
    let reference = |reference: &str| {
        vec![Warning::Reference {
            variable: "X".to_owned(),
            source_name: "--env".to_owned(),
            reference: reference.to_owned(),
            reason: "is not set before, by the base image or here",
        }]
    };
    let config = on(json!(["X=a:$NONE"]));
    assert_eq!(
        (config.warnings(), &env(config.clone())[3]),
        (&*reference("$NONE"), &json!("X=a:$NONE"))
    );
    let config = made(options(json!(["X=/app:$PATH"]))).unwrap();
    assert_eq!(
        (config.warnings(), env(config.clone())),
        (&*reference("$PATH"), json!(["X=/app:$PATH"]))
    );
    assert!(
        message(made(options(json!(["X=/app:$PATH"])).strict(true)))
            .contains("$PATH is not set before")
    );
    // Values of the base are not expanded again.
    let literal = json!({ "config": { "Env": ["A=$HOME", "B=$$"] } });
    assert_eq!(
        env(on_base(literal, options(json!(["C=$A"]))).unwrap()),
        json!(["A=$HOME", "B=$$", "C=$HOME"])
    );
}

#[test]
fn a_variable_of_the_base_can_be_removed() {
    let below = json!({ "config": { "Env": ["PATH=/bin", "OLD=1", "KEPT=2", "OLD=3"] } });
    let on = |options: ConfigOptions| on_base(below.clone(), options).unwrap();
    let config = on(ConfigOptions::default().unset_env("OLD"));
    assert_eq!(
        (&document(&config)["config"]["Env"], config.warnings()),
        (&json!(["PATH=/bin", "KEPT=2"]), &[][..])
    );
    let set_again =
        ConfigOptions::new(json!({ "config": { "Env": ["OLD=$OLD"] } })).unset_env("OLD");
    let config = on(set_again);
    assert_eq!(document(&config)["config"]["Env"], json!(["PATH=/bin", "KEPT=2", "OLD=$OLD"]));
    assert!(matches!(config.warnings(), [Warning::Reference { .. }]));
    let config = on(ConfigOptions::default().unset_env("OLD").unset_env("NONE"));
    assert_eq!(config.warnings(), [Warning::VariableNotSet { name: "NONE".to_owned() }]);
}

/// Engines use the last of several entries of one name: tried with podman and Docker.
#[test]
fn a_variable_occurs_once() {
    let config = made(json!({ "config": { "Env": ["A=1", "B=1", "A=2"] } })).unwrap();
    assert_eq!(document(&config)["config"]["Env"], json!(["A=2", "B=1"]));
    assert!(
        matches!(config.warnings(), [Warning::VariableTwice { .. }]),
        "{:?}",
        config.warnings()
    );
    let twice = json!({ "config": { "Env": ["A=1", "B=1", "A=2"] } });
    let config = on_base(twice.clone(), Value::Null).unwrap();
    assert_eq!(
        document(&config)["config"]["Env"],
        json!(["A=1", "B=1", "A=2"]),
        "the base's stays as it is"
    );
    assert!(
        matches!(config.warnings(), [Warning::MemberUnusual { .. }]),
        "{:?}",
        config.warnings()
    );
    let config = on_base(twice, json!({ "config": { "Env": ["A=$A:3"] } })).unwrap();
    assert_eq!(document(&config)["config"]["Env"], json!(["A=2:3", "B=1"]));
    assert_eq!(config.warnings(), []);
}

#[test]
fn protocols_are_in_lower_case() {
    let ports = json!({ "config": { "ExposedPorts": { "80/TCP": {}, "53/Udp": {}, "9": {} } } });
    let config = made(ports.clone()).unwrap();
    assert_eq!(
        document(&config)["config"]["ExposedPorts"],
        json!({ "53/udp": {}, "80/tcp": {}, "9": {} })
    );
    assert_eq!(config.warnings(), []);
    let config = on_base(ports, json!({ "config": { "ExposedPorts": { "9": null } } })).unwrap();
    assert_eq!(
        document(&config)["config"]["ExposedPorts"],
        json!({ "53/Udp": {}, "80/TCP": {} }),
        "as the base has it"
    );
    assert_eq!(config.warnings().len(), 2, "{:?}", config.warnings());
}

/// Also of manifests and indexes, and of a base whose configuration cannot be read.
#[test]
fn a_value_of_the_wrong_type_is_named() {
    let none: [std::sync::Arc<dyn Layer>; 0] = [];
    let manifest =
        |extra: Value| message(image_manifest(made(Value::Null).unwrap(), none.clone(), extra));
    let index = |extra: Value| message(image_index(Vec::<Image>::new(), extra));
    for (said, start) in [
        (
            manifest(json!({ "annotations": { "a": 1 } })),
            "image manifest, annotations.a: invalid type: integer `1`",
        ),
        (
            manifest(json!({ "annotations": ["a"] })),
            "image manifest, annotations: invalid type: sequence",
        ),
        (
            manifest(json!({ "artifactType": 1 })),
            "image manifest, artifactType: invalid type: integer `1`",
        ),
        (manifest(json!({ "subject": "x" })), "image manifest, subject: invalid type: string"),
        (
            index(json!({ "annotations": { "a": null, "b": true } })),
            "image index, annotations.b: invalid type: boolean",
        ),
        (
            index(json!({ "schemaVersion": "2" })),
            "image index, schemaVersion: invalid type: string",
        ),
    ] {
        assert!(said.starts_with(start), "{said}");
    }
    for (config, place) in [
        (json!({ "User": 1000 }), "(config.User: invalid type: integer `1000`, expected a string"),
        (
            json!({ "Env": ["A=1", 2] }),
            "(config.Env[1]: invalid type: integer `2`, expected a string",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let said = message(write_base(dir.path(), &json!({ "config": config })).image(None, None));
        assert!(said.contains(place), "{said}");
    }
}

/// Docker reports "max depth exceeded" for an image with 126 layers.
#[test]
fn many_layers_are_a_warning() {
    let image = |layers: usize, strict: bool| {
        let layers: Vec<_> = (0..layers)
            .map(|number| {
                layer_tar([FileMapping::text("", format!("/{number}"))], LayerOptions::default())
                    .unwrap()
            })
            .collect();
        let config = image_config(&layers, Value::Null).unwrap();
        image_manifest(config, layers, ManifestOptions::default().strict(strict))
    };
    assert_eq!(image(125, true).unwrap().warnings(), []);
    assert_eq!(
        image(130, false).unwrap().warnings(),
        [Warning::ManyLayers { layers: 130, most: 125 }]
    );
    assert!(
        message(image(126, true))
            .starts_with("the image has 126 layers, and Docker refuses more than 125")
    );
}
