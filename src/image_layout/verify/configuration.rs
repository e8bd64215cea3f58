//! What an image configuration must say:
//! [properties](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).

use serde_json::Value;

use super::{
    defect::Defect,
    finding::Findings,
    members::{Object, Shape, wrong},
    reference,
};
use crate::{
    descriptor::{Extra, Platform},
    digest::Digest,
};

/// What other documents are compared with.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) platform: Option<Platform>,
    /// One for each layer, `None` for what is no digest; nothing if there is no list.
    pub(super) diff_ids: Option<Vec<Option<Digest>>>,
}

const MEMBERS: &[(&str, Shape)] = &[
    ("created", Shape::Time),
    ("author", Shape::Text),
    ("os.version", Shape::Text),
    ("os.features", Shape::Texts),
    ("variant", Shape::Text),
];

/// The specification's, and those of Docker's that runtimes read.
const CONFIG_MEMBERS: &[(&str, Shape)] = &[
    ("User", Shape::Text),
    ("ExposedPorts", Shape::Object),
    ("Env", Shape::Variables),
    ("Entrypoint", Shape::Texts),
    ("Cmd", Shape::Texts),
    ("Volumes", Shape::Object),
    ("WorkingDir", Shape::Text),
    ("Labels", Shape::TextMap),
    ("StopSignal", Shape::Text),
    ("ArgsEscaped", Shape::Flag),
    ("Memory", Shape::Number),
    ("MemorySwap", Shape::Number),
    ("CpuShares", Shape::Number),
    ("Healthcheck", Shape::Object),
    ("Shell", Shape::Texts),
    ("OnBuild", Shape::Texts),
];

const HISTORY_MEMBERS: &[(&str, Shape)] = &[
    ("created", Shape::Time),
    ("author", Shape::Text),
    ("created_by", Shape::Text),
    ("comment", Shape::Text),
    ("empty_layer", Shape::Flag),
];

/// Notes down what is wrong with a configuration.
pub(super) fn check(findings: &mut Findings, place: &str, digest: Digest, value: &Value) -> Configuration {
    let Some(document) = Object::document(findings, place, Some(digest), value) else {
        return Configuration::default();
    };
    document.optional_or_null(findings, MEMBERS);
    let platform = platform(findings, &document);
    if let Some(value) = document.get("config").filter(|value| !value.is_null())
        && let Some(config) = document.deeper(findings, "config", value)
    {
        config.optional_or_null(findings, CONFIG_MEMBERS);
    }
    let diff_ids = diff_ids(findings, &document);
    history(findings, &document, diff_ids.as_ref().map(Vec::len));
    Configuration { platform, diff_ids }
}

fn platform(findings: &mut Findings, document: &Object<'_>) -> Option<Platform> {
    let text = |name| document.get(name).and_then(Value::as_str).map(str::to_owned);
    let features = document.get("os.features").and_then(Value::as_array).into_iter().flatten();
    let architecture = document.required_text(findings, "architecture", Shape::Name);
    let os = document.required_text(findings, "os", Shape::Name);
    Some(Platform {
        architecture: architecture?.to_owned(),
        os: os?.to_owned(),
        os_version: text("os.version"),
        os_features: features.filter_map(Value::as_str).map(str::to_owned).collect(),
        variant: text("variant"),
        extra: Extra::default(),
    })
}

fn diff_ids(findings: &mut Findings, document: &Object<'_>) -> Option<Vec<Option<Digest>>> {
    let value = document.required(findings, "rootfs", "an object with the layers' diff IDs")?;
    let rootfs = document.deeper(findings, "rootfs", value)?;
    const LAYERS: &str = "\"layers\"";
    if let Some(kind) = rootfs.required(findings, "type", LAYERS)
        && kind != "layers"
    {
        rootfs.report(findings, "type", wrong(kind, LAYERS));
    }
    // Go writes an image without layers so.
    if rootfs.get("diff_ids").is_some_and(Value::is_null) {
        return Some(Vec::new());
    }
    let list = rootfs.required_list(findings, "diff_ids", "a list of digests")?;
    let digest = |(index, value)| reference::digest(findings, &rootfs, &format!("diff_ids[{index}]"), value);
    Some(list.iter().enumerate().map(digest).collect())
}

fn history(findings: &mut Findings, document: &Object<'_>, diff_ids: Option<usize>) {
    if document.get("history").is_none_or(Value::is_null) {
        return;
    }
    let Some(list) = document.required_list(findings, "history", "a list of objects") else { return };
    let mut made = 0;
    for (index, value) in list.iter().enumerate() {
        if let Some(entry) = document.deeper(findings, &format!("history[{index}]"), value) {
            entry.optional_or_null(findings, HISTORY_MEMBERS);
        }
        made += usize::from(value.get("empty_layer") != Some(&Value::Bool(true)));
    }
    match diff_ids {
        Some(diff_ids) if made != diff_ids && !list.is_empty() => {
            document.report(findings, "history", Defect::HistoryCount { made, diff_ids });
        }
        _ => {}
    }
}
