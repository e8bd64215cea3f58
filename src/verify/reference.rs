//! Parses descriptors so that a defect in one member does not hide others.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    basics::digest::Digest,
    document::descriptor::{MediaType, Platform},
    verify::{
        defect::Defect,
        finding::{Findings, shown},
        members::{Object, Shape, wrong},
    },
};

/// The valid members of a descriptor.
pub(crate) struct Reference<'a> {
    pub(crate) object: Object<'a>,
    pub(crate) media_type: Option<MediaType>,
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
    pub(crate) platform: Option<Platform>,
}

const SIZE: &str = "a number of bytes, from 0 to 2^63 - 1";

impl<'a> Reference<'a> {
    /// Reads a descriptor at this place in the document with this digest, and reports its defects:
    /// [properties](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#properties).
    pub(crate) fn read(
        findings: &mut Findings,
        place: &str,
        document: Option<Digest>,
        value: &'a Value,
    ) -> Option<Self> {
        let object = Object::inner(findings, place, document, value)?;
        let media_type = object.required_text(findings, "mediaType", Shape::MediaType);
        let digest = object
            .required(findings, "digest", "a digest, sha256:HEX")
            .and_then(|value| digest(findings, &object, "digest", value));
        let size = match object.required(findings, "size", SIZE) {
            None => None,
            Some(value) => match value.as_u64().filter(|&size| i64::try_from(size).is_ok()) {
                None => {
                    object.report(findings, "size", wrong(value, SIZE));
                    None
                }
                size => size,
            },
        };
        let others = [
            ("urls", Shape::Texts),
            ("annotations", Shape::TextMap),
            ("artifactType", Shape::MediaType),
        ];
        object.optional(findings, &others);
        check_urls(findings, &object);
        let platform = platform(findings, &object);
        let reference =
            Self { object, media_type: media_type.map(MediaType::new), digest, size, platform };
        reference.check_data(findings);
        reference.check_empty(findings);
        Some(reference)
    }

    /// Returns the value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.object.get("annotations")?.get(key)?.as_str()
    }

    /// [Embedded
    /// content](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#embedded-content).
    fn check_data(&self, findings: &mut Findings) {
        let Some(data) = self.object.get("data") else { return };
        let Some(text) = data.as_str() else {
            return self.object.report(findings, "data", wrong(data, "a string, base64"));
        };
        let fits = |bytes: Vec<u8>| self.digest.is_none_or(|digest| digest == Digest::of(bytes));
        if !STANDARD.decode(text).is_ok_and(fits) {
            self.object.report(findings, "data", Defect::DataDiffers);
        }
    }

    /// [Guidance for an empty
    /// descriptor](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidance-for-an-empty-descriptor).
    fn check_empty(&self, findings: &mut Findings) {
        let said = (self.digest, self.size);
        if self.media_type.as_ref() == Some(&MediaType::EMPTY)
            && said != (Some(Digest::of(b"{}")), Some(2))
        {
            self.object.report_whole(findings, Defect::NotEmpty);
        }
    }
}

/// Parses a member that must be a digest.
pub(crate) fn digest(
    findings: &mut Findings,
    object: &Object<'_>,
    name: &str,
    value: &Value,
) -> Option<Digest> {
    let Some(text) = value.as_str() else {
        object.report(findings, name, wrong(value, "a digest, sha256:HEX"));
        return None;
    };
    match text.parse::<Digest>() {
        Ok(digest) => Some(digest),
        Err(error) => {
            object.report(
                findings,
                name,
                Defect::DigestInvalid { found: shown(text), reason: error.reason },
            );
            None
        }
    }
}

/// [Platform](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions).
fn platform(findings: &mut Findings, descriptor: &Object<'_>) -> Option<Platform> {
    let value = descriptor.get("platform")?;
    let object = descriptor.deeper(findings, "platform", value)?;
    object.required_text(findings, "architecture", Shape::Name);
    object.required_text(findings, "os", Shape::Name);
    object.optional(
        findings,
        &[("os.version", Shape::Text), ("os.features", Shape::Texts), ("variant", Shape::Text)],
    );
    let platform: Platform = serde_json::from_value(value.clone()).ok()?;
    (!platform.os.is_empty() && !platform.architecture.is_empty()).then_some(platform)
}

/// [`urls`](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#properties) are
/// URIs: a scheme, and what [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-3) allows
/// after it.
fn check_urls(findings: &mut Findings, object: &Object<'_>) {
    let urls = object.get("urls").and_then(Value::as_array).into_iter().flatten();
    for (number, url) in
        urls.enumerate().filter(|(_, url)| url.as_str().is_some_and(|url| !is_uri(url)))
    {
        object.report(
            findings,
            &format!("urls[{number}]"),
            wrong(url, "a URI, as in https://example.com/layer"),
        );
    }
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let escapes = rest.split('%').skip(1);
    let mut escaped =
        escapes.map(|text| text.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
    is_scheme && !rest.is_empty() && rest.bytes().all(allowed) && escaped.all(|is_right| is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_a_scheme() {
        for uri in ["https://example.com/a?b=c#d", "http://[::1]:80/", "oci+x:a%2Fb", "urn:a:b"] {
            assert!(is_uri(uri), "{uri}");
        }
        for text in [
            "value",
            "",
            ":",
            "https:",
            "//example.com/a",
            "1a:b",
            "http://a b",
            "http://a%2",
            "http://ä",
            r"a\b:c",
        ] {
            assert!(!is_uri(text), "{text}");
        }
    }
}
