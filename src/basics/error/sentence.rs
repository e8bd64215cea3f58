//! The ends of sentences that depend on the data of an error.

use crate::basics::text::list;

/// The end of the sentence about a member that does not exist.
pub(super) fn existing(closest: Option<&str>, known: &[String]) -> String {
    match closest {
        Some(closest) => format!("did you mean {closest:?}?"),
        None => format!("expected one of {}", known.join(", ")),
    }
}

/// The end of the sentence about an image that a layout lacks.
pub(super) fn without(name: Option<&str>, available: &[String]) -> String {
    let Some(name) = name else { return String::new() };
    let is_digest = name.starts_with("sha256:") || name.contains('@');
    let kind = if is_digest { "digest" } else { "tag" };
    format!(" with the {kind} {name:?}: it has {}", list(available))
}

/// The end of the sentence about images of which one must be chosen.
pub(super) fn several(name: Option<&str>, available: &[String]) -> String {
    if let Some(name) = name {
        return format!(
            " with the tag {name:?}: choose one by its digest, as in LAYOUT@sha256:HEX"
        );
    }
    let has_tags = available.iter().any(|name| !name.starts_with("sha256:"));
    let by = if has_tags { "its tag" } else { "its digest (or platform)" };
    format!(": choose one by {by}; it has {}", list(available))
}

/// The end of the sentence about a platform that an image lacks.
pub(super) fn other_platforms(platform: &str, available: &[String]) -> String {
    match available {
        [] => "of a container".to_owned(),
        available => format!("for {platform}; it has {}", available.join(", ")),
    }
}
