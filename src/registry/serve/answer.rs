//! From a request to a response.

use std::{net::SocketAddr, ops::Range, sync::Arc};

use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame},
    header::{self, HeaderName, HeaderValue},
};
use serde_json::json;
use tokio::task;

use super::{
    Event, Server,
    contents::{Content, Contents, document},
    range::{Wanted, wanted},
    refusal::Refusal,
    route::{AnyDigest, Page, Reference, Route, route},
    stretch::Stretch,
};
use crate::{
    descriptor::{Annotations, Extra, MediaType},
    digest::Digest,
    error::Error,
    image_manifest::Index,
    json,
};

pub(super) type Body = UnsyncBoxBody<Bytes, Arc<Error>>;

const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

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
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return Err(Refusal::no_method("this registry is only read").with(header::ALLOW, "GET, HEAD"));
    }
    let route = route(request.uri().path(), request.uri().query().unwrap_or_default())?;
    // A layout that changed is read again, and manifests are read: that may take a moment.
    let (finder, target) = (Arc::clone(server), request.uri().to_string());
    let found = task::spawn_blocking(move || finder.find(route, &target)).await;
    let found = found.unwrap_or_else(|_| Err(Refusal::failed("a defect of this registry, which its log names")))?;
    match found {
        Found::Small { headers, bytes } => Ok(small(StatusCode::OK, headers, bytes)),
        Found::Manifest { media_type, digest, bytes } => {
            if !is_head && media_type.is_manifest() {
                server.once.manifest();
            }
            let headers = [(header::CONTENT_TYPE, media_type.to_string()), (DIGEST, digest.to_string())];
            Ok(small(StatusCode::OK, headers.into(), bytes))
        }
        Found::Blob(content) => blob(server, request, content).await,
    }
}

/// What an endpoint gives.
enum Found {
    Small { headers: Vec<(HeaderName, String)>, bytes: Vec<u8> },
    Manifest { media_type: MediaType, digest: Digest, bytes: Vec<u8> },
    Blob(Content),
}

impl Found {
    fn json(headers: impl IntoIterator<Item = (HeaderName, String)>, value: &impl serde::Serialize) -> Self {
        let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
        Self::Small { headers: [content_type].into_iter().chain(headers).collect(), bytes: json::to_bytes(value) }
    }
}

impl Server {
    fn find(&self, route: Route, target: &str) -> Result<Found, Refusal> {
        match route {
            Route::Base => Ok(Found::json([], &json!({}))),
            Route::Catalog(page) => {
                let (names, link) = part(self.repositories.keys(), &page, "/v2/_catalog");
                Ok(Found::json(link, &json!({ "repositories": names })))
            }
            Route::Tags(name, page) => {
                let contents = self.contents(&name)?;
                let (tags, link) = part(contents.tags.keys(), &page, &format!("/v2/{name}/tags/list"));
                Ok(Found::json(link, &json!({ "name": name, "tags": tags })))
            }
            Route::Manifest(name, reference) => self.manifest(&*self.contents(&name)?, reference, target),
            Route::Blob(name, digest) => {
                let contents = self.contents(&name)?;
                let unknown = || Refusal::blob_unknown("no image of this repository has this blob");
                let content = digest.and_then(|digest| contents.blob(digest)).ok_or_else(unknown)?;
                Ok(Found::Blob(content.clone()))
            }
            Route::Referrers(name, digest, artifact_type) => {
                Ok(referrers(&*self.contents(&name)?, digest, artifact_type))
            }
        }
    }

    fn contents(&self, name: &str) -> Result<Arc<Contents>, Refusal> {
        let repository = self.repositories.get(name);
        let repository = repository.ok_or_else(|| Refusal::name_unknown("there is no repository of this name"))?;
        Ok(repository.contents(|error| self.tell(&Event::Unreadable { repository: name.to_owned(), error })))
    }

    fn manifest(&self, contents: &Contents, reference: Reference, target: &str) -> Result<Found, Refusal> {
        let digest = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(tag) if contents.ambiguous.contains(&tag) => {
                return Err(Refusal::manifest_unknown("several images have this tag: ask for one by its digest"));
            }
            Reference::Tag(tag) => contents.tags.get(&tag).copied(),
        };
        let unknown = || Refusal::manifest_unknown("this repository has no such manifest");
        let content = digest.and_then(|digest| contents.manifest(digest)).ok_or_else(unknown)?;
        let bytes = document(&content.blob).map_err(|error| match error {
            Error::BlobMissing { .. } => Refusal::manifest_unknown("its layout is without this manifest"),
            error => self.failed(target, Arc::new(error)),
        })?;
        Ok(Found::Manifest { media_type: content.media_type.clone(), digest: content.blob.descriptor().digest, bytes })
    }

    /// What a client may know of an error: paths of this machine are for the log alone.
    fn failed(&self, target: &str, error: Arc<Error>) -> Refusal {
        self.tell(&Event::Failed { target: target.to_owned(), error });
        Refusal::failed("what is asked for is there, but cannot be read: this registry's log says why")
    }
}

/// [Listing referrers](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers).
fn referrers(contents: &Contents, digest: AnyDigest, artifact_type: Option<String>) -> Found {
    let all = digest.map_or(&[][..], |digest| contents.referrers(digest));
    let wanted = all.iter().filter(|referrer| artifact_type.is_none() || referrer.artifact_type == artifact_type);
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::INDEX),
        artifact_type: None,
        manifests: wanted.cloned().collect(),
        subject: None,
        annotations: Annotations::new(),
        extra: Extra::default(),
    };
    let mut headers = vec![(header::CONTENT_TYPE, MediaType::INDEX.to_string())];
    headers.extend(artifact_type.map(|_| (FILTERS, "artifactType".to_owned())));
    Found::Small { headers, bytes: json::to_bytes(&index) }
}

