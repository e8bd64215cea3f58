//! A registry that is busy, broken, slow or wrong, and blobs that cannot be read.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
    time::{Duration, Instant},
};

use oci_layout::{Blob, Digest, Image, ImageManifest, document::Descriptor};
use serde_json::Value;

use super::{assert_has, client, counted, push};
use crate::common;
use crate::registry::client::{
    fake::{Registry, Then},
    image,
};

/// A registry, and an image to push.
struct Room {
    registry: Registry,
    image: ImageManifest,
}

impl Room {
    fn new() -> Self {
        Self { registry: Registry::start(), image: image("linux/amd64") }
    }

    #[track_caller]
    fn pushes(&self) {
        let image = Image::from(self.image.clone());
        push(&self.registry, &image, &["v1"]).unwrap();
        assert_has(&self.registry, "a/b", "v1", &image);
    }

    /// The text of the error after the name of the repository, which has no tag here.
    #[track_caller]
    fn fails(&self) -> String {
        let said = common::message(push(&self.registry, &self.image.clone().into(), &["v1"]));
        assert_eq!(self.registry.content("/v2/a/b/manifests/v1"), None);
        let name = format!("{}: ", self.registry.reference(""));
        said.strip_prefix(&name).unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Requests that send the larger layer: only these contain its digest in this form.
    fn put(&self) -> String {
        format!("digest=sha256%3A{}", self.image.layers()[0].descriptor().digest.hex())
    }

    /// The range of the larger layer in each request.
    fn ranges(&self) -> Vec<String> {
        let sent = self.registry.requests(self.put());
        sent.iter()
            .map(|request| request.headers.get("content-range").cloned().unwrap_or_default())
            .collect()
    }
}

#[test]
fn an_interrupted_upload_resumes() {
    let room = Room::new();
    room.registry.fault(room.put(), 1, Then::Break(100_000));
    room.pushes();
    let size = room.image.layers()[0].descriptor().size;
    assert_eq!(room.ranges(), [String::new(), format!("100000-{}", size - 1)]);
    let sent: usize =
        room.registry.requests(room.put()).iter().map(|request| request.body.len()).sum();
    assert_eq!(sent as u64, size, "no byte twice");
}

#[test]
fn an_upload_that_is_always_interrupted_is_an_error() {
    let room = Room::new();
    room.registry.fault(room.put(), 99, Then::Break(0));
    let said = room.fails();
    let layer = room.image.layers()[0].descriptor();
    let start = format!(
        "the connection was closed during the request for blob {} of {} bytes (",
        layer.digest, layer.size
    );
    assert!(said.starts_with(&start) && said.ends_with("): try again later"), "{said}");
}

#[test]
fn an_upload_that_the_registry_forgot_restarts() {
    let room = Room::new();
    room.registry.uploads(|uploads| uploads.forgets = true);
    room.registry.fault(room.put(), 1, Then::Break(100_000));
    room.pushes();
    assert_eq!(room.registry.requests("GET /v2/a/b/blobs/uploads/").len(), 1);
    assert_eq!(room.registry.requests("POST").len(), 4);
}

/// Bytes would be missing or duplicated, and the result must not be accepted as the blob.
#[test]
fn a_registry_with_a_wrong_upload_offset() {
    for claim in ["0-49999", "0-150000", "0-99999999", "0-0", "5-6", "bytes=0-", "many"] {
        let room = Room::new();
        room.registry.uploads(|uploads| uploads.claims = Some(claim.to_owned()));
        room.registry.fault(room.put(), 1, Then::Break(100_000));
        // One attempt finds that the claim is wrong.
        let image = Image::from(room.image.clone());
        client().retries(2).push(&image, &[room.registry.reference(":v1")]).unwrap();
        assert_has(&room.registry, "a/b", "v1", &image);
    }
}

#[test]
fn a_busy_registry_is_asked_again() {
    let room = Room::new();
    let busy = |seconds: &str| {
        Then::Say(429, vec![("Retry-After".to_owned(), seconds.to_owned())], String::new())
    };
    for what in ["HEAD /v2/a/b/manifests/v1", "POST ", "PUT /v2/a/b/blobs", "PUT /v2/a/b/manifests"]
    {
        room.registry.fault(what, 1, busy("1"));
    }
    let begun = Instant::now();
    room.pushes();
    assert!(begun.elapsed() >= Duration::from_secs(3));

    let room = Room::new();
    room.registry.fault("POST", 99, busy("1000"));
    let begun = Instant::now();
    let said = room.fails();
    assert!(
        said.starts_with("the registry received too many requests, the last one for blob sha256:"),
        "{said}"
    );
    assert!(said.ends_with(" bytes: try again in 1000 seconds, or log in"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(1), "the client does not wait for that");
}

#[test]
fn a_registry_that_fails_is_asked_again() {
    let room = Room::new();
    for (what, status) in [
        ("HEAD /v2/a/b/blobs", 503),
        ("POST ", 500),
        ("PUT /v2/a/b/blobs", 502),
        ("PUT /v2/a/b/m", 504),
    ] {
        room.registry.fault(what, 1, Then::Say(status, Vec::new(), String::new()));
    }
    room.pushes();

    let room = Room::new();
    room.registry.fault(
        "PUT /v2/a/b/manifests",
        99,
        Then::Say(500, Vec::new(), "no\nway".to_owned()),
    );
    assert_eq!(
        room.fails(),
        "the registry failed with status 500 (no way) on the request for tag v1: try again later"
    );
    assert_eq!(room.registry.requests("PUT /v2/a/b/manifests").len(), 2);
}

/// Like a registry that crashed after half of it.
#[test]
fn a_registry_that_cannot_report_its_blobs_gets_them() {
    let room = Room::new();
    room.registry.fault("HEAD /v2/a/b/blobs", 99, Then::Say(500, Vec::new(), String::new()));
    room.pushes();
    assert_eq!(
        room.registry.requests("HEAD /v2/a/b/blobs").len(),
        2 * room.registry.requests("POST ").len()
    );
}

#[test]
fn refusals_have_a_remedy() {
    for (at, status, code, says) in [
        (
            "POST",
            404,
            "NAME_UNKNOWN",
            "the registry has no repository a/b (so  [1mit is): create it there first, or",
        ),
        (
            "POST",
            405,
            "UNSUPPORTED",
            "the registry does not accept pushes (so  [1mit is): push to another registry",
        ),
        (
            "POST",
            403,
            "DENIED",
            "pushing to a/b requires a login, and no credentials for 127.0.0.1:",
        ),
        (
            "PUT /v2/a/b/blobs",
            413,
            "TOO_LARGE",
            "is too large for the registry, or for a proxy in front of it (so  [1m",
        ),
        ("PUT /v2/a/b/blobs", 507, "X", "the registry has no space for blob sha256:"),
        ("PUT /v2/a/b/blobs", 400, "DIGEST_INVALID", "the registry received blob sha256:"),
        (
            "PUT /v2/a/b/m",
            404,
            "MANIFEST_BLOB_UNKNOWN",
            "the registry does not have a blob that tag v1 refers to (so  [1mit is): push",
        ),
        (
            "PUT /v2/a/b/m",
            400,
            "MANIFEST_INVALID",
            "the registry refuses tag v1 with status 400 (so  [1mit is): ",
        ),
    ] {
        let room = Room::new();
        room.registry.say(at, 99, status, code);
        let said = room.fails();
        assert!(said.contains(says), "{status} {code}: {said}");
        // The client can only try another upload method, and other uploads are cancelled.
        let is_manner = at == "PUT /v2/a/b/blobs" && [400, 413].contains(&status);
        assert!(
            room.registry.requests(at).len() <= if is_manner { 6 } else { 3 },
            "{status} {code}"
        );
    }
    let room = Room::new();
    let quota =
        r#"{"errors":[{"code":"DENIED","message":"will exceed the configured upper limit"}]}"#;
    room.registry.fault("PUT /v2/a/b/m", 9, Then::Say(403, Vec::new(), quota.to_owned()));
    let said = "the registry has no space for tag v1 (will exceed the configured upper limit): \
        remove unused images there, or raise its limit";
    assert_eq!(room.fails(), said);
}

#[test]
fn a_response_with_another_digest_is_an_error() {
    let other = Digest::of(b"other");
    for at in ["PUT /v2/a/b/blobs", "PUT /v2/a/b/manifests"] {
        let room = Room::new();
        let header = ("Docker-Content-Digest".to_owned(), other.to_string());
        room.registry.fault(at, 99, Then::Say(201, vec![header], String::new()));
        let said = room.fails();
        assert!(
            said.starts_with(&format!(
                "the registry reports that it stored {other} instead of sha256:"
            )),
            "{at}: {said}"
        );
    }
}

#[test]
fn a_silent_registry_times_out() {
    // In the middle of the bytes, and after the last one.
    for taken in [50_000, usize::MAX] {
        let room = Room::new();
        room.registry.fault("PUT /v2/a/b/blobs", 1, Then::Hang(taken));
        room.pushes();
    }
    let room = Room::new();
    room.registry.fault("PUT /v2/a/b/blobs", 99, Then::Hang(0));
    let said = room.fails();
    assert!(
        said.starts_with("the registry did not respond to the request for blob sha256:"),
        "{said}"
    );
}

#[test]
fn uploads_are_sent_where_the_registry_says() {
    // A path with a query, and a redirect of the bytes themselves.
    let room = Room::new();
    room.registry.uploads(|uploads| {
        uploads.place = Some(("/v2/a/b/blobs/uploads/".to_owned(), "?state=x%2Fy".to_owned()))
    });
    let there = ("Location".to_owned(), "/v2/a/b/blobs/uploads/upload-1?moved=yes".to_owned());
    room.registry.fault(
        "PUT /v2/a/b/blobs/uploads/upload-1",
        1,
        Then::Say(307, vec![there], String::new()),
    );
    room.pushes();
    let sent = room.registry.requests("PUT /v2/a/b/blobs");
    let with = |part: &str| sent.iter().filter(|request| request.path.contains(part)).count();
    assert_eq!(
        (with("?state=x%2Fy&digest=sha256%3A"), with("?moved=yes&digest=sha256%3A")),
        (3, 1)
    );

    // An invalid address.
    let room = Room::new();
    room.registry.fault("POST", 99, Then::Say(202, Vec::new(), String::new()));
    let said = room.fails();
    assert!(
        said.contains(
            "is invalid (it returned no upload location): check that this is a container registry"
        ),
        "{said}"
    );
}

#[test]
fn a_registry_that_goes_away_may_come_back() {
    let room = Room::new();
    room.registry.fault("PUT /v2/a/b/blobs", 1, Then::Break(0));
    room.pushes();

    let room = Room::new();
    room.registry.fault("PUT /v2/a/b/blobs", 99, Then::Break(10));
    let said = room.fails();
    assert!(said.contains("during the request for blob sha256:"), "{said}");

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = common::message(
        client().push(&room.image.into(), &[format!("127.0.0.1:{port}/a").parse().unwrap()]),
    );
    let reason = "(Connection refused (os error 111)): correct its name, or check the network";
    assert_eq!(said, format!("127.0.0.1:{port}/a: cannot connect to 127.0.0.1:{port} {reason}"));
}

/// A blob that does not match its descriptor.
struct False {
    descriptor: Descriptor,
    bytes: Option<Vec<u8>>,
}

impl Blob for False {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> oci_layout::Result<Box<dyn Read + Send>> {
        match &self.bytes {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Ok(Box::new(Failing)),
        }
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

#[test]
fn a_damaged_blob_is_never_sent_completely() {
    let image = image("linux/amd64");
    let layer = &image.layers()[0];
    let (right, digest) = (common::bytes(layer), layer.descriptor().digest);
    let flipped = [&right[..1000], &[right[1000] ^ 1], &right[1001..]].concat();
    for (bytes, says) in [
        (Some(flipped), "is damaged: its descriptor says sha256:"),
        (Some(right[..1000].to_vec()), "but it has 1000 bytes;"),
        (Some([&*right, b"x"].concat()), "but it has more;"),
        (Some(Vec::new()), "but it has 0 bytes;"),
        (None, "cannot read blob"),
    ] {
        let registry = Registry::start();
        let wrong = Image::from_manifest(image.bytes(), |descriptor| {
            let right =
                image.layers().iter().find(|layer| layer.descriptor().digest == descriptor.digest);
            match right {
                _ if descriptor.digest == digest => {
                    Ok(Arc::new(False { descriptor: descriptor.clone(), bytes: bytes.clone() })
                        as Arc<dyn Blob>)
                }
                Some(layer) => Ok(Arc::new(Arc::clone(layer)) as Arc<dyn Blob>),
                None => Ok(Arc::new(image.config().clone()) as Arc<dyn Blob>),
            }
        });
        let said = common::message(push(&registry, &wrong.unwrap(), &["v1"]));
        assert!(said.contains(says) && said.contains(&digest.to_string()), "{said}");
        assert_eq!(registry.content(format!("/v2/a/b/blobs/{digest}")), None);
        assert_eq!(registry.content("/v2/a/b/manifests/v1"), None);
        // The registry did not fail, so nothing is retried.
        let sent = registry.requests("PUT /v2/a/b/blobs");
        assert!(sent.iter().all(|request| request.body.len() < right.len()));
    }
}

/// If one blob fails, the others are cancelled.
#[test]
fn one_failed_blob_stops_the_push() {
    let registry = Registry::start();
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let (image, opened) =
        counted(&names.iter().map(String::as_str).collect::<Vec<_>>(), Value::Null);
    registry.say("PUT /v2/a/b/blobs", 99, 413, "TOO_LARGE");
    push(&registry, &image, &["v1"]).unwrap_err();
    assert!(opened() < 12);
}

/// A proxy that redirects everything to a login page reports success for every request.
#[test]
fn a_login_page_is_not_accepted_as_a_registry() {
    let room = Room::new();
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    room.registry.fault("/v2/", 99, Then::Say(302, header("Location", "/login"), String::new()));
    let page = Then::Say(
        200,
        header("Content-Type", "text/html; charset=utf-8"),
        "<p>Who are you?".to_owned(),
    );
    room.registry.fault("/login", 99, page);
    let image = Image::from(room.image.clone());
    for references in
        [room.registry.reference(":v1"), room.registry.reference("").at(image.digest())]
    {
        let said = common::message(client().push(&image, &[references]));
        assert!(
            said.contains("the response to the request for ") && said.contains(" is invalid ("),
            "{said}"
        );
    }
    // A manifest that the registry claims to have stored.
    let room = Room::new();
    let page = Then::Say(200, header("Content-Type", "text/html"), String::new());
    room.registry.fault("PUT /v2/a/b/manifests", 99, page);
    let said = room.fails();
    assert_eq!(
        said,
        "the response to the request for tag v1 is invalid (status 200): check that this is a \
         container registry"
    );
}
