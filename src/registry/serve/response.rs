//! Headers and bodies of responses.

use std::sync::Arc;

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};

use crate::{basics::error::Error, registry::serve::refusal::Refusal};

pub(crate) type Body = UnsyncBoxBody<Bytes, Arc<Error>>;
pub(crate) type Headers = Vec<(HeaderName, String)>;

pub(crate) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A response for a client that has the current version already. [RFC 9110, section
/// 15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5): it has no headers that describe
/// the contents.
pub(crate) fn not_modified(mut headers: Headers) -> Response<Body> {
    headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
    with_headers(StatusCode::NOT_MODIFIED, headers, None, empty())
}

pub(crate) fn precondition_failed() -> Refusal {
    Refusal::precondition_failed("the content does not match If-Match")
}

pub(crate) fn refused(refusal: Refusal) -> Response<Body> {
    let (bytes, reason) = (refusal.json(), refusal.reason_phrase());
    let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
    let headers = [content_type].into_iter().chain(refusal.header).collect();
    let mut response = small(refusal.status, headers, bytes);
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    response
}

/// A response whose body is in memory.
pub(crate) fn small(status: StatusCode, headers: Headers, bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len() as u64;
    with_headers(
        status,
        headers,
        Some(length),
        UnsyncBoxBody::new(Full::from(bytes).map_err(|never| match never {})),
    )
}

pub(crate) fn empty() -> Body {
    UnsyncBoxBody::new(Full::default().map_err(|never| match never {}))
}

pub(crate) fn with_headers(
    status: StatusCode,
    headers: Headers,
    length: Option<u64>,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    for (name, value) in headers {
        // Only a media type comes from outside. If it is not a valid header value, omit the header.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
