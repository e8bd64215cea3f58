//! `check`: formats, exit codes and several platforms. `tests/library/check.rs` has the checks
//! themselves.

use std::{fs, process::Command};

use oci_layout::Digest;
use serde_json::{Value, json};

use crate::{
    cli::room::{Room, Run},
    common::{self, raw_tar},
};

fn write(room: &Room, name: &str, text: &str) {
    fs::write(room.path(name), text).unwrap();
}

/// A layout `image`, whose program has the setuid bit and a name that would act on a terminal.
fn room() -> Room {
    let room = Room::new();
    let name = "a\u{1b}[31m\u{9b}\u{202e}<&>\"";
    fs::create_dir(room.path("tree")).unwrap();
    fs::write(room.path("tree").join(name), "x").unwrap();
    room.ok("build -f tree:/opt -f app:/bin/app --chmod **=4755 --user 1000 --tag v1 -o image");
    write(&room, "policy.yaml", "rootUser: forbidden\nsetuidFiles: {allow: [/bin/app]}\n");
    room
}

/// The name of the file in output for people and in JUnit.
const SHOWN: &str = r#"/opt/a\u{1b}[31m\u{9b}\u{202e}<&>""#;

#[test]
fn findings_are_lines() {
    let room = room();
    let run = room.run("check image --policy policy.yaml".split(' '));
    let layer = room.image("image").0["layers"][0]["digest"].clone();
    let layer = layer.as_str().unwrap();
    let lines = format!(
        "{SHOWN} ({layer}): has the setuid bit (mode 4755): remove it, or allow the file \
         [setuidFiles: no setuid files]\n1 of 2 checks passed\n"
    );
    assert_eq!(run, Run { code: Some(1), out: lines, err: String::new() });

    write(&room, "user.yaml", "rootUser: forbidden\n");
    assert_eq!(room.ok("check image:v1 --policy user.yaml"), "1 of 1 checks passed\n");
    assert_eq!(room.ok("check --format json image --policy user.yaml"), "[]\n");
    // Of several policies, each is named.
    let run = room.run("check image --policy user.yaml --policy policy.yaml".split(' '));
    assert!(run.out.contains("[policy.yaml, setuidFiles: no setuid files]"), "{}", run.out);
    assert!(run.out.ends_with("2 of 3 checks passed\n") && run.code == Some(1));

    // Archives are read too.
    room.ok("export image -o image.tar");
    room.ok("export --format docker-archive image -o docker.tar");
    for image in ["image.tar", "docker-archive:docker.tar", "oci-archive:image.tar:v1"] {
        let run = room.run(["check", image, "--policy", "policy.yaml"]);
        assert!(run.out.starts_with(SHOWN) && run.code == Some(1), "{run:?}");
    }
}

