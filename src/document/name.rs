//! The name of an image in a layout, and the annotations that contain it.

use std::{fmt, str::FromStr};

use crate::{
    basics::error::{Error, Result},
    document::descriptor::Descriptor,
};

/// The annotation that podman, skopeo, buildah, umoci and crane read: [pre-defined annotation
/// keys](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation that containerd, and docker with containerd's store, read first.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The name of an image in a layout, for [`Image::tagged`](crate::Image::tagged).
///
/// ```
/// use oci_layout::document::ImageName;
/// let name: ImageName = "ghcr.io/me/app:1.0".parse()?;
/// assert_eq!(name.tag, "1.0");
/// assert_eq!(name.to_string(), "ghcr.io/me/app:1.0");
/// assert!("my app".parse::<ImageName>().is_err());
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// The tag: `latest`, `1.0`.
    pub tag: String,
    /// The full name including the registry, if one was given.
    pub full: Option<String>,
}

impl ImageName {
    pub(crate) fn annotate(self, descriptor: &mut Descriptor) {
        descriptor.annotations.insert(REF_NAME.to_owned(), self.tag);
        match self.full {
            Some(full) => descriptor.annotations.insert(CONTAINERD_NAME.to_owned(), full),
            None => descriptor.annotations.remove(CONTAINERD_NAME),
        };
    }
}

/// The full name if there is one, or else the tag.
impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full.as_ref().unwrap_or(&self.tag))
    }
}

impl FromStr for ImageName {
    type Err = Error;

    /// A word is a tag. Text with a slash or a colon is a full name.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for text that is neither, or that has a digest.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::invalid(format!("image name {text:?}"), reason));
        if !text.contains(['/', ':', '@']) {
            return match is_tag(text) {
                true => Ok(Self { tag: text.to_owned(), full: None }),
                false => refuse(
                    "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not start \
                     with `.` or `-`",
                ),
            };
        }
        if text.contains('@') {
            return refuse("it has a digest, which the image's contents determine: use a tag");
        }
        let (repository, tag) = split_tag(text);
        let tag = tag.unwrap_or("latest");
        if !is_tag(tag) {
            return refuse(
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not start with \
                 `.` or `-`",
            );
        }
        let Some((registry, path)) = full_repository(repository) else {
            return refuse(
                "a name has the form [REGISTRY/]PATH[:TAG], and the path has only lower-case \
                 letters, digits, `.`, `_`, `-` and `/`",
            );
        };
        Ok(Self { tag: tag.to_owned(), full: Some(format!("{registry}/{path}:{tag}")) })
    }
}

/// Splits text into a repository and the tag after it. A colon before the last slash precedes the
/// port of a registry.
pub(crate) fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (text, None),
    }
}

/// The registry and the path in it, completed as docker does. Returns `None` if the text is not a
/// repository.
pub(crate) fn full_repository(text: &str) -> Option<(String, String)> {
    let (registry, path) = match text.split_once('/') {
        Some(("docker.io", rest)) if !rest.contains('/') => {
            ("docker.io", format!("library/{rest}"))
        }
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => {
            (first, rest.to_owned())
        }
        Some(_) => ("docker.io", text.to_owned()),
        None => ("docker.io", format!("library/{text}")),
    };
    // A host name or an address, optionally with a port.
    let host = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    let is_whole = !registry.is_empty() && registry.bytes().all(host) && is_repository(&path);
    is_whole.then(|| (registry.to_owned(), path))
}

/// [Distribution
/// specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests).
pub(crate) fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// Whether this is a valid repository name: one or more of `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`,
/// separated by slashes ([distribution
/// specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)).
pub(crate) fn is_repository(name: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_part = |part: &str| {
        let whole = part.bytes().next().is_some_and(is_word)
            && part.bytes().next_back().is_some_and(is_word);
        let mut between = part.split(|c: char| c.is_ascii() && is_word(c as u8));
        whole
            && between.all(|text| {
                matches!(text, "" | "." | "_" | "__") || text.bytes().all(|b| b == b'-')
            })
    };
    // The limit of clients for the registry and the name together.
    name.len() <= 255 && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        for (text, tag, full) in [
            ("latest", "latest", None),
            ("app:1.0", "1.0", Some("docker.io/library/app:1.0")),
            ("me/app", "latest", Some("docker.io/me/app:latest")),
            ("docker.io/app", "latest", Some("docker.io/library/app:latest")),
            ("ghcr.io/me/app:1.0", "1.0", Some("ghcr.io/me/app:1.0")),
            ("localhost:5000/app", "latest", Some("localhost:5000/app:latest")),
        ] {
            let name = ImageName { tag: tag.to_owned(), full: full.map(str::to_owned) };
            assert_eq!(text.parse::<ImageName>().unwrap(), name, "{text}");
        }
        for text in [
            "",
            ".x",
            "a b",
            "a..b:1",
            "me/App:1",
            "app:",
            "app@sha256:00",
            "/app:1",
            "app:-x",
            "a.b?c/app:1",
        ] {
            assert!(
                text.parse::<ImageName>().unwrap_err().to_string().starts_with("image name"),
                "{text}"
            );
        }
    }

    #[test]
    fn names_are_those_of_the_specification() {
        for name in ["a", "a/b", "a.b_c__d-e---f", "0/1/2", "library/alpine", &"a".repeat(255)] {
            assert!(is_repository(name), "{name}");
        }
        for name in [
            "",
            "A",
            "a/",
            "/a",
            "a//b",
            ".a",
            "a.",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "a/../b",
            "..",
            "a b",
            "ä",
            &"a".repeat(256),
        ] {
            assert!(!is_repository(name), "{name}");
        }
    }
}
