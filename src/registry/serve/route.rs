//! What a request asks for: the
//! [endpoints](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints)
//! of the specification that read.
//!
//! The name of a repository contains slashes and precedes the endpoint, so a path is parsed from
//! its end.

use percent_encoding::percent_decode_str;

use crate::{
    basics::digest::Digest,
    document::name::{is_repository, is_tag},
    registry::serve::refusal::Refusal,
};

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Base,
    Catalog(Page),
    Tags(String, Page),
    Manifest(String, Reference),
    Blob(String, AnyDigest),
    Referrers(String, AnyDigest, Option<String>),
}

impl Route {
    /// The name of the repository.
    pub(crate) fn repository(&self) -> Option<&str> {
        match self {
            Self::Base | Self::Catalog(_) => None,
            Self::Tags(name, _)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Referrers(name, ..) => Some(name),
        }
    }
}

/// A tag or a digest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Tag(String),
    Digest(AnyDigest),
}

/// A valid digest; `None` if its algorithm is not used here, so that no blob has it.
pub(crate) type AnyDigest = Option<Digest>;

/// A page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The maximum number of entries.
    pub(crate) n: Option<usize>,
    /// The entry after which the page starts.
    pub(crate) last: Option<String>,
}

/// Parses a path and a query, which are still percent-encoded.
pub(crate) fn route(path: &str, query: &str) -> Result<Route, Refusal> {
    let nowhere = || Refusal::no_endpoint("no such endpoint: paths start with /v2/");
    let path = decode(path)?;
    let path = match &*path {
        "/v2" => "",
        path => path.strip_prefix("/v2/").ok_or_else(nowhere)?,
    };
    match path {
        "" => return Ok(Route::Base),
        "_catalog" => return Ok(Route::Catalog(page(query)?)),
        _ => {}
    }
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Ok(Route::Tags(repository(name)?, page(query)?));
    }
    let (rest, reference) = path.rsplit_once('/').ok_or_else(nowhere)?;
    let (name, kind) = rest.rsplit_once('/').ok_or_else(nowhere)?;
    match kind {
        "manifests" => Ok(Route::Manifest(repository(name)?, self::reference(reference)?)),
        "blobs" => Ok(Route::Blob(repository(name)?, digest(reference)?)),
        "referrers" => {
            let artifact_type = parameter(query, "artifactType")?;
            Ok(Route::Referrers(repository(name)?, digest(reference)?, artifact_type))
        }
        _ => Err(nowhere()),
    }
}

fn repository(name: &str) -> Result<String, Refusal> {
    match is_repository(name) {
        true => Ok(name.to_owned()),
        false => Err(Refusal::name_invalid(
            "a repository name consists of lower-case letters, digits, `.`, `_`, `-` and `/`",
        )),
    }
}

/// Parses a tag or a digest. An invalid tag is reported like one that does not exist.
fn reference(text: &str) -> Result<Reference, Refusal> {
    if text.contains(':') {
        return Ok(Reference::Digest(digest(text)?));
    }
    match is_tag(text) {
        true => Ok(Reference::Tag(text.to_owned())),
        false => Err(Refusal::manifest_unknown("this is not a valid tag")),
    }
}

/// Parses a digest by the
/// [grammar](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests) of the
/// image specification.
fn digest(text: &str) -> Result<AnyDigest, Refusal> {
    let refuse = |reason: &str| Err(Refusal::digest_invalid(format!("invalid digest: {reason}")));
    let Some((algorithm, encoded)) = text.split_once(':') else {
        return refuse("expected ALGORITHM:HEX");
    };
    let hex = |length| {
        encoded.len() == length && encoded.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let component = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    match algorithm {
        "sha256" if !hex(64) => refuse("expected 64 lower-case hexadecimal digits after sha256:"),
        "sha512" if !hex(128) => refuse("expected 128 lower-case hexadecimal digits after sha512:"),
        "sha256" => Ok(text.parse().ok()),
        _ if !algorithm.split(['+', '.', '_', '-']).all(component) => {
            refuse("the algorithm is malformed")
        }
        _ if encoded.is_empty()
            || !encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"=_-".contains(&b)) =>
        {
            refuse("expected letters, digits, `=`, `_` and `-` after the algorithm")
        }
        _ => Ok(None),
    }
}

