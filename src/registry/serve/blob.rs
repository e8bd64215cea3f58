//! The response to a request for a blob, whole or in parts: [pulling
//! blobs](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs).

use std::{collections::VecDeque, ops::Range, sync::Arc};

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame},
    header,
};
use rustls::crypto::ring;

use crate::{
    basics::{digest::Digest, error::Error},
    blob::traits::Blob,
    registry::serve::{
        asked::Asked,
        body::BlobBody,
        condition::{Condition, condition},
        contents::Content,
        event::Event,
        range::{Wanted, wanted},
        refusal::Refusal,
        response::{Body, DIGEST, Headers, empty, not_modified, precondition_failed, with_headers},
        server::Server,
    },
};

const BYTES: &str = "application/octet-stream";

/// The response to a request for a blob.
pub(crate) async fn blob<B>(
    server: &Arc<Server>,
    request: &Request<B>,
    asked: &Asked,
    content: Content,
    is_at_hand: bool,
) -> Result<Response<Body>, Refusal> {
    let descriptor = content.blob.descriptor().clone();
    let (digest, size, tag) =
        (descriptor.digest, descriptor.size, format!("\"{}\"", descriptor.digest));
    // A blob that has to be built can be read only from its first byte.
    let has_ranges = is_at_hand;
    let mut headers = vec![
        (DIGEST, digest.to_string()),
        (header::ETAG, tag.clone()),
        (header::ACCEPT_RANGES, if has_ranges { "bytes" } else { "none" }.to_owned()),
    ];
    let is_head = request.method() == Method::HEAD;
    let condition = condition(request.headers(), &tag);
    // RFC 9110, section 13.2.1: an error takes precedence over a condition, so a missing file is
    // reported whatever the client has.
    if has_ranges && (is_head || condition != Condition::Met) {
        let blob = Arc::clone(&content.blob);
        let opened = server.blocking.run(move || blob.open().map(drop)).await;
        opened.unwrap_or(Ok(())).map_err(|error| unreadable(server, asked, Arc::new(error)))?;
    }
    match condition {
        Condition::Met => {}
        Condition::NotModified => return Ok(not_modified(headers)),
        Condition::Failed => return Err(precondition_failed()),
    }
    let wanted = if has_ranges { wanted(request.headers(), size, &tag) } else { Wanted::Whole };
    let (status, parts) = match wanted {
        Wanted::Nothing => {
            let refusal = Refusal::no_range(format!("the blob has {size} bytes"));
            return Err(refusal.with(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
        Wanted::Whole => {
            headers.push((header::CONTENT_TYPE, BYTES.to_owned()));
            (StatusCode::OK, Parts::one(0..size))
        }
        Wanted::Part(range) => {
            headers.push((header::CONTENT_TYPE, BYTES.to_owned()));
            headers.push((header::CONTENT_RANGE, content_range(&range, size)));
            (StatusCode::PARTIAL_CONTENT, Parts::one(range))
        }
        Wanted::Parts(ranges) => {
            let boundary = boundary();
            headers
                .push((header::CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}")));
            (StatusCode::PARTIAL_CONTENT, Parts::several(ranges, size, &boundary))
        }
    };
    respond(server, request, asked, content, (status, headers), parts, has_ranges).await
}

async fn respond<B>(
    server: &Arc<Server>,
    request: &Request<B>,
    asked: &Asked,
    content: Content,
    (status, headers): (StatusCode, Headers),
    parts: Parts,
    is_at_hand: bool,
) -> Result<Response<Body>, Refusal> {
    let length = parts.length();
    if request.method() == Method::HEAD {
        return Ok(with_headers(status, headers, Some(length), empty()));
    }
    let Parts { mut parts, end } = parts;
    let first = parts.pop_front().expect("there is one at least");
    let mut sending = Sending {
        server: Arc::clone(server),
        asked: asked.clone(),
        body: server.body(&content.blob, is_at_hand, first.range.clone()),
        content,
        is_at_hand,
        left: first.range,
        parts,
        end,
        next: VecDeque::new(),
    };
    // An error before the first byte still becomes a proper response.
    let chunk = sending.body.next().await.map_err(|error| unreadable(server, asked, error))?;
    let reaches_end = |range: &Range<u64>| range.end == sending.size();
    if reaches_end(&sending.left) || sending.parts.iter().any(|part| reaches_end(&part.range)) {
        server.once.begins(sending.digest());
    }
    sending.next.extend(Some(first.head).filter(|head| !head.is_empty()));
    sending.is_sent(chunk);
    Ok(with_headers(status, headers, Some(length), sending.body()))
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

fn unreadable(server: &Server, asked: &Asked, error: Arc<Error>) -> Refusal {
    match *error {
        Error::BlobMissing { .. } => Refusal::blob_unknown("the layout does not have this blob"),
        _ => server.failed(asked, error),
    }
}

impl Server {
    fn body(&self, blob: &Arc<dyn Blob>, is_at_hand: bool, range: Range<u64>) -> BlobBody {
        BlobBody::new(&self.builds, &self.blocking, blob, is_at_hand, range)
    }
}

/// The parts of a response.
struct Parts {
    parts: VecDeque<Part>,
    /// The bytes after the last part.
    end: Bytes,
}

struct Part {
    /// The bytes before the part: the boundary and its headers.
    head: Bytes,
    range: Range<u64>,
}

impl Parts {
    fn one(range: Range<u64>) -> Self {
        Self { parts: [Part { head: Bytes::new(), range }].into(), end: Bytes::new() }
    }

    /// Several parts, as [section 14.6](https://www.rfc-editor.org/rfc/rfc9110#section-14.6)
    /// defines them.
    fn several(ranges: Vec<Range<u64>>, size: u64, boundary: &str) -> Self {
        let part = |(number, range): (usize, Range<u64>)| {
            let line = if number == 0 { "" } else { "\r\n" };
            let content_range = content_range(&range, size);
            let head = format!(
                "{line}--{boundary}\r\nContent-Type: {BYTES}\r\nContent-Range: \
                 {content_range}\r\n\r\n"
            );
            Part { head: head.into(), range }
        };
        let parts = ranges.into_iter().enumerate().map(part).collect();
        Self { parts, end: format!("\r\n--{boundary}--\r\n").into() }
    }

    fn length(&self) -> u64 {
        let parts = self
            .parts
            .iter()
            .map(|part| part.head.len() as u64 + (part.range.end - part.range.start));
        parts.sum::<u64>() + self.end.len() as u64
    }
}

/// A boundary that the contents of a blob cannot predict.
fn boundary() -> String {
    let mut bytes = [0; 16];
    // If the system has no random numbers, the boundary is predictable, which can only confuse the
    // client that requested several parts.
    let _ = ring::default_provider().secure_random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A blob that is being sent.
struct Sending {
    server: Arc<Server>,
    asked: Asked,
    content: Content,
    is_at_hand: bool,
    body: BlobBody,
    /// The rest of the part that is being read.
    left: Range<u64>,
    /// The parts that come next.
    parts: VecDeque<Part>,
    end: Bytes,
    /// Bytes that were read and not sent yet.
    next: VecDeque<Bytes>,
}

impl Sending {
    fn digest(&self) -> Digest {
        self.content.blob.descriptor().digest
    }

    fn size(&self) -> u64 {
        self.content.blob.descriptor().size
    }

    /// The body of the response. If it fails, hyper closes the connection.
    fn body(self) -> Body {
        let next = async |mut sending: Self| match sending.next().await {
            Ok(Some(chunk)) => Ok(Some((Frame::data(chunk), sending))),
            Ok(None) => Ok(None),
            Err(error) => {
                let Asked { id, target, .. } = sending.asked.clone();
                let failed = Event::Failed { request: id, target, error: Arc::clone(&error) };
                sending.server.tell(&failed);
                Err(error)
            }
        };
        StreamBody::new(stream::try_unfold(self, next)).boxed_unsync()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Arc<Error>> {
        loop {
            if let Some(chunk) = self.next.pop_front() {
                return Ok(Some(chunk));
            }
            if let Some(chunk) = self.body.next().await? {
                self.is_sent(Some(chunk));
                continue;
            }
            let Some(Part { head, range }) = self.parts.pop_front() else {
                let end = std::mem::take(&mut self.end);
                return Ok(Some(end).filter(|end| !end.is_empty()));
            };
            self.body = self.server.body(&self.content.blob, self.is_at_hand, range.clone());
            self.left = range;
            return Ok(Some(head));
        }
    }

    /// Records that a chunk is being sent, and whether it ends the blob.
    fn is_sent(&mut self, chunk: Option<Bytes>) {
        self.left.start += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.next.extend(chunk);
        if self.left.start == self.size() {
            self.server.once.ends(self.digest());
        }
    }
}
