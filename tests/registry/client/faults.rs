//! A registry that is unreachable, busy, broken, slow or wrong.

use std::{path::Path, process::Command, time::Duration};

use oci_layout::{Digest, Error, Image, ImageManifest, RegistryErrorKind, document::MediaType};
use serde_json::{Value, json};

use crate::common;
use crate::registry::client::{
    assert_sound, client,
    fake::{Registry, Then},
    image, pull,
};

/// An image in a registry, and a folder for the layout.
struct Room {
    registry: Registry,
    image: ImageManifest,
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        let image = image("linux/amd64");
        Self {
            registry: Registry::with(&Image::from(image.clone())),
            image,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// The larger layer.
    fn layer(&self) -> String {
        self.image.layers()[0].descriptor().digest.to_string()
    }

    fn layout(&self) -> &Path {
        self.dir.path()
    }

    #[track_caller]
    fn pulls(&self) {
        pull(&client(), &self.registry.reference(":v1"), None, self.layout()).unwrap();
        assert_sound(self.layout());
    }

    /// The text of the error after the name of the image, or all of it if it does not start with
    /// the name.
    #[track_caller]
    fn fails(&self) -> String {
        let reference = self.registry.reference(":v1");
        let said = common::message(pull(&client(), &reference, None, self.layout()));
        for file in common::files_in(self.layout())
            .into_iter()
            .filter(|file| self.layout().join(file).is_file())
        {
            let name = file.file_name().unwrap().to_str().unwrap();
            // Complete blobs may remain, but nothing else, and no layout.
            assert!(
                name.len() == 64 && !file.ends_with(self.layer().strip_prefix("sha256:").unwrap()),
                "{file:?}"
            );
        }
        match said.strip_prefix(&format!("{reference}: ")) {
            Some(reason) => reason.to_owned(),
            None => said,
        }
    }
}

#[test]
fn a_busy_registry_is_asked_again() {
    let room = Room::new();
    room.registry.say("/manifests/", 1, 429, "TOOMANYREQUESTS");
    room.registry.fault(room.layer(), 1, Then::Say(503, Vec::new(), String::new()));
    room.pulls();
    assert_eq!(room.registry.requests("/manifests/").len(), 2);
    assert_eq!(room.registry.requests(room.layer()).len(), 2);
}

#[test]
fn a_registry_that_stays_busy_is_an_error() {
    let room = Room::new();
    room.registry.say("/manifests/", 9, 429, "TOOMANYREQUESTS");
    assert_eq!(
        room.fails(),
        "the registry received too many requests, the last one for tag v1: try again later, or log \
         in"
    );
    assert_eq!(room.registry.requests("/manifests/").len(), 2);
}

/// The data that a caller can match on.
#[test]
fn every_refusal_has_its_kind() {
    use RegistryErrorKind as Kind;

    let say = |status, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Then::Say(status, headers.collect(), String::new())
    };
    let basic = [("WWW-Authenticate", "Basic realm=\"x\"")];
    for (then, expected) in [
        (say(404, &[]), Kind::NotFound),
        (say(401, &basic), Kind::Unauthorized),
        (say(403, &[]), Kind::Denied),
        (
            say(429, &[("Retry-After", "100")]),
            Kind::TooManyRequests { retry_after: Some(Duration::from_secs(100)) },
        ),
        (say(500, &[]), Kind::Unavailable { status: 500 }),
        (say(418, &[]), Kind::Refused { status: 418 }),
        (Then::Say(200, Vec::new(), "no manifest".to_owned()), Kind::InvalidResponse),
    ] {
        let room = Room::new();
        room.registry.fault("/manifests/", 9, then);
        let error = client().image(&room.registry.reference(":v1"), None).unwrap_err();
        assert!(matches!(error, Error::Registry { kind, .. } if kind == expected), "{error:?}");
    }
    let nowhere = client().image(&"127.0.0.1:1/a".parse().unwrap(), None);
    assert!(matches!(nowhere, Err(Error::Registry { kind: Kind::Unreachable, .. })));
}

