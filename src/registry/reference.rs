//! The name of an image in a registry.

use std::{fmt, str::FromStr};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    document::name::{full_repository, is_tag, split_tag},
};

/// Which image of which registry: `[REGISTRY/]PATH[:TAG][@DIGEST]`, completed as docker does.
///
/// With a digest it always means the same image, and the tag is only a name for people. Without one
/// it means what the tag means today, `latest` if there is none.
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
    /// The registry's name or address, and its port if it has one: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// The path in it: `library/alpine`.
    pub repository: String,
    /// The tag, if one was given.
    pub tag: Option<String>,
    /// The digest of a manifest or an index, if one was given.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same image by its digest.
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Whether the registry may be asked without TLS unasked: it is on this machine, by a name that
    /// never means another one.
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
    /// [`Error::Invalid`] for what is no name of an image, [`Error::Digest`] for a digest that is
    /// none or no sha256.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::invalid(format!("image {text:?}"), reason));
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let (repository, tag) = split_tag(name);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse(
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of \
                 the last two",
            );
        }
        let Some((registry, repository)) = full_repository(repository) else {
            return refuse(
                "it is written [REGISTRY/]PATH[:TAG][@sha256:HEX], the path in lower-case letters, \
                 digits, `.`, `_`, `-` and `/`",
            );
        };
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest })
    }
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
