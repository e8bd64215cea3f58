//! From a request to a response.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    Event, Server,
    blob::blob,
    condition::{Condition, condition},
    find::{Found, find},
    refusal::Refusal,
    route::route,
};
use crate::{digest::Digest, error::Error};

pub(super) type Body = UnsyncBoxBody<Bytes, Arc<Error>>;
pub(super) type Headers = Vec<(HeaderName, String)>;

const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(super) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The body of a request is never looked at: the connection of who sends one to a registry that is only read ends.
pub(super) async fn answer<B>(server: Arc<Server>, client: SocketAddr, request: Request<B>) -> Response<Body> {
    let (method, target) = (request.method().clone(), request.uri().to_string());
    let mut response = match respond(&server, &request).await {
        Ok(response) => response,
        Err(refusal) => refused(refusal),
    };
    response.headers_mut().insert(VERSION, HeaderValue::from_static("registry/2.0"));
    let status = response.status().as_u16();
    server.tell(&Event::Answered { client, method: method.to_string(), target, status });
    response
}

async fn respond<B>(server: &Arc<Server>, request: &Request<B>) -> Result<Response<Body>, Refusal> {
    let certified = |host: &str| server.certificate.as_ref().is_some_and(|certificate| certificate.has(host));
    server.authorities.check(request, certified)?;
    if let Some(login) = &server.login {
        login.check(request.headers(), |error| server.tell(&Event::Unusable { error })).await?;
    }
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return Err(Refusal::no_method("this registry is only read").with(header::ALLOW, "GET, HEAD"));
    }
    let route = route(request.uri().path(), request.uri().query().unwrap_or_default())?;
    match find(server, route, &request.uri().to_string()).await? {
        // The tag of a list is the digest of its bytes: who asks again and again is not sent the same again and again.
        Found::Small { headers, bytes } => Ok(tagged(request, Digest::of(&bytes), headers, bytes)?),
        Found::Manifest { media_type, digest, bytes } => {
            let headers = vec![(header::CONTENT_TYPE, media_type.to_string()), (DIGEST, digest.to_string())];
            let response = tagged(request, digest, headers, bytes)?;
            // A client that has the manifest already takes the image like one that is sent it.
            if !is_head && media_type.is_manifest() {
                server.once.manifest();
            }
            Ok(response)
        }
        Found::Blob(content) => blob(server, request, content).await,
    }
}

/// A small response whose entity tag is this digest.
fn tagged<B>(
    request: &Request<B>,
    digest: Digest,
    mut headers: Headers,
    bytes: Vec<u8>,
) -> Result<Response<Body>, Refusal> {
    let tag = format!("\"{digest}\"");
    headers.push((header::ETAG, tag.clone()));
    match condition(request.headers(), &tag) {
        Condition::Met => Ok(small(StatusCode::OK, headers, bytes)),
        Condition::NotModified => Ok(not_modified(headers)),
        Condition::Failed => Err(precondition_failed()),
    }
}

/// What a client has already.
/// [RFC 9110, section 15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5): nothing that says what it is.
pub(super) fn not_modified(mut headers: Headers) -> Response<Body> {
    headers.retain(|(name, _)| *name != header::CONTENT_TYPE);
    with_headers(StatusCode::NOT_MODIFIED, headers, None, empty())
}

pub(super) fn precondition_failed() -> Refusal {
    Refusal::precondition_failed("this is not what If-Match asks for")
}

fn refused(refusal: Refusal) -> Response<Body> {
    let bytes = refusal.json();
    let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
    small(refusal.status, [content_type].into_iter().chain(refusal.header).collect(), bytes)
}

fn small(status: StatusCode, headers: Headers, bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len() as u64;
    with_headers(status, headers, Some(length), UnsyncBoxBody::new(Full::from(bytes).map_err(|never| match never {})))
}

pub(super) fn empty() -> Body {
    UnsyncBoxBody::new(Full::default().map_err(|never| match never {}))
}

pub(super) fn with_headers(status: StatusCode, headers: Headers, length: Option<u64>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    for (name, value) in headers {
        // A media type is the one value that somebody else wrote; what no header can hold, nobody can read there.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
