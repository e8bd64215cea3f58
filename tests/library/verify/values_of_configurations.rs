//! Values of configurations: `verify` reports what builders refuse, as an error or a warning, and
//! nothing else.

use oci_layout::{
    ConfigOptions,
    verify::{Severity, VerifyOptions},
};
use serde_json::{Value, json};

use super::layout::{Layout, verify};
use crate::common::values::{forbidden, refused, taken};

const CONFIG: &[&str] = &["/manifests/0", "/config"];

/// The members with findings in an image with this configuration, and their severity.
fn found(change: impl FnOnce(&mut Value)) -> Vec<(String, Severity)> {
    let layout = Layout::good();
    layout.edit_json(CONFIG, change);
    let findings = oci_layout::verify::verify(layout.path(), &VerifyOptions::default()).unwrap();
    let member = |place: &str| {
        place.strip_prefix("index.json, manifests[0], config, ").unwrap_or(place).to_owned()
    };
    findings.iter().map(|finding| (member(&finding.place), finding.severity())).collect()
}

fn of_config(config: Value) -> Vec<(String, Severity)> {
    found(|document| document["config"] = config)
}

#[test]
fn values_that_no_engine_runs_are_errors() {
    for (member, config) in forbidden() {
        assert_eq!(of_config(config.clone()), [(member.to_owned(), Severity::Error)], "{config}");
    }
}

#[test]
fn values_that_some_engines_refuse_are_warnings() {
    for (member, config) in refused() {
        assert_eq!(of_config(config.clone()), [(member.to_owned(), Severity::Warning)], "{config}");
    }
}

#[test]
fn values_that_engines_accept_are_not_reported() {
    for config in taken() {
        assert_eq!(of_config(config.clone()), [], "{config}");
    }
}

/// Builders and `verify` share one table, so both refuse the same values.
#[test]
fn built_configurations_have_no_findings() {
    let every = forbidden().into_iter().chain(refused()).map(|(_, config)| config).chain(taken());
    for config in every {
        let is_built = ConfigOptions::new(json!({ "config": config })).check().is_ok();
        assert_eq!(is_built, of_config(config.clone()).is_empty(), "{config}");
    }
}

/// Any value of any member: `verify` reports it exactly if the builder refuses it.
#[test]
fn the_builder_and_verify_refuse_the_same_values() {
    const MEMBERS: &[&str] = &[
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "ArgsEscaped",
        "Memory",
        "MemorySwap",
        "CpuShares",
        "Healthcheck",
        "OnBuild",
        "Shell",
        "StopTimeout",
        "Hostname",
        "Tty",
        "NetworkDisabled",
        "MacAddress",
        "Image",
    ];
    const HEALTH: &[&str] =
        &["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"];
    let scalars = [
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e9),
        json!(1_000_000),
        json!(u64::MAX),
        json!(""),
        json!("a"),
        json!("/a"),
        json!("15"),
        json!("80/tcp"),
        json!("A=b"),
        json!("CMD"),
        json!("NONE"),
        json!("\0"),
    ];
    let mut random = crate::common::Random(7);
    for _ in 0..400 {
        let mut some = || scalars[random.below(scalars.len())].clone();
        let values = [
            some(),
            json!([some()]),
            json!([some(), some()]),
            json!({ "/a": {}, "80": {} }),
            json!({ "x": some() }),
        ];
        let mut value = values[random.below(values.len())].clone();
        let member = MEMBERS[random.below(MEMBERS.len())];
        if member == "Healthcheck" {
            value = json!({ HEALTH[random.below(HEALTH.len())]: value });
        }
        let config = json!({ member: value });
        let is_built = ConfigOptions::new(json!({ "config": config })).check().is_ok();
        assert_eq!(is_built, of_config(config.clone()).is_empty(), "{config}");
    }
}