#[test]
fn reports_have_what_passed_and_what_failed() {
    let room = room();
    let run = |format: &str| {
        let args = ["check", "image", "--policy", "policy.yaml", "--format", format];
        let run = room.run(args);
        assert_eq!((run.code, &*run.err), (Some(1), ""));
        run.out
    };
    let place = "/opt/a\u{1b}[31m\u{9b}\u{202e}<&>\"";
    let findings = run("json");
    assert!(!findings.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    let findings: Value = serde_json::from_str(&findings).unwrap();
    let layer = room.image("image").0["layers"][0]["digest"].clone();
    let wanted = json!([{
        "severity": "error",
        "place": place,
        "digest": layer,
        "defect": "setuid-file",
        "message": "has the setuid bit (mode 4755): remove it, or allow the file",
        "platform": "linux/amd64",
        "policy": "policy.yaml",
        "rule": "setuidFiles",
        "check": "no setuid files",
    }]);
    assert_eq!(findings, wanted);

    let log: Value = serde_json::from_str(&run("sarif")).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run_of_log = &log["runs"][0];
    assert_eq!(run_of_log["tool"]["driver"]["version"], env!("CARGO_PKG_VERSION"));
    let results = run_of_log["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    let rules = &run_of_log["tool"]["driver"]["rules"];
    let index = results[0]["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(
        (&rules[index]["id"], &results[0]["ruleId"]),
        (&json!("setuidFiles"), &json!("setuidFiles"))
    );
    let artifact = results[0].pointer("/locations/0/physicalLocation/artifactLocation").unwrap();
    let uri = "opt/a%1B%5B31m%C2%9B%E2%80%AE%3C%26%3E%22";
    assert_eq!(*artifact, json!({ "uri": uri, "uriBaseId": "IMAGE" }));

    let xml = run("junit");
    assert!(!xml.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    write(&room, "report.xml", &xml);
    let mut python = Command::new("python3");
    python.args(["-c", READ_JUNIT]).arg(room.path("report.xml"));
    let read = String::from_utf8(common::run(&mut python)).unwrap();
    let message = format!("{SHOWN} ({}): has the setuid bit", layer.as_str().unwrap());
    let lines: Vec<_> = read.lines().collect();
    assert_eq!(lines[..2], ["2 1", "rootUser user"]);
    assert!(
        lines[2].starts_with(&format!("setuidFiles no setuid files setuid-file {message}")),
        "{read}"
    );
}

/// Prints the numbers of a report, and a line for each test case.
const READ_JUNIT: &str = "
import sys, xml.etree.ElementTree as tree
suites = tree.parse(sys.argv[1]).getroot()
print(suites.get('tests'), suites.get('failures'))
for case in suites.iter('testcase'):
    failures = [text for failure in case for text in (failure.get('type'), failure.get('message'))]
    print(case.get('classname'), case.get('name'), *failures)
";

#[test]
fn every_platform_is_checked() {
    let room = Room::new();
    room.ok("build --platform linux/amd64 -f app:/a --user 1000 --tag v1 -o amd64");
    room.ok("build --platform linux/arm64 -f app:/a --tag v1 -o arm64");
    room.ok("image-layout v1=amd64 v1=arm64 -o both");
    write(&room, "policy.yaml", "rootUser: forbidden\nrequiredFiles: [a]\n");
    let run = room.run("check both --policy policy.yaml".split(' '));
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!((run.code, lines.len()), (Some(1), 2), "{run:?}");
    assert!(lines[0].starts_with("linux/arm64: configuration, config.User (sha256:"), "{run:?}");
    assert_eq!(lines[1], "3 of 4 checks passed");
    let one = "check both --platform linux/amd64 --policy policy.yaml";
    assert_eq!(room.ok(one), "2 of 2 checks passed\n");
    let run = room.run("check both --platform linux/s390x --policy policy.yaml".split(' '));
    assert!(run.code == Some(1) && run.err.contains("linux/amd64, linux/arm64"), "{run:?}");
}

/// An image for an unknown platform is one that no check sees, unless it is an attestation.
#[test]
fn images_for_unknown_platforms_are_refused() {
    let room = Room::new();
    room.ok("build -f app:/a --user 1000 --tag v1 -o one");
    room.ok("build --platform unknown/unknown -f app:/b --tag v1 -o unknown");
    room.ok("image-layout v1=one v1=unknown -o both");
    write(&room, "policy.yaml", "rootUser: forbidden\n");
    let refused = "it is an image for an unknown platform, which is not checked";
    let run = room.run("check both --policy policy.yaml".split(' '));
    assert!(run.code == Some(1) && run.err.contains(refused), "{run:?}");
    room.ok("check both --platform linux/amd64 --policy policy.yaml");
    let run = room.run("check unknown --policy policy.yaml".split(' '));
    assert!(run.code == Some(1), "{run:?}");
}

#[test]
fn entries_that_no_check_sees_fail_in_every_format() {
    let room = Room::new();
    let tar = [("../x", "")].map(|(name, text)| raw_tar::file(name, text.as_bytes()));
    let layer = raw_tar::tar(&tar);
    let diff_id = Digest::of(&layer);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "User": "1" },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let manifest = r#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]"#;
    let archive = raw_tar::tar(&[
        raw_tar::file("manifest.json", manifest.as_bytes()),
        raw_tar::file("c.json", config.to_string().as_bytes()),
        raw_tar::file("layer.tar", &layer),
    ]);
    fs::write(room.path("image.tar"), archive).unwrap();
    write(&room, "policy.yaml", "rootUser: forbidden\n");
    for options in ["", "-q ", "--strict "] {
        let run = room.run(format!("{options}check image.tar --policy policy.yaml").split(' '));
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.out.starts_with("/../x: "), "{run:?}");
        assert!(run.out.contains("no check sees this entry"), "{run:?}");
        let end = " [entries: entries of the layers]\n1 of 2 checks passed\n";
        assert!(run.out.ends_with(end), "{run:?}");
    }
    let format = |format| {
        let run = room.run(["check", "image.tar", "--policy", "policy.yaml", "--format", format]);
        assert_eq!(run.code, Some(1), "{run:?}");
        run.out
    };
    assert!(format("junit").contains(" tests=\"2\" failures=\"1\""));
    let sarif: Value = serde_json::from_str(&format("sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
    // It is not the path of a file in the image.
    let artifact = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation";
    assert_eq!(sarif.pointer(artifact), Some(&json!({ "uri": "policy.yaml" })));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let room = room();
    write(
        &room,
        "commands.yaml",
        "schemaVersion: 2.0.0\ncommandTests:\n- name: a\n  command: ls\n",
    );
    room.fails(
        "check image --policy commands.yaml",
        "policy \"commands.yaml\": commandTests: these tests run programs, which this check does not: test the \
         image with ociTestImage in Nix or with container-structure-test, and remove the member \
         here at line 3, column 3",
    );
    room.fails(
        "check image --policy none.yaml",
        "cannot read \"none.yaml\": No such file or directory (os error 2)",
    );
    room.fails(
        "check image --policy /dev/zero",
        "policy \"/dev/zero\": it has more than 1 MiB: divide it into several policies",
    );
    let run = room.run(["check", "image"]);
    assert!(run.code == Some(2) && run.err.contains("--policy <FILE>"), "{run:?}");
}
