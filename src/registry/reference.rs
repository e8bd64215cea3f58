//! References to images in registries.

use std::{fmt, str::FromStr};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    document::name::{full_repository, is_tag, split_tag},
};

/// A reference to an image in a registry: `[REGISTRY/]PATH[:TAG][@DIGEST]`, with docker's defaults.
///
/// With a digest, it always means the same image, and the tag is only for people. Without one, it
/// means the image that the tag currently names; the default tag is `latest`.
///
/// ```
/// use oci_layout::registry::Reference;
/// let reference: Reference = "alpine:3.20".parse()?;
/// assert_eq!(reference.to_string(), "docker.io/library/alpine:3.20");
/// assert_eq!(reference.digest, None);
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Reference {
    /// The host name or address of the registry, with its port if there is one: `docker.io`,
    /// `localhost:5000`.
    pub registry: String,
    /// The path of the repository in the registry: `library/alpine`.
    pub repository: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest of a manifest or an index, if there is one.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same image by digest.
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Whether the client may use plain HTTP without being told to: the registry is on this
    /// machine, under a name that never means another one.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = match self.registry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.registry,
        };
        let host = host.to_ascii_lowercase();
        ["127.0.0.1", "[::1]"].contains(&&*host) || is_localhost(&host)
    }
}

/// Whether this host is `localhost` or [below
/// it](https://www.rfc-editor.org/rfc/rfc6761.html#section-6.3).
pub(crate) fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

impl FromStr for Reference {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Invalid`] if the text is not a reference, and [`Error::Digest`] if its digest is
    /// not a valid sha256 digest.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::invalid(format!("image {text:?}"), reason));
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let (repository, tag) = split_tag(name);
        // Without a path, this would be an image of docker.io.
        if is_registry(repository, tag) {
            return refuse(
                "it has only a registry: add the path of the image, as in REGISTRY/PATH",
            );
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse(
                "a tag consists of up to 128 letters, digits, `_`, `.` and `-`, and does not start \
                 with `.` or `-`",
            );
        }
        let Some((registry, repository)) = full_repository(repository) else {
            return refuse(
                "expected [REGISTRY/]PATH[:TAG][@sha256:HEX], with a path of lower-case letters, \
                 digits, `.`, `_`, `-` and `/`",
            );
        };
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest })
    }
}

/// Whether a name is rather that of a registry than of an image: `localhost`, an address, or a host
/// name with a port, which looks like a tag.
fn is_registry(name: &str, tag: Option<&str>) -> bool {
    let is_address = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let has_port = tag.is_some_and(|tag| tag.len() >= 4 && tag.bytes().all(|b| b.is_ascii_digit()));
    !name.contains('/') && (name == "localhost" || name.contains('.') && (is_address || has_port))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        let digest = Digest::of(b"");
        for (text, full) in [
            ("alpine".to_owned(), "docker.io/library/alpine".to_owned()),
            ("me/app:1.0".to_owned(), "docker.io/me/app:1.0".to_owned()),
            ("my.app:20".to_owned(), "docker.io/library/my.app:20".to_owned()),
            (format!("docker.io/alpine@{digest}"), format!("docker.io/library/alpine@{digest}")),
            (format!("localhost/app:1@{digest}"), format!("localhost/app:1@{digest}")),
            ("[::1]:5000/a/b:v1".to_owned(), "[::1]:5000/a/b:v1".to_owned()),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), full, "{text}");
            assert_eq!(full.parse::<Reference>().unwrap(), reference, "{text}");
        }
        for text in [
            "",
            "localhost:5000",
            "127.0.0.1",
            "127.0.0.1:5712",
            "registry.example:5000",
            "App",
            "a:",
            "a:b/c:",
            "a@b",
            "a@sha512:00",
            "a.b?c/d",
            "/a",
            "a/",
            "https://a.b/c",
            "a b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, expected) in [
            ("localhost:5000/a", true),
            ("localhost/a", true),
            ("127.0.0.1:1/a", true),
            ("[::1]:1/a", true),
            ("[::2]:1/a", false),
            ("127.0.0.2:1/a", false),
            ("128.0.0.1:1/a", false),
            ("LOCALHOST:5000/a", true),
            ("registry.localhost:5000/a", true),
            ("notlocalhost:5000/a", false),
            ("localhost.example.org/a", false),
            ("127.0.0.1.example.org:80/a", false),
            ("alpine", false),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().is_loopback(), expected, "{text}");
        }
    }
}