#[test]
fn a_registry_that_keeps_failing_is_an_error() {
    let room = Room::new();
    room.registry.fault(
        room.layer(),
        9,
        Then::Say(500, Vec::new(), "out\nof \x1b[31mspace".to_owned()),
    );
    let expected = format!(
        "the registry failed with status 500 (out of  [31mspace) on the request for blob {}: try \
         again later",
        room.layer()
    );
    assert_eq!(room.fails(), expected);
}

#[test]
fn an_interrupted_blob_is_resumed() {
    let room = Room::new();
    room.registry.fault(room.layer(), 1, Then::Break(100_000));
    room.pulls();
    let ranges: Vec<_> = room
        .registry
        .requests(room.layer())
        .iter()
        .map(|request| request.headers.get("range").cloned())
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned())]);
}

#[test]
fn a_registry_without_ranges_sends_the_blob_again() {
    let room = Room::new();
    room.registry.refuse_ranges();
    room.registry.fault(room.layer(), 1, Then::Break(100_000));
    room.pulls();
    assert_eq!(room.registry.requests(room.layer()).len(), 2);
}

#[test]
fn a_blob_that_is_always_interrupted_is_an_error() {
    let room = Room::new();
    room.registry.fault(room.layer(), 99, Then::Break(0));
    let said = room.fails();
    let expected = format!("the registry stopped sending blob {} (", room.layer());
    assert!(said.starts_with(&expected) && said.ends_with("): try again later"), "{said}");
}

#[test]
fn a_silent_registry_times_out() {
    let room = Room::new();
    room.registry.fault(room.layer(), 9, Then::Hang(0));
    let said = room.fails();
    assert_eq!(
        said,
        format!("the registry stopped sending blob {} (timeout): try again later", room.layer())
    );

    let room = Room::new();
    room.registry.fault("/manifests/", 9, Then::Hang(3));
    assert_eq!(
        room.fails(),
        "the registry did not respond to the request for tag v1: try again later"
    );
}

#[test]
fn a_blob_with_wrong_bytes_is_refused() {
    for (damage, says) in [
        ((|bytes| bytes[200_000] ^= 1) as fn(&mut Vec<u8>), "sha256:"),
        (|bytes| bytes.truncate(1000), "1000 bytes"),
        (|bytes| bytes.push(0), "more"),
        (|bytes| bytes.clear(), "0 bytes"),
    ] {
        let room = Room::new();
        let mut bytes = common::bytes(&room.image.layers()[0]);
        damage(&mut bytes);
        room.registry.fault(room.layer(), 9, Then::Send(bytes));
        let said = room.fails();
        let expected = format!("blob {} is damaged: its descriptor says ", room.layer());
        assert!(
            said.starts_with(&expected) && said.contains(&format!("but it has {says}")),
            "{said}"
        );
    }
}

#[test]
fn a_missing_blob_is_named() {
    let room = Room::new();
    room.registry.remove(room.image.layers()[0].descriptor().digest);
    let expected = format!(
        "the registry does not have blob {}, which the manifest of the image refers to: push the \
         whole image again, or use another one",
        room.layer()
    );
    assert_eq!(room.fails(), expected);
}

#[test]
fn a_missing_image_is_named() {
    let room = Room::new();
    let said = |rest: &str| common::message(client().image(&room.registry.reference(rest), None));
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (rest, what) in [
        (":v2", "tag v2".to_owned()),
        ("", "tag latest".to_owned()),
        (&format!("@{digest}"), format!("manifest {digest}")),
    ] {
        let reference = room.registry.reference(rest);
        let reason = format!(
            "the registry does not have {what} (unknown): correct the name, the tag or the digest"
        );
        assert_eq!(said(rest), format!("{reference}: {reason}"));
    }
}

