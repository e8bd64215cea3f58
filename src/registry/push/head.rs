//! What a registry says that it has, without its bytes.

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, HeaderMap},
};

use crate::{
    basics::digest::Digest,
    document::descriptor::Descriptor,
    registry::{failure::Failure, session::Session},
};

/// The answer to a `HEAD` request.
pub(crate) enum Head {
    There(HeaderMap),
    Missing,
    /// It does not answer such questions.
    Unknown,
}

/// Asks for the headers of what is there. That one may not look is no news: whether one may write
/// counts, and the answer to that has words.
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
    // Of another size, it is damaged there, or here: sending it brings that to light.
    match head(session, &format!("blobs/{}", blob.digest), "*/*")? {
        Head::There(headers) => Ok(size(&headers).is_none_or(|size| size == blob.size)),
        Head::Missing | Head::Unknown => Ok(false),
    }
}

/// What the registry says that the digest is.
pub(crate) fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// Whether the registry says that it took in what was sent.
pub(crate) fn check_digest(headers: &HeaderMap, expected: Digest) -> Result<(), Failure> {
    match said_digest(headers) {
        Some(actual) if actual != expected => Err(Failure::OtherBytes { expected, actual }),
        _ => Ok(()),
    }
}
