//! Checks an image configuration:
//! [properties](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).

use serde_json::Value;

use crate::{
    basics::digest::Digest,
    document::{
        config_values::{
            self,
            kinds::{Fault, Verdict},
        },
        descriptor::Platform,
        extra::Extra,
    },
    verify::{defect::Defect, finding::Findings, members::Object, reference},
};

/// The members that other documents are compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) platform: Option<Platform>,
    /// One for each layer, with `None` for an invalid digest; `None` if there is no list.
    pub(crate) diff_ids: Option<Vec<Option<Digest>>>,
    /// Which of `architecture` and `os` are empty strings.
    pub(crate) empty: Vec<&'static str>,
}

/// Reports what is wrong with a configuration.
pub(crate) fn check(
    findings: &mut Findings,
    place: &str,
    digest: Digest,
    value: &Value,
) -> Configuration {
    let Some(document) = Object::document(findings, place, Some(digest), value) else {
        return Configuration::default();
    };
    let platform = platform(findings, &document);
    let is_empty = |member: &str| document.get(member).and_then(Value::as_str) == Some("");
    let empty: Vec<_> =
        ["architecture", "os"].into_iter().filter(|member| is_empty(member)).collect();
    config_values::check(document.members, &mut |fault| {
        let member = fault.member();
        // What an empty value means depends on the layers.
        if empty.contains(&&*member) {
            return;
        }
        let Fault { found, expected, verdict, .. } = fault;
        let defect = match verdict {
            Verdict::Forbidden => Defect::MemberWrong { found, expected },
            Verdict::Refused => Defect::MemberRefused { found, expected },
            Verdict::Unusual => Defect::MemberUnusual { found, expected },
        };
        document.report(findings, &member, defect);
    });
    let diff_ids = diff_ids(findings, &document);
    history(findings, &document, diff_ids.as_ref().map(Vec::len));
    Configuration { platform, diff_ids, empty }
}

fn platform(findings: &mut Findings, document: &Object<'_>) -> Option<Platform> {
    let text = |name| document.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    const NAME: &str = "a string that is not empty";
    let features = document.get("os.features").and_then(Value::as_array).into_iter().flatten();
    let architecture = document.required(findings, "architecture", NAME).and_then(name);
    let os = document.required(findings, "os", NAME).and_then(name);
    Some(Platform {
        architecture: architecture?,
        os: os?,
        os_version: text("os.version"),
        os_features: features.filter_map(Value::as_str).map(str::to_owned).collect(),
        variant: text("variant"),
        extra: Extra::default(),
    })
}

fn diff_ids(findings: &mut Findings, document: &Object<'_>) -> Option<Vec<Option<Digest>>> {
    let value = document.required(findings, "rootfs", "an object with the layers' diff IDs")?;
    let rootfs = document.deeper(findings, "rootfs", value)?;
    rootfs.required_value(findings, "type", "\"layers\"");
    // Go writes an image without layers this way.
    if rootfs.get("diff_ids").is_some_and(Value::is_null) {
        return Some(Vec::new());
    }
    let list = rootfs.required_list(findings, "diff_ids", "a list of digests")?;
    let digest =
        |(index, value)| reference::digest(findings, &rootfs, &format!("diff_ids[{index}]"), value);
    Some(list.iter().enumerate().map(digest).collect())
}

fn history(findings: &mut Findings, document: &Object<'_>, diff_ids: Option<usize>) {
    let Some(list) = document.get("history").and_then(Value::as_array) else { return };
    let made =
        list.iter().filter(|entry| entry.get("empty_layer") != Some(&Value::Bool(true))).count();
    match diff_ids {
        Some(diff_ids) if made != diff_ids && !list.is_empty() => {
            document.report(findings, "history", Defect::HistoryCount { made, diff_ids });
        }
        _ => {}
    }
}
