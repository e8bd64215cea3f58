//! The size budget of an image.

use crate::{
    blob::Blob,
    check::{
        contents::ImageContents,
        finding::{CheckFinding, Checks, Rule},
        policy::{Policy, Sizes},
        violation::Violation,
    },
    image::PlatformImage,
};

pub(crate) fn check(
    policy: &Policy,
    contents: &ImageContents,
    image: &PlatformImage,
    checks: &mut Checks,
) {
    let Some(Sizes { compressed, unpacked, layer, layers }) = &policy.members.sizes else { return };
    let manifest = image.descriptor().digest;
    let finding = |what, limit: String, actual: String| CheckFinding {
        place: "manifest, layers".to_owned(),
        digest: Some(manifest),
        violation: Violation::SizeExceeded { what, limit, actual },
    };
    let sizes = || image.layers().iter().map(|layer| layer.descriptor().size);
    let total = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
    if let Some(limit) = compressed {
        let actual = total(&mut sizes());
        let found = (actual > limit.0)
            .then(|| finding("the compressed size", limit.to_string(), shown(actual)));
        checks.add(Rule::Sizes, "compressed", found);
    }
    if let Some(limit) = unpacked {
        let actual = total(&mut contents.layers.iter().map(|layer| layer.size));
        let found = (actual > limit.0)
            .then(|| finding("the unpacked size", limit.to_string(), shown(actual)));
        checks.add(Rule::Sizes, "unpacked", found);
    }
    if let Some(limit) = layer {
        let found = image.layers().iter().enumerate().filter_map(|(number, layer)| {
            let descriptor = layer.descriptor();
            (descriptor.size > limit.0).then(|| CheckFinding {
                place: format!("manifest, layers[{number}]"),
                digest: Some(descriptor.digest),
                violation: Violation::SizeExceeded {
                    what: "the compressed size",
                    limit: limit.to_string(),
                    actual: shown(descriptor.size),
                },
            })
        });
        checks.add(Rule::Sizes, "layer", found);
    }
    if let Some(limit) = layers {
        let actual = image.layers().len() as u64;
        let found = (actual > *limit)
            .then(|| finding("a number of layers of", limit.to_string(), actual.to_string()));
        checks.add(Rule::Sizes, "layers", found);
    }
}

/// A size for people, with the unit that shows it best.
fn shown(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << shift {
            let tenths = u128::from(bytes) * 10 / (1 << shift);
            return format!("{}.{} {unit} ({bytes} bytes)", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} bytes")
}
