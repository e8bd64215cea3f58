//! Turns a request into a response.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use hyper::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    basics::digest::Digest,
    registry::serve::{
        asked::Asked,
        blob::blob,
        condition::{Condition, condition},
        contents::Content,
        event::Event,
        find::find,
        look::Found,
        page,
        refusal::Refusal,
        response::{Body, DIGEST, Headers, not_modified, precondition_failed, refused, small},
        route::{Route, route},
        server::Server,
    },
};

const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The identifier of the request in the log.
const ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request. The registry is read-only and never reads a request's body, so hyper closes
/// the connection of a client that sends one.
pub(crate) async fn answer<B>(
    server: Arc<Server>,
    client: SocketAddr,
    request: Request<B>,
) -> Response<Body> {
    let begun = Instant::now();
    let asked = Asked::new(server.ids.next(), client, request.uri().to_string());
    let mut response = match respond(&server, &request, &asked).await {
        Ok(response) => response,
        Err(refusal) => refused(refusal),
    };
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from_static("registry/2.0"));
    if let Ok(id) = HeaderValue::try_from(&asked.id) {
        headers.insert(ID, id);
    }
    let (method, status) = (request.method().to_string(), response.status().as_u16());
    let Asked { id, client, target, .. } = asked;
    let time = begun.elapsed();
    server.metrics.responds(status);
    server.tell(&Event::Answered { request: id, client, method, target, status, time });
    response
}

async fn respond<B>(
    server: &Arc<Server>,
    request: &Request<B>,
    asked: &Asked,
) -> Result<Response<Body>, Refusal> {
    let certified =
        |host: &str| server.certificate.as_ref().is_some_and(|certificate| certificate.has(host));
    server.authorities.check(request, certified)?;
    let trouble = |error| server.tell(&Event::Unusable { error });
    let rights = server.guard.rights(request.headers(), &server.blocking, trouble).await?;
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return Err(
            Refusal::no_method("this registry is read-only").with(header::ALLOW, "GET, HEAD")
        );
    }
    if server.has_page && page::is_wanted(request) {
        return page::page(server, request, &rights).await;
    }
    let route = route(request.uri().path(), request.uri().query().unwrap_or_default())?;
    if let Some(name) = route.repository()
        && !rights.allow(name)
    {
        return Err(Refusal::denied(format!("this login may not pull {name}")));
    }
    let asked = &Asked { rights, ..asked.clone() };
    let named = server.named.clone().filter(|_| {
        let is_here = |name| server.repositories.contains_key(name);
        !is_head && matches!(&route, Route::Blob(name, _) if !is_here(name))
    });
    match find(server, route, asked).await? {
        // The entity tag of a list is the digest of its bytes, so that clients that poll it do not
        // download it each time.
        Found::Small { headers, bytes } => Ok(tagged(request, Digest::of(&bytes), headers, bytes)?),
        Found::Manifest { media_type, digest, bytes } => {
            let headers =
                vec![(header::CONTENT_TYPE, media_type.to_string()), (DIGEST, digest.to_string())];
            let response = tagged(request, digest, headers, bytes)?;
            // A client that already has the manifest, and gets 304, pulls the image as well.
            if !is_head && media_type.is_manifest() {
                server.once.manifest();
            }
            Ok(response)
        }
        Found::Blob(content, is_at_hand) => {
            let descriptor = content.blob.descriptor().clone();
            let tag = format!("\"{}\"", descriptor.digest);
            if let Some(named) = named
                && condition(request.headers(), &tag) == Condition::Met
                && let Some(url) = server.run(move || named.images.location(&descriptor)).await?
                && let Ok(url) = HeaderValue::try_from(url)
            {
                return Ok(elsewhere(&content, url));
            }
            blob(server, request, asked, content, is_at_hand).await
        }
    }
}

/// A redirect to the bytes of a blob. `HEAD` is never redirected: the URL may allow `GET` only.
fn elsewhere(content: &Content, url: HeaderValue) -> Response<Body> {
    let headers = vec![
        (DIGEST, content.blob.descriptor().digest.to_string()),
        // The URL expires, and is for this client only.
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let mut response = small(StatusCode::TEMPORARY_REDIRECT, headers, Vec::new());
    response.headers_mut().insert(header::LOCATION, url);
    response
}

/// A small response with this digest as its entity tag.
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
