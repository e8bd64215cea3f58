//! Checks names of images in `index.json` by the grammars of two specifications.

use crate::{
    document::name::{CONTAINERD_NAME, full_repository, is_tag, split_tag},
    verify::{defect::Defect, finding::shown},
};

/// Returns the defect of the value of an annotation that names an image.
pub(crate) fn check(annotation: &'static str, value: &str) -> Option<Defect> {
    let name = || shown(value);
    let (is_reference, is_full) = (is_reference(value), is_full_name(value));
    if annotation == CONTAINERD_NAME {
        return match is_full {
            true => None,
            false if is_reference => Some(Defect::NameUnusual { annotation, name: name() }),
            false => Some(Defect::NameInvalid { annotation, name: name() }),
        };
    }
    match is_reference {
        true if is_tag(value) || value.contains(['/', ':', '@']) => None,
        true => Some(Defect::NameNoTag { annotation, name: name() }),
        false if is_tag(value) || is_full => Some(Defect::NameUnusual { annotation, name: name() }),
        false => Some(Defect::NameInvalid { annotation, name: name() }),
    }
}

/// The grammar of `org.opencontainers.image.ref.name`: [pre-defined annotation
/// keys](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys).
fn is_reference(text: &str) -> bool {
    let alphanum = |c: char| c.is_ascii_alphanumeric();
    let is_component = |component: &str| {
        let ends = [component.chars().next(), component.chars().next_back()];
        let mut between = component.split(alphanum);
        ends.iter().all(|end| end.is_some_and(alphanum))
            && between.all(|text| matches!(text, "" | "-" | "." | "_" | ":" | "@" | "+" | "--"))
    };
    text.split('/').all(is_component)
}

/// Whether this is a full name as in containerd and podman: a repository with a tag, a digest or
/// both.
fn is_full_name(text: &str) -> bool {
    let (text, digest) =
        text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let (repository, tag) = split_tag(text);
    full_repository(repository).is_some() && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

/// [Digests](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests) of any
/// algorithm.
fn is_digest(text: &str) -> bool {
    let algorithm = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+._-".contains(&b);
    let encoded = |b: u8| b.is_ascii_alphanumeric() || b"=_-".contains(&b);
    text.split_once(':').is_some_and(|(name, rest)| {
        !name.is_empty()
            && name.bytes().all(algorithm)
            && !rest.is_empty()
            && rest.bytes().all(encoded)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::name::REF_NAME;

    /// What skopeo 1.20 accepts as `oci:DIR:NAME` has no finding except for tags, and what it
    /// rejects has one.
    #[test]
    fn names_are_those_of_the_specifications() {
        let long = "a".repeat(129);
        for (name, defect) in [
            ("latest", None),
            ("1.0", None),
            ("a--b", None),
            ("A_b-C.9", None),
            ("localhost/app:1.0", None),
            ("localhost:5000/me/app:1.0", None),
            ("docker.io/library/busybox@sha256:00ff", None),
            ("docker.io/library/app:1@sha256:00ff", None),
            ("ghcr.io/me/App:1", None),
            ("_x", Some("name-unusual")),
            ("x-", Some("name-unusual")),
            ("a..b", Some("name-unusual")),
            ("a__b/c:1", Some("name-unusual")),
            ("[::1]:5000/a:1", Some("name-unusual")),
            ("1.0+b", Some("name-no-tag")),
            (&*long, Some("name-no-tag")),
            ("", Some("name-invalid")),
            (".x", Some("name-invalid")),
            ("-x", Some("name-invalid")),
            ("a b", Some("name-invalid")),
            ("a/", Some("name-invalid")),
            ("a//b", Some("name-invalid")),
            ("é", Some("name-invalid")),
            ("a\x1b[2Jb\nx", Some("name-invalid")),
            ("a\u{202e}b", Some("name-invalid")),
            ("a*b", Some("name-invalid")),
        ] {
            assert_eq!(check(REF_NAME, name).as_ref().map(Defect::name), defect, "{name:?}");
        }
        for (name, defect) in [
            ("docker.io/library/app:1.0", None),
            ("ghcr.io/a__b/c", None),
            ("[::1]:5000/a:1", None),
            ("import-2026-11-28@sha256:00ff", None),
            ("ghcr.io/me/App:1", Some("name-unusual")),
            ("docker.io/a:1 ", Some("name-invalid")),
            ("docker.io/a:\u{9b}", Some("name-invalid")),
        ] {
            assert_eq!(check(CONTAINERD_NAME, name).as_ref().map(Defect::name), defect, "{name:?}");
        }
    }
}