#[test]
fn a_missing_repository_is_told_from_a_missing_tag() {
    let room = Room::new();
    let reference = room.registry.reference(":v2");
    let said = || common::message(client().image(&reference, None));
    let list = |json: &str| room.registry.serve("/v2/a/b/tags/list", json.as_bytes());
    list(r#"{"name":"a/b","tags":["v1","x\u001b[31m"]}"#);
    assert_eq!(said(), format!("{reference}: the repository has no tag v2: it has v1, x [31m"));
    list(r#"{"tags":["1","2","3","4","5","6","7"]}"#);
    assert!(said().ends_with("it has 1, 2, 3, 4, 5 and 2 more"), "{}", said());
    // A list that is empty or no list says nothing.
    for json in [r#"{"tags":null}"#, "<html>"] {
        list(json);
        assert!(said().contains("does not have tag v2"), "{json}: {}", said());
    }
    let unknown = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#.to_owned();
    room.registry.fault("tags/list", 1, Then::Say(404, Vec::new(), unknown));
    let address = &room.registry.address;
    assert_eq!(said(), format!("{reference}: {address} has no repository a/b: correct the name"));
}

#[test]
fn lists_of_tags_have_pages() {
    let room = Room::new();
    let reference = room.registry.reference("");
    let next = |link: &str, tags: &str| {
        let link = vec![("Link".to_owned(), link.to_owned())];
        Then::Say(200, link, format!(r#"{{"name":"a/b","tags":{tags}}}"#))
    };
    room.registry.serve("/v2/a/b/tags/list", br#"{"tags":["c"]}"#);
    let first = next("</v2/a/b/tags/list?last=b>; rel=\"next\"", r#"["a","b"]"#);
    room.registry.fault("tags/list", 1, first.clone());
    assert_eq!(client().tags(&reference).unwrap(), ["a", "b", "c"]);
    // A page must not lead to itself, or away.
    room.registry.fault("tags/list", 2, first);
    assert_eq!(client().tags(&reference).unwrap(), ["a", "b", "a", "b"]);
    room.registry.fault("tags/list", 1, next("<http://127.0.0.1:1/y>; rel=next", "[]"));
    let said = common::message(client().tags(&reference));
    assert!(said.contains("continues on another host"), "{said}");
}

/// Each page is small enough, and there is always another one.
#[test]
fn a_list_without_end_is_given_up() {
    let room = Room::new();
    let body = format!(r#"{{"name":"a/b","tags":["{}"]}}"#, "a".repeat(15 << 20));
    // The first fault applies whose text is in the request.
    for (page, next) in [("list?last=b", "c"), ("list?last=c", "b"), ("list", "b")] {
        let link = format!("</v2/a/b/tags/list?last={next}>; rel=\"next\"");
        let then = Then::Say(200, vec![("Link".to_owned(), link)], body.clone());
        room.registry.fault(format!("tags/{page}"), 1000, then);
    }
    let said = common::message(client().tags(&room.registry.reference("")));
    let reason = ": its list of tags has more than 10000 pages, or 268435456 bytes";
    assert!(said.ends_with(reason), "{said}");

    let entry = json!({
        "mediaType": MediaType::MANIFEST, "digest": room.image.digest(), "size": 1,
        "annotations": { "a": "a".repeat(15 << 20) },
    });
    let body = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    for (page, next) in [("?n=1", "2"), ("?n=2", "1"), ("", "1")] {
        let path = format!("/v2/a/b/referrers/{}", room.image.digest());
        let link = format!("<{path}?n={next}>; rel=\"next\"");
        let then = Then::Say(200, vec![("Link".to_owned(), link)], body.clone());
        room.registry.fault(format!("{path}{page}"), 1000, then);
    }
    let referrers = client().referrers(&room.registry.reference(""), room.image.digest());
    let said = common::message(referrers);
    let reason = ": its list of referrers has more than 10000 pages, or 33554432 bytes";
    assert!(said.ends_with(reason), "{said}");
}

#[test]
fn lists_of_referrers_have_few_values() {
    let room = Room::new();
    let entry = json!({
        "mediaType": MediaType::MANIFEST, "digest": room.image.digest(), "size": 1,
        "urls": vec![""; 600_000],
    });
    let list = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    room.registry.fault("/referrers/", 9, Then::Say(200, Vec::new(), list));
    let referrers = client().referrers(&room.registry.reference(""), room.image.digest());
    let said = common::message(referrers);
    assert!(said.contains("the list of referrers is invalid: it has more than"), "{said}");
}

/// An index among the referrers may name any number of large manifests, and may be listed as a
/// manifest.
#[test]
fn images_below_referrers_are_not_read_for_signatures() {
    let room = Room::new();
    let below = Digest::of(b"below");
    let entry = json!({ "mediaType": MediaType::MANIFEST, "digest": below, "size": 5 });
    let index = json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX, "manifests": [entry] });
    let index = room.registry.put_manifest("none", index.to_string().as_bytes());
    let listed = |media_type: MediaType| {
        json!({
            "mediaType": media_type, "digest": index, "size": 1,
            "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        })
    };
    let list = |entry: Value| json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        key.path(),
        "-----BEGIN PUBLIC KEY-----\n\
         MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n\
         -----END PUBLIC KEY-----\n",
    )
    .unwrap();
    for (media_type, reads, reason) in [
        (MediaType::INDEX, 0, "it has no signature"),
        (MediaType::MANIFEST, 1, "missing field `config`"),
    ] {
        room.registry.fault("/referrers/", 1, Then::Say(200, Vec::new(), list(listed(media_type))));
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command.arg("verify-signature").arg(format!("docker://{}", room.registry.reference(":v1")));
        let output = command.arg("--key").arg(key.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(reason), "{said}");
        assert_eq!(room.registry.requests(format!("GET /v2/a/b/manifests/{index}")).len(), reads);
        assert_eq!(room.registry.requests(below).len(), 0);
    }
}

#[test]
fn an_unreachable_registry_is_an_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said =
        common::message(client().image(&format!("127.0.0.1:{port}/a").parse().unwrap(), None));
    let reason = "(Connection refused (os error 111)): correct its name, or check the network";
    assert_eq!(said, format!("127.0.0.1:{port}/a: cannot connect to 127.0.0.1:{port} {reason}"));
}

/// A server without TLS may parse the handshake as a request, wait for its rest, and serve no other
/// client meanwhile.
#[test]
fn a_registry_without_tls_that_waits() {
    use std::io::{Read, Write};
    let room = Room::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (listener.local_addr().unwrap(), room.registry.address.clone());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut head) = (client.unwrap(), Vec::new());
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n > 0) {
                head.push(byte[0]);
            }
            let mut server = std::net::TcpStream::connect(&target).unwrap();
            server.write_all(&head).unwrap();
            let _ = std::io::copy(&mut server, &mut client);
        }
    });
    let image = client().image(&format!("{address}/a/b:v1").parse().unwrap(), None).unwrap();
    assert_eq!(image.digest(), room.image.digest());
}

