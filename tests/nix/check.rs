//! Checks against policies as derivations, and images that depend on them.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::nix::apps::Apps;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { images_are_checked, an_image_exists_only_if_its_checks_succeed }

/// What a build that fails prints.
#[track_caller]
fn refused(apps: &Apps, attribute: &str) -> String {
    let mut build = apps.nix("build", "");
    build.args([attribute, "--no-link", "--print-build-logs"]);
    let output = build.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    said
}

const FINDING: &str = "linux/arm64: configuration, config.User (sha256:";

fn images_are_checked(nix: Nix) {
    let apps = Apps(nix);
    let reports = apps.build("check.good", "");
    let report = |name: &str| fs::read_to_string(reports.join(name)).unwrap();
    let parsed = |name: &str| serde_json::from_str::<Value>(&report(name)).unwrap();
    assert_eq!(parsed("findings.json"), json!([]));
    let sarif = parsed("results.sarif");
    assert_eq!((&sarif["version"], &sarif["runs"][0]["results"]), (&json!("2.1.0"), &json!([])));
    let junit = report("junit.xml");
    for part in ["policy.json", "team.yaml", "linux/amd64", "linux/arm64"] {
        assert!(junit.contains(part) && !junit.contains("<failure"), "{part}: {junit}");
    }

    let said = refused(&apps, "check.bad");
    for part in [FINDING, "[policy.json, rootUser: user]", "5 of 6 checks passed", "lines above"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // The program reports what the build would not leave.
    let output = apps.output("check.bad.program", "", &["--format", "json"], &Command::new("true"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [finding] = &findings.as_array().unwrap()[..] else { panic!("{findings}") };
    assert_eq!(
        [&finding["platform"], &finding["rule"], &finding["severity"]],
        ["linux/arm64", "rootUser", "error"]
    );
    apps.run("check.good.program", "", &[], &Command::new("true"));
}

fn an_image_exists_only_if_its_checks_succeed(nix: Nix) {
    let apps = Apps(nix);
    let (open, gated) = (apps.build("check.open", ""), apps.build("check.gate", ""));
    assert_ne!(open, gated);
    // With the same bytes, and blobs that are all there.
    let [open, gated] = [open, gated].map(Layout::checked);
    assert_eq!(open.index(), gated.index());
    for attribute in ["check.shut", "check.shut.push"] {
        assert!(refused(&apps, attribute).contains(FINDING), "{attribute}");
    }
}
