//! Requests to an endpoint without a connection: see [`crate::fuzzing`].

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    header::{self, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

use crate::{
    basics::digest::Digest,
    blob::traits::Blob,
    image::{config::image_config, manifest::image_manifest},
    layer::layer_tar::layer_tar,
    layout::image_layout::image_layout,
    pool::Pool,
    recipe::{mapping::FileMapping, options::LayerOptions},
    registry::serve::{Endpoint, Repository, answer::answer, server::Server},
    tarfile::compression::Compression,
};

/// An endpoint with a repository `a/b`, which has one image with three tags, and a repository `c`,
/// which has an image whose layer is built on demand.
struct Fixture {
    server: Arc<Server>,
    runtime: Runtime,
    /// By digest.
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// The digests that words in the input stand for.
    words: [(&'static str, String); 5],
    _dir: TempDir,
}

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

/// Sends a request: the first line of the input has the method and the target, and each further
/// line has a header. `@layer`, `@config`, `@manifest`, `@lazy` and `@other` stand for digests.
///
/// The registry never fails, the length of a body is the declared one, and only the requested bytes
/// of a blob are sent.
pub fn http(data: &[u8]) {
    FIXTURE.with(|fixture| fixture.ask(data));
}

impl Fixture {
    fn new() -> Self {
        let dir = TempDir::new().expect("the folder for temporary files can be written");
        let pool = Pool::new(2);
        let options = || LayerOptions::from(Compression::None).pool(&pool);
        let text = |name: &str| [FileMapping::text("0123456789".repeat(7), format!("/{name}"))];
        let made = "layers and documents of fixed values";
        let (layer, lazy) = (
            layer_tar(text("layer"), options()).expect(made),
            layer_tar(text("lazy"), options()).expect(made),
        );
        let mut blobs = BTreeMap::new();
        for blob in [&layer, &lazy] {
            blobs.insert(blob.descriptor().digest, crate::fuzzing::read(blob).expect(made));
        }
        let mut image = |layer: &crate::TarLayer| {
            let config = image_config([layer], json!({})).expect(made);
            let image = image_manifest(config, [layer.clone()], json!({})).expect(made);
            for bytes in [image.bytes(), image.config().bytes()] {
                blobs.insert(Digest::of(bytes), bytes.to_vec());
            }
            image
        };
        let (stored, described) = (image(&layer), image(&lazy));
        let words = [
            ("@layer", layer.descriptor().digest.to_string()),
            ("@lazy", lazy.descriptor().digest.to_string()),
            ("@config", Digest::of(stored.config().bytes()).to_string()),
            ("@manifest", stored.digest().to_string()),
            ("@other", described.digest().to_string()),
        ];
        let tagged = ["v1", "v2", "latest"].map(|tag| stored.clone().tagged(tag));
        let layout = image_layout(dir.path().join("layout"), tagged, Value::Null).expect(made);
        let repositories = [
            ("a/b", Repository::from(layout)),
            ("c", Repository::from(vec![described.tagged("v1")])),
        ];
        let endpoint = Endpoint::new(repositories)
            .expect(made)
            .pool(&pool)
            .log(|event| drop(event.to_string()));
        let server = endpoint.server().unwrap();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime without threads");
        Self { server, runtime, blobs, words, _dir: dir }
    }

    fn ask(&self, data: &[u8]) {
        let Some(request) = self.request(data) else { return };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        let (head, body) = self.runtime.block_on(async {
            let response = answer(Arc::clone(&self.server), client, request).await;
            let (head, body) = response.into_parts();
            (head, body.collect().await.expect("no blob is damaged").to_bytes())
        });
        assert!(!head.status.is_server_error(), "{} for {path}", head.status);
        let header = |name: HeaderName| {
            head.headers.get(name).map(|value| value.to_str().expect("visible characters"))
        };
        let length: Option<u64> =
            header(header::CONTENT_LENGTH).map(|length| length.parse().expect("a number"));
        // The response to `HEAD` may have a body here. hyper removes it.
        match head.status {
            StatusCode::NOT_MODIFIED => assert!(body.is_empty(), "no body for what the client has"),
            _ if method == Method::HEAD => assert!(length.is_some(), "a length without a body"),
            _ => assert_eq!(length, Some(body.len() as u64), "the body has the declared length"),
        }
        if head.status.is_client_error() && method != Method::HEAD {
            let error: Value = serde_json::from_slice(&body).expect("an error in JSON");
            assert!(error["errors"][0]["code"].is_string(), "an error with a code: {error}");
        }
        let digest = header(HeaderName::from_static("docker-content-digest"));
        if method == Method::GET
            && let Some(digest) = digest
        {
            let blob = &self.blobs[&digest.parse().expect("a digest")];
            self.check_bytes(head.status, &head.headers, &body, blob);
        }
        if head.status == StatusCode::OK && path.ends_with("/tags/list") && method == Method::GET {
            let list: Value = serde_json::from_slice(&body).expect("a list in JSON");
            let tags: Vec<_> = list["tags"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|tag| tag.as_str().expect("text"))
                .collect();
            assert!(
                tags.is_sorted() && tags.iter().all(|tag| ["latest", "v1", "v2"].contains(tag)),
                "{tags:?}"
            );
        }
    }

    /// Checks that the bytes are those of the blob, whole or in parts.
    fn check_bytes(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], blob: &[u8]) {
        let text =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if status == StatusCode::OK {
            assert!(body == blob, "a blob is what its digest says");
        } else if status == StatusCode::PARTIAL_CONTENT {
            match text(header::CONTENT_TYPE).split_once("boundary=") {
                Some((_, boundary)) => check_parts(boundary.trim_matches('"'), body, blob),
                None => assert_eq!(
                    body,
                    part(text(header::CONTENT_RANGE), blob),
                    "the part has the declared range"
                ),
            }
        }
    }

    fn request(&self, data: &[u8]) -> Option<Request<()>> {
        let mut text = String::from_utf8(data.iter().copied().take(8 << 10).collect()).ok()?;
        for (word, digest) in &self.words {
            text = text.replace(word, digest);
        }
        let mut lines = text.split('\n');
        let (method, target) = lines.next()?.split_once(' ')?;
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
        *request.uri_mut() = Uri::try_from(target).ok()?;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.trim()))
            {
                request.headers_mut().append(name, value);
            }
        }
        // Other hosts are refused before anything else is read.
        request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
        Some(request)
    }
}

