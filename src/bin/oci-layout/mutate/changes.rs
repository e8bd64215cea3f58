//! What has changed, in a line for people.

use oci_layout::{Image, PlatformImage, document::Platform};
use serde_json::{Map, Value};

/// The members that differ between two images, for people.
///
/// Of an image for several platforms, this compares one.
pub(super) fn changes(old: &Image, new: &Image, only: Option<&Platform>) -> Option<String> {
    let of = |image| PlatformImage::of(image, only).ok();
    // After a change of the platform, the new image is for another one.
    let (old, new) = (of(old)?, of(new).or_else(|| PlatformImage::of(new, None).ok())?);
    let value = |image: &PlatformImage| serde_json::to_value(image.configuration());
    let mut differ = Vec::new();
    if let (Ok(Value::Object(mut old)), Ok(Value::Object(mut new))) = (value(&old), value(&new)) {
        let mut members = |old: &mut Map<String, Value>,
                           new: &mut Map<String, Value>,
                           path: &str| {
            let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
            names.sort();
            names.dedup();
            let differs = |name: &String| old.get(name) != new.get(name);
            differ.extend(names.into_iter().filter(differs).map(|name| format!("{path}{name}")));
        };
        for layers in ["rootfs", "history"] {
            old.remove(layers);
            new.remove(layers);
        }
        let config = |it: &mut Map<String, Value>| match it.remove("config") {
            Some(Value::Object(config)) => config,
            _ => Map::new(),
        };
        let (mut below_old, mut below_new) = (config(&mut old), config(&mut new));
        members(&mut old, &mut new, "");
        members(&mut below_old, &mut below_new, "config.");
    }
    if old.manifest().annotations != new.manifest().annotations {
        differ.push("annotations".to_owned());
    }
    let layers = |image: &PlatformImage| image.configuration().rootfs.diff_ids.clone();
    let (before, after) = (layers(&old), layers(&new));
    if before != after {
        differ.push(format!("layers ({}, before: {})", after.len(), before.len()));
    }
    (!differ.is_empty()).then(|| differ.join(", "))
}