/// A part of a sorted list, and the address of the next one if there is one:
/// [listing tags](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags).
fn part<'a>(
    all: impl Iterator<Item = &'a String>,
    page: &Page,
    path: &str,
) -> (Vec<&'a String>, Option<(HeaderName, String)>) {
    let mut behind = all.filter(|name| page.last.as_ref().is_none_or(|last| *name > last)).peekable();
    let names: Vec<_> = behind.by_ref().take(page.n.unwrap_or(usize::MAX)).collect();
    let next = names.last().filter(|_| behind.peek().is_some());
    let link = next.map(|last| format!("<{path}?n={}&last={last}>; rel=\"next\"", names.len()));
    (names, link.map(|link| (header::LINK, link)))
}

/// [Pulling blobs](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs).
async fn blob<B>(server: &Arc<Server>, request: &Request<B>, content: Content) -> Result<Response<Body>, Refusal> {
    let descriptor = content.blob.descriptor().clone();
    let (digest, size, tag) = (descriptor.digest, descriptor.size, format!("\"{}\"", descriptor.digest));
    let mut headers = vec![
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (DIGEST, digest.to_string()),
        (header::ETAG, tag.clone()),
    ];
    // Bytes that have to be made are made from the first one on.
    let has_ranges = content.is_at_hand();
    headers.push((header::ACCEPT_RANGES, if has_ranges { "bytes" } else { "none" }.to_owned()));
    let is_head = request.method() == Method::HEAD;
    let wanted = if has_ranges && !is_head { wanted(request.headers(), size, &tag) } else { Wanted::Whole };
    let (range, status) = match wanted {
        Wanted::Nothing => {
            let refusal = Refusal::no_range(format!("the blob has {size} bytes"));
            return Err(refusal.with(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
        Wanted::Part(range) => {
            headers.push((header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1)));
            (range, StatusCode::PARTIAL_CONTENT)
        }
        Wanted::Whole => (0..size, StatusCode::OK),
    };
    let length = range.end - range.start;
    if is_head {
        if has_ranges {
            let blob = Arc::clone(&content.blob);
            let opened = task::spawn_blocking(move || blob.open().map(drop)).await;
            opened.unwrap_or(Ok(())).map_err(|error| unreadable(server, request, Arc::new(error)))?;
        }
        return Ok(with_headers(status, headers, length, empty()));
    }
    let mut stretch = Stretch::new(content.blob, has_ranges, range.clone(), &server.makings);
    // An error before the first byte is still an answer.
    let first = stretch.next().await.map_err(|error| unreadable(server, request, error))?;
    let sending =
        Sending { server: Arc::clone(server), target: request.uri().to_string(), digest, range, size, stretch };
    if sending.range.end == size {
        sending.server.once.begins(digest);
    }
    Ok(with_headers(status, headers, length, sending.body(first)))
}

fn unreadable<B>(server: &Server, request: &Request<B>, error: Arc<Error>) -> Refusal {
    match *error {
        Error::BlobMissing { .. } => Refusal::blob_unknown("its layout is without this blob"),
        _ => server.failed(&request.uri().to_string(), error),
    }
}

/// A blob that a client reads.
struct Sending {
    server: Arc<Server>,
    target: String,
    digest: Digest,
    range: Range<u64>,
    size: u64,
    stretch: Stretch,
}

impl Sending {
    /// The connection breaks where the stretch does.
    fn body(self, first: Option<Bytes>) -> Body {
        let next = async |(first, mut sending): (Option<Bytes>, Self)| {
            let chunk = match first {
                Some(chunk) => Ok(Some(chunk)),
                None => sending.stretch.next().await,
            };
            match chunk {
                Ok(Some(chunk)) => {
                    sending.range.start += chunk.len() as u64;
                    sending.ends();
                    Ok(Some((Frame::data(chunk), (None, sending))))
                }
                Ok(None) => Ok(None),
                Err(error) => {
                    sending.server.tell(&Event::Failed { target: sending.target.clone(), error: Arc::clone(&error) });
                    Err(error)
                }
            }
        };
        self.ends();
        UnsyncBoxBody::new(StreamBody::new(stream::try_unfold((first, self), next)))
    }

    /// Says so when the blob's last byte is under way.
    fn ends(&self) {
        if self.range.start == self.size {
            self.server.once.ends(self.digest);
        }
    }
}

fn refused(refusal: Refusal) -> Response<Body> {
    let bytes = refusal.json();
    let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
    small(refusal.status, [content_type].into_iter().chain(refusal.header).collect(), bytes)
}

fn small(status: StatusCode, headers: Vec<(HeaderName, String)>, bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len() as u64;
    with_headers(status, headers, length, UnsyncBoxBody::new(Full::from(bytes).map_err(|never| match never {})))
}

fn empty() -> Body {
    UnsyncBoxBody::new(Full::default().map_err(|never| match never {}))
}

fn with_headers(status: StatusCode, headers: Vec<(HeaderName, String)>, length: u64, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    for (name, value) in headers {
        // A media type is the one value that somebody else wrote; what no header can hold, nobody can read there.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
