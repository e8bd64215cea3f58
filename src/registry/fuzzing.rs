//! Challenges of registries, and names of images: see [`crate::fuzzing`].

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use crate::{
    basics::digest::Digest,
    document::{
        descriptor::{MediaType, Platform},
        name::ImageName,
    },
    registry::{challenge::Challenge, reference::Reference},
    tarfile::compression::Compression,
};

pub use crate::registry::serve::fuzzing::http;

/// Parses challenges, one header in each line. Formatted by the rules of RFC 9110, they parse to
/// the same values.
pub fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let challenges = Challenge::all(&headers);
    for challenge in &challenges {
        assert!(
            !challenge.scheme.is_empty() && challenge.is(&challenge.scheme.to_ascii_lowercase())
        );
        let _ = [
            challenge.parameter("realm"),
            challenge.parameter("scope"),
            challenge.parameter("service"),
        ];
    }
    let written = challenges.iter().map(written).collect::<Vec<_>>().join(", ");
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(written.as_bytes()) else { return };
    headers.append(WWW_AUTHENTICATE, value);
    assert_eq!(Challenge::all(&headers), challenges, "{written}");
}

/// Formats a challenge by the rules of RFC 9110.
fn written(challenge: &Challenge) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
    let parameters =
        challenge.parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value)));
    format!("{} {}", challenge.scheme, parameters.collect::<Vec<_>>().join(", "))
}

/// Parses references, image names, digests, platforms, media types and compressions. Each one's
/// `Display` parses to the same value.
pub fn reference(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        let shown = reference.to_string();
        assert_eq!(shown.parse::<Reference>().expect("our own name"), reference, "{shown}");
        assert!(
            shown.bytes().all(|byte| byte.is_ascii_graphic()),
            "a name goes into an address: {shown:?}"
        );
        assert!(
            !reference.registry.contains(['/', '@', '?', '#', '\\']),
            "a host is a host: {shown:?}"
        );
        assert!(
            !reference.repository.split('/').any(|part| ["", ".", ".."].contains(&part)),
            "no path leads away: {shown:?}"
        );
        assert!(
            !reference.repository.contains(['@', '?', '#', '%', ':', '\\']),
            "a path is a path: {shown:?}"
        );
        assert!(
            !reference.tag.is_some_and(|tag| tag.contains(['/', '@', '?', '#', '%', ':'])),
            "{shown:?}"
        );
    }
    if let Ok(name) = text.parse::<ImageName>() {
        assert_eq!(name.tag.parse::<ImageName>().expect("a tag is a name").tag, name.tag);
        if let Some(full) = &name.full {
            assert_eq!(full.parse::<ImageName>().as_ref().expect("our own name"), &name, "{full}");
        }
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text, "a digest is written in one way");
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let shown = platform.to_string();
        assert_eq!(shown.parse::<Platform>().expect("our own platform").to_string(), shown);
        assert!(
            platform.normalised().accepts(&platform.normalised()),
            "a platform accepts itself: {shown}"
        );
    }
    if let Ok(compression) = text.parse::<Compression>() {
        assert_eq!(
            compression.to_string().parse::<Compression>().expect("our own compression"),
            compression
        );
    }
    let media_type = MediaType::new(text);
    assert_eq!(media_type.to_oci().to_oci(), media_type.to_oci());
}
