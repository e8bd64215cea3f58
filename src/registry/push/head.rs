//! Queries what a registry has, without downloading it.

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, HeaderMap},
};

use crate::{
    basics::digest::Digest,
    document::descriptor::Descriptor,
    registry::{failure::Failure, session::Session},
};

/// The response to a `HEAD` request.
pub(crate) enum Head {
    There(HeaderMap),
    Missing,
    /// The registry does not support `HEAD`.
    Unknown,
}

/// Requests the headers of a manifest or blob. A 4xx counts as missing: if it is a matter of
/// permissions, the later write fails too, with a message.
pub(crate) fn head(session: &Session, path: &str, accept: &str) -> Result<Head, Failure> {
    let response =
        session.exchange(|| session.request(Method::HEAD, path).header(ACCEPT, accept))?;
    match response.status() {
        status if status.is_success() => Ok(Head::There(response.headers().clone())),
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(Head::Unknown),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            session.success(response).map(|_| Head::Missing)
        }
        status if status.is_client_error() => Ok(Head::Missing),
        _ => session.success(response).map(|_| Head::Missing),
    }
}

/// [Checking if content
/// exists](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#checking-if-content-exists-in-the-registry).
pub(crate) fn has_blob(session: &Session, blob: &Descriptor) -> Result<bool, Failure> {
    let size =
        |headers: &HeaderMap| headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok();
    // If the size differs, one of the two is damaged: sending the blob reveals which.
    match head(session, &format!("blobs/{}", blob.digest), "*/*")? {
        Head::There(headers) => Ok(size(&headers).is_none_or(|size| size == blob.size)),
        Head::Missing | Head::Unknown => Ok(false),
    }
}

/// The digest that the registry reports.
pub(crate) fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// Checks that the registry stored what was sent.
pub(crate) fn check_digest(headers: &HeaderMap, expected: Digest) -> Result<(), Failure> {
    match said_digest(headers) {
        Some(actual) if actual != expected => Err(Failure::OtherBytes { expected, actual }),
        _ => Ok(()),
    }
}