/// The part of a blob that `bytes FIRST-LAST/SIZE` describes.
fn part<'a>(range: &str, blob: &'a [u8]) -> &'a [u8] {
    let numbers = range
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
        .expect("a range and a size");
    assert_eq!(numbers.1.parse(), Ok(blob.len()), "the size of the blob");
    let (first, last) = numbers.0.split_once('-').expect("two numbers");
    let [first, last] = [first, last].map(|number| number.parse::<usize>().expect("a number"));
    &blob[first..=last]
}

/// RFC 9110, section 14.6: parts between boundaries, each with its range.
fn check_parts(boundary: &str, body: &[u8], blob: &[u8]) {
    let find =
        |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|window| window == text);
    let between = format!("\r\n--{boundary}");
    let mut rest = body
        .strip_prefix(&between.as_bytes()[2..])
        .or_else(|| body.strip_prefix(between.as_bytes()));
    while let Some(after) = rest.filter(|rest| !rest.starts_with(b"--")) {
        let end = find(after, b"\r\n\r\n").expect("the end of the headers of a part");
        let headers =
            String::from_utf8(after[..end].to_ascii_lowercase()).expect("headers of a part");
        let range =
            headers.lines().find_map(|line| line.strip_prefix("content-range:")).expect("a range");
        let part = part(range.trim(), blob);
        let after = after[end + 4..].strip_prefix(part).expect("the part has the declared range");
        rest = Some(after.strip_prefix(between.as_bytes()).expect("a boundary after a part"));
    }
    assert!(rest.is_some(), "a boundary before the first part");
}