fn page(query: &str) -> Result<Page, Refusal> {
    let n = parameter(query, "n")?.map(|n| {
        // Accept any number: a larger one than the list is long means the whole list.
        let is_number = !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        is_number
            .then(|| n.parse().unwrap_or(usize::MAX))
            .ok_or_else(|| Refusal::unsupported("n must be a number"))
    });
    Ok(Page { n: n.transpose()?, last: parameter(query, "last")? })
}

/// The first value of a parameter. `+` stands for itself, as in RFC 3986, and not for a space as in
/// forms, because media types contain it.
fn parameter(query: &str, name: &str) -> Result<Option<String>, Refusal> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| decode(value)).transpose()
}

fn decode(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| Refusal::unsupported("the path or query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let hex = "a".repeat(64);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let page = Page { n: Some(2), last: Some("v1".to_owned()) };
        for (path, query, expected) in [
            ("/v2/", "", Route::Base),
            ("/v2", "", Route::Base),
            ("/v2/_catalog", "n=0", Route::Catalog(Page { n: Some(0), last: None })),
            ("/v2/a/tags/list", "n=2&last=v1", Route::Tags("a".to_owned(), page)),
            (
                "/v2/tags/list/manifests/v1",
                "",
                Route::Manifest("tags/list".into(), Reference::Tag("v1".into())),
            ),
            (
                "/v2/a/b/blobs/blobs/manifests/tags",
                "",
                Route::Manifest("a/b/blobs/blobs".into(), Reference::Tag("tags".into())),
            ),
            (
                &format!("/v2/a/manifests/sha256%3A{hex}"),
                "",
                Route::Manifest("a".into(), Reference::Digest(Some(digest))),
            ),
            (&format!("/v2/a/blobs/sha256:{hex}"), "x=y", Route::Blob("a".into(), Some(digest))),
            (&format!("/v2/a/blobs/sha512:{hex}{hex}"), "", Route::Blob("a".into(), None)),
            (
                &format!("/v2/a/referrers/sha256:{hex}"),
                "artifactType=a/b%2Bc+d",
                Route::Referrers("a".into(), Some(digest), Some("a/b+c+d".to_owned())),
            ),
        ] {
            assert_eq!(route(path, query).unwrap(), expected, "{path}?{query}");
        }
    }

    #[test]
    fn invalid_requests_have_their_error_code() {
        let hex = "a".repeat(64);
        for (path, query, status, code) in [
            ("/", "", 404, "UNSUPPORTED"),
            ("/v1/", "", 404, "UNSUPPORTED"),
            ("/v2/a", "", 404, "UNSUPPORTED"),
            ("/v2/a/b/c", "", 404, "UNSUPPORTED"),
            ("/v2/A/tags/list", "", 400, "NAME_INVALID"),
            ("/v2//tags/list", "", 400, "NAME_INVALID"),
            ("/v2/a/%2e%2e/%2e%2e/manifests/v1", "", 400, "NAME_INVALID"),
            ("/v2/a/../b/manifests/v1", "", 400, "NAME_INVALID"),
            ("/v2/a%00/manifests/v1", "", 400, "NAME_INVALID"),
            ("/v2/a/tags/list", "n=x", 400, "UNSUPPORTED"),
            ("/v2/a/tags/list", "n=-1", 400, "UNSUPPORTED"),
            ("/v2/a/tags/list", "last=%ff", 400, "UNSUPPORTED"),
            ("/v2/a/manifests/.INVALID", "", 404, "MANIFEST_UNKNOWN"),
            ("/v2/a/manifests/%2e%2e", "", 404, "MANIFEST_UNKNOWN"),
            ("/v2/a/manifests/sha256:totallywrong", "", 400, "DIGEST_INVALID"),
            ("/v2/a/blobs/latest", "", 400, "DIGEST_INVALID"),
            ("/v2/a/blobs/sha256:..%2f..%2fetc%2fpasswd", "", 404, "UNSUPPORTED"),
            (&format!("/v2/a/blobs/sha256:{}", hex.to_uppercase()), "", 400, "DIGEST_INVALID"),
            (&format!("/v2/a/referrers/sha512:{hex}"), "", 400, "DIGEST_INVALID"),
            ("/v2/a/referrers/x:", "", 400, "DIGEST_INVALID"),
        ] {
            let refusal = route(path, query).unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.code), (status, code), "{path}?{query}");
        }
    }
}