/// A server may close a TLS connection although it uses TLS: one that refuses a certificate does, and
/// its alert can be lost. Its response to plain HTTP tells.
#[test]
fn a_server_that_closes_tls_connections() {
    use std::io::{Read, Write};
    let room = Room::new();
    for (uses_tls, is_found) in [(true, false), (false, true)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, target) = (listener.local_addr().unwrap(), room.registry.address.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut first = [0];
                client.read_exact(&mut first).unwrap();
                // The type of a TLS record with a handshake.
                if first[0] == 22 {
                    continue;
                }
                if uses_tls {
                    let _ = client.write_all(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n");
                    continue;
                }
                let mut server = std::net::TcpStream::connect(&target).unwrap();
                server.write_all(&first).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
                std::thread::spawn(move || drop(std::io::copy(&mut server, &mut client)));
            }
        });
        let image = client().image(&format!("{address}/a/b:v1").parse().unwrap(), None);
        assert_eq!(image.is_ok(), is_found, "{:?}", image.err());
        if let Err(error) = image {
            let said = error.to_string();
            assert!(said.contains("cannot connect") && !said.contains("http"), "{said}");
        }
    }
}

/// An address of this machine that is never queried without TLS.
#[test]
fn plain_http_requires_an_option() {
    let room = Room::new();
    let port = room.registry.address.split(':').nth(1).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    let port: u16 = port.parse().unwrap();
    // Connections to it go to the registry.
    std::thread::spawn(move || {
        for from in listener.incoming() {
            let (mut from, mut to) =
                (from.unwrap(), std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
            let (mut from_too, mut to_too) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
            std::thread::spawn(move || {
                drop(std::io::copy(&mut to_too, &mut from_too));
                drop(from_too.shutdown(std::net::Shutdown::Both));
            });
        }
    });
    let reference = format!("{address}/a/b:v1").parse().unwrap();
    let said = common::message(client().image(&reference, None));
    assert!(said.contains("does not use TLS"), "{said}");
    let image = client().plain_http(true).image(&reference, None).unwrap();
    assert_eq!(image.digest(), room.image.digest());
}

#[test]
fn other_servers_are_reported_as_not_a_registry() {
    for (status, body, reason) in [
        (200, "<html>", "is invalid: it is not JSON"),
        (
            418,
            "tea",
            "the registry returned status 418 (tea) for tag v1: check that this is a container \
             registry",
        ),
        (204, "", "the response to the request for tag v1 is invalid (status 204)"),
    ] {
        let room = Room::new();
        room.registry.fault("/manifests/", 9, Then::Say(status, Vec::new(), body.to_owned()));
        let said = room.fails();
        assert!(said.contains(reason), "{status}: {said}");
    }
}

/// Registries often store blobs on another host.
#[test]
fn redirects_are_followed() {
    let (room, elsewhere) = (Room::new(), Registry::start());
    elsewhere.serve("/elsewhere", &common::bytes(&room.image.layers()[0]));
    let location =
        ("Location".to_owned(), format!("http://{}/elsewhere?signature=secret", elsewhere.address));
    room.registry.fault(room.layer(), 9, Then::Say(307, vec![location], String::new()));
    room.pulls();
    assert_eq!(elsewhere.requests("/elsewhere").len(), 1);

    let room = Room::new();
    let location =
        ("Location".to_owned(), "http://127.0.0.1:1/elsewhere?signature=secret".to_owned());
    room.registry.fault(room.layer(), 9, Then::Say(307, vec![location], String::new()));
    let said = room.fails();
    assert!(
        said.contains("cannot connect to ")
            && said.contains(" (Connection refused")
            && !said.contains("secret"),
        "{said}"
    );
}

/// Text of a registry, in refusals and in documents, does not act on a terminal.
#[test]
fn text_of_a_registry_is_safe_to_print() {
    let evil = "a\x1b[2J\r\nb\u{9b}\u{202e}\u{2066}\u{2028}\u{200b}\u{e0041}";
    let refusal =
        serde_json::json!({ "errors": [{ "code": "DENIED", "message": evil }] }).to_string();
    let manifest =
        serde_json::json!({ "schemaVersion": 2, "mediaType": evil, "config": evil }).to_string();
    for (status, body) in
        [(403, refusal), (500, evil.to_owned()), (200, manifest), (200, evil.to_owned())]
    {
        let room = Room::new();
        room.registry.fault("/manifests/", 9, Then::Say(status, Vec::new(), body));
        let said = room.fails();
        let harmful = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}' | '\u{2028}' | '\u{202e}' | '\u{2066}' | '\u{e0041}')
        };
        assert!(!said.contains(harmful), "{status}: {said:?}");
    }
}
