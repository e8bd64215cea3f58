//! The host of a request, as in RFC 9112, section 3.2, and whether it is this endpoint.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::registry::serve::{Served, image};

/// The status and the text of the response to this request. Only the end of the head is added.
pub(super) fn ask(address: &str, head: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    (said.split(' ').nth(1).unwrap().parse().unwrap(), said)
}

fn served(names: &[&str]) -> Served {
    let image = image("text", "linux/amd64");
    Served::with([("a", vec![image.tagged("latest")])], |endpoint| endpoint.hosts(names).unwrap())
}

#[test]
fn a_request_has_one_host() {
    let served = served(&[]);
    for (head, expected) in [
        ("GET /v2/ HTTP/1.1\r\nHost: localhost", 200),
        ("GET /v2/ HTTP/1.1\r\nhost:localhost", 200),
        ("GET /v2/ HTTP/1.1", 400),
        ("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        ("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX: y\r\nhost: 127.0.0.1", 400),
        ("GET /v2/ HTTP/1.1\r\nHost:", 400),
        ("GET /v2/ HTTP/1.1\r\nHost: a b", 400),
        ("GET /v2/ HTTP/1.0", 200),
        ("GET /v2/ HTTP/1.0\r\nHost: localhost\r\nHost: localhost", 400),
        // Other methods than GET are refused for their host first.
        ("PUT /v2/a/manifests/x HTTP/1.1", 400),
        ("PUT /v2/a/manifests/x HTTP/1.1\r\nHost: localhost", 405),
    ] {
        assert_eq!(ask(&served.address, head).0, expected, "{head}");
    }
}

/// A hostile web page resolves its own name to this machine, and the browser sends that name.
#[test]
fn unknown_hosts_are_refused() {
    let served = served(&["registry.example", "Host.Containers.Internal"]);
    let port = served.address.rsplit_once(':').unwrap().1;
    let own = format!("localhost:{port}");
    for host in [
        &*served.address,
        &own,
        "[::1]",
        "a.localhost",
        "registry.example:443",
        "host.containers.internal",
    ] {
        for path in ["/v2/", "/v2/a/manifests/latest"] {
            assert_eq!(
                ask(&served.address, &format!("GET {path} HTTP/1.1\r\nHost: {host}")).0,
                200,
                "{host}"
            );
        }
    }
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1.evil.example",
        "a.registry.example",
        "x",
    ] {
        for path in ["/v2/", "/v2/a/manifests/latest", "/v2/_catalog", "/nothing"] {
            let (status, said) =
                ask(&served.address, &format!("GET {path} HTTP/1.1\r\nHost: {host}"));
            assert_eq!(status, 421, "{host}");
            let name = host.split(':').next().unwrap();
            assert!(
                said.contains(&format!("--host {name}")) && said.contains("\"DENIED\""),
                "{said}"
            );
        }
    }
}

/// Section 3.2.2: the host in an absolute-form target takes precedence.
#[test]
fn targets_in_absolute_form() {
    let served = served(&[]);
    for (target, host, expected) in [
        ("http://localhost/v2/a/manifests/latest", "localhost", 200),
        ("http://127.0.0.1/v2/a/manifests/latest", "evil.example", 200),
        ("http://evil.example/v2/a/manifests/latest", "localhost", 421),
        ("http://localhost@evil.example/v2/a/manifests/latest", "localhost", 400),
    ] {
        assert_eq!(
            ask(&served.address, &format!("GET {target} HTTP/1.1\r\nHost: {host}")).0,
            expected,
            "{target}"
        );
    }
}
