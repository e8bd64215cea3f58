//! Results as [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html), which
//! code scanning reads.

use serde_json::{Value, json};

use crate::check::finding::{Check, CheckFinding, ImageChecks, Rule};

/// The bytes of a SARIF log with one run. Its rules are the members of policies, and each finding is
/// a result.
pub fn sarif(images: &[ImageChecks]) -> Vec<u8> {
    let rules: Vec<Value> = Rule::ALL.iter().map(|rule| described(*rule)).collect();
    let results: Vec<Value> = images
        .iter()
        .flat_map(|image| image.checks.iter().map(move |check| (image, check)))
        .flat_map(|(image, check)| {
            check.findings.iter().map(move |finding| result(image, check, finding))
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "oci-layout",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "originalUriBaseIds": {
                ROOT: { "description": { "text": "The root of the image's file system." } },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    let mut bytes = format!("{log:#}").into_bytes();
    bytes.push(b'\n');
    bytes
}

/// What paths of files are relative to.
const ROOT: &str = "IMAGE";

fn described(rule: Rule) -> Value {
    json!({
        "id": rule.name(),
        "shortDescription": { "text": rule.sentence() },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(image: &ImageChecks, check: &Check, finding: &CheckFinding) -> Value {
    let index = Rule::ALL.iter().position(|rule| *rule == check.rule);
    // What is not in a file of the image is shown at the policy, or at the first of them.
    let policies = image.checks.iter().map(|check| &check.policy);
    let policy = [&check.policy].into_iter().chain(policies).find(|name| !name.is_empty());
    let artifact = match finding.is_file() {
        true => json!({ "uri": uri(in_root(&finding.place)), "uriBaseId": ROOT }),
        false => json!({ "uri": uri(policy.map_or("", String::as_str)) }),
    };
    json!({
        "ruleId": check.rule.name(),
        "ruleIndex": index,
        "level": "error",
        "message": { "text": format!("{}: {finding}", image.platform) },
        "locations": [{
            // Code scanning shows no result without a line.
            "physicalLocation": { "artifactLocation": artifact, "region": { "startLine": 1 } },
            "logicalLocations": [{ "fullyQualifiedName": finding.place }],
        }],
        "properties": {
            "check": check.name,
            "defect": finding.violation.name(),
            "digest": finding.digest,
            "image": image.image,
            "platform": image.platform,
            "policy": check.policy,
        },
    })
}

/// A path of the image, relative to its root.
fn in_root(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}

/// A path as a [reference](https://www.rfc-editor.org/rfc/rfc3986#section-4.2): all but unreserved
/// characters and slashes are escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into());
            }
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}