#[test]
fn names_of_platforms_are_warnings() {
    let warning = |member: &str| vec![(member.to_owned(), Severity::Warning)];
    for (change, expected) in [
        (json!({ "architecture": "amd64", "variant": "v1" }), vec![]),
        (json!({ "architecture": "amd64", "variant": "v3" }), vec![]),
        (json!({ "architecture": "riscv64" }), vec![]),
        (json!({ "architecture": "x86_64" }), warning("architecture")),
        (json!({ "architecture": "amd64", "variant": "v5" }), warning("variant")),
        (json!({ "architecture": "amd46" }), warning("architecture")),
        (json!({ "os": "Linux" }), warning("os")),
        (json!({ "os": "plan10" }), warning("os")),
    ] {
        let layout = Layout::good();
        layout.edit_json(CONFIG, |document| {
            document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        });
        layout.edit_json(&[], |index| {
            let platform = index["manifests"][0]["platform"].as_object_mut().unwrap();
            platform.extend(change.as_object().unwrap().clone());
        });
        let findings =
            oci_layout::verify::verify(layout.path(), &VerifyOptions::default()).unwrap();
        let found: Vec<_> = findings
            .iter()
            .map(|finding| {
                (finding.place.rsplit(", ").next().unwrap().to_owned(), finding.severity())
            })
            .collect();
        assert_eq!(found, expected, "{change}");
    }
    let layout = Layout::good();
    layout.edit_json(CONFIG, |document| document["architecture"] = "x86_64".into());
    let (_, _, sentence) = &verify(layout.path())[0];
    assert_eq!(sentence, "is \"x86_64\" and should be \"amd64\", the name that images use");
}

/// An index and a configuration may name one platform differently.
#[test]
fn one_platform_has_several_names() {
    for (index, configuration) in [
        (json!({ "architecture": "amd64", "variant": "v1" }), json!({ "architecture": "amd64" })),
        (json!({ "architecture": "arm" }), json!({ "architecture": "arm", "variant": "v7" })),
        (
            json!({ "architecture": "arm64", "variant": "v8" }),
            json!({ "architecture": "arm64", "variant": "" }),
        ),
    ] {
        let layout = Layout::good();
        let set = |object: &mut Value, members: &Value| {
            object.as_object_mut().unwrap().remove("variant");
            object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        };
        layout.edit_json(CONFIG, |document| set(document, &configuration));
        layout.edit_json(&[], |document| set(&mut document["manifests"][0]["platform"], &index));
        assert_eq!(verify(layout.path()), [], "{index}, {configuration}");
    }
}

#[test]
fn windows_has_other_paths_and_users() {
    let config = json!({
        "WorkingDir": "C:\\app", "Volumes": { "C:\\data": {} }, "User": "NT AUTHORITY\\SYSTEM", "StopSignal": "CTRL_C",
    });
    let on = |os: &str| ConfigOptions::new(json!({ "os": os, "config": config })).check();
    assert_eq!(on("windows").unwrap(), []);
    on("linux").unwrap_err();
}

/// As in images from before the specification. podman refuses other types.
#[test]
fn members_of_older_images_have_their_types() {
    for member in ["id", "parent", "comment", "container", "docker_version", "container_config"] {
        assert_eq!(
            found(|document| document[member] = 1.into()),
            [(member.to_owned(), Severity::Error)]
        );
    }
    assert_eq!(found(|document| document["container_config"] = json!({ "Cmd": null })), []);
}

#[test]
fn many_layers_are_a_warning() {
    let layout = Layout::good();
    let (manifest, config) = (&["/manifests/0"][..], CONFIG);
    let read = |way: &[&str]| serde_json::from_slice::<Value>(&layout.read(way)).unwrap();
    let more = |value: &Value, count: usize| {
        let list = value.as_array().unwrap();
        Value::from(
            list.iter()
                .chain(std::iter::repeat_n(&list[0], count - list.len()))
                .cloned()
                .collect::<Vec<_>>(),
        )
    };
    for (count, expected) in
        [(125, vec![]), (126, vec!["has 126 layers, but Docker refuses more than 125: merge some"])]
    {
        let (layers, ids) =
            (read(manifest)["layers"].clone(), read(config)["rootfs"]["diff_ids"].clone());
        layout.edit_json(config, |document| {
            document["rootfs"]["diff_ids"] = more(&ids, count);
            document["history"] = json!(vec![json!({}); count]);
        });
        layout.edit_json(manifest, |document| document["layers"] = more(&layers, count));
        let sentences: Vec<_> =
            verify(layout.path()).into_iter().map(|(_, _, sentence)| sentence).collect();
        assert_eq!(sentences, expected);
    }
}
