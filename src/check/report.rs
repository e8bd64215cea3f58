//! Results as a list of findings in JSON, and as lines for people.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    basics::{Printable, PrintableJson, json::to_text},
    check::finding::{CheckFinding, ImageChecks},
};

/// A finding with the check that made it.
#[derive(Serialize)]
struct OneFinding<'a> {
    #[serde(flatten)]
    finding: &'a CheckFinding,
    platform: &'a str,
    policy: &'a str,
    rule: &'a str,
    check: &'a str,
}

/// The bytes of a JSON list of all findings. Each has the members of a serialised [`CheckFinding`],
/// and `platform`, `policy`, `rule` and `check`. Characters that act on a terminal are escaped.
pub fn json(images: &[ImageChecks]) -> Vec<u8> {
    let findings: Vec<_> = findings(images).collect();
    format!("{}\n", PrintableJson(to_text(&findings))).into_bytes()
}

/// A line for each finding, and how many checks passed. The platform and the policy are in a line
/// if there are several.
pub fn text(images: &[ImageChecks]) -> String {
    let checks = || images.iter().flat_map(|image| &image.checks);
    // The entries of layers are checked without a policy.
    let mut policies = checks().map(|check| &check.policy).filter(|policy| !policy.is_empty());
    let first = policies.next();
    let has_policies = policies.any(|policy| Some(policy) != first);
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{}", Printable(line));
    };
    for OneFinding { finding, platform, policy, rule, check } in findings(images) {
        let platform = if images.len() > 1 { format!("{platform}: ") } else { String::new() };
        let has_policy = has_policies && !policy.is_empty();
        let policy = if has_policy { format!("{policy}, ") } else { String::new() };
        line(format!("{platform}{finding} [{policy}{rule}: {check}]"));
    }
    let passed = checks().filter(|check| check.findings.is_empty()).count();
    line(format!("{passed} of {} checks passed", checks().count()));
    text
}

fn findings(images: &[ImageChecks]) -> impl Iterator<Item = OneFinding<'_>> {
    images.iter().flat_map(|image| {
        image.checks.iter().flat_map(|check| {
            check.findings.iter().map(|finding| OneFinding {
                finding,
                platform: &image.platform,
                policy: &check.policy,
                rule: check.rule.name(),
                check: &check.name,
            })
        })
    })
}
