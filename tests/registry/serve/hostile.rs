//! Hostile clients: each gets an error or the end of its connection, and no other client is
//! affected.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use oci_layout::Digest;
use tempfile::TempDir;

use crate::registry::serve::{
    Served,
    client::{ask, read},
    image,
};

/// A repository whose layout contains, and has next to it, files that must not be served.
fn fixture() -> (TempDir, Served, Vec<u8>) {
    let dir = TempDir::new().unwrap();
    let image = image("text", "linux/amd64");
    let layout = crate::registry::serve::layout(&dir.path().join("layout"), image.clone());
    fs::write(dir.path().join("secret"), "a secret").unwrap();
    // Its digest is right, but no image refers to it.
    let hex = Digest::of("a secret").hex();
    fs::write(dir.path().join("layout/blobs/sha256").join(hex), "a secret").unwrap();
    let served = Served::new([("a", layout)]);
    (dir, served, image.bytes().to_vec())
}

#[test]
fn no_path_leaves_the_layout() {
    let (_dir, served, _) = fixture();
    let secret = Digest::of("a secret");
    for target in [
        "/v2/a/blobs/sha256:../../../secret",
        "/v2/a/blobs/sha256:%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret",
        "/v2/a/blobs/../../../secret",
        "/v2/../secret",
        "/v2/a/../../secret/tags/list",
        "/v2/a/manifests/..%2f..%2fsecret",
        "/v2/a/manifests/../../index.json",
        "/v2/%2e%2e/secret/manifests/latest",
        "/v2/a%00/manifests/latest",
        "/v2/a/manifests/latest%00",
        "/v2/a/manifests/%ff",
        "/../../etc/passwd",
        "//v2/a/manifests/latest",
        "/v2/a//manifests/latest",
        "/v2/a/manifests/",
        "/v2/a/blobs/",
        &format!("/v2/a/blobs/{secret}"),
        &format!("/v2/a/manifests/{secret}"),
        &format!("/v2/a/blobs/sha256:{}", secret.hex().to_uppercase()),
    ] {
        let answer = served.get(target);
        assert!([400, 404].contains(&answer.status), "{target}: {answer:?}");
        answer.code();
    }
}

#[test]
fn malformed_requests_are_refused() {
    let (_dir, served, manifest) = fixture();
    let long = format!("GET /v2/{}/tags/list HTTP/1.1\r\nHost: a\r\n\r\n", "a/".repeat(20_000));
    let header = format!("GET /v2/ HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET /v2/ HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(2_000));
    let garbage: Vec<u8> = (0..4096).map(|n| (n * 7 + n / 3) as u8).collect();
    for bytes in [
        long.as_bytes(),
        header.as_bytes(),
        many.as_bytes(),
        &garbage,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nTransfer-Encoding: x\r\nHost",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        // The server may close the connection before everything is sent.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    assert_eq!(served.get("/v2/a/manifests/latest").body, manifest);
}

/// A name that is long, but within the limit of a request's head.
#[test]
fn long_names() {
    let (_dir, served, _) = fixture();
    let long = "a".repeat(10_000);
    assert_eq!(served.get(format!("/v2/{long}/tags/list")).code(), "NAME_INVALID");
    assert_eq!(served.get(format!("/v2/a/manifests/{long}")).code(), "MANIFEST_UNKNOWN");
    assert_eq!(served.get(format!("/v2/a/blobs/sha256:{long}")).code(), "DIGEST_INVALID");
    assert_eq!(served.get(format!("/v2/a/tags/list?last={long}")).status, 200);
}

/// The body of a request is neither waited for nor read.
#[test]
fn bodies_are_not_read() {
    let (_dir, served, manifest) = fixture();
    let length = [("Content-Length", "1000000000000")];
    let answer = ask(&served.address, "PUT", "/v2/a/manifests/latest", &length);
    assert_eq!((answer.status, &*answer.code()), (405, "UNSUPPORTED"));
    let answer = ask(&served.address, "GET", "/v2/a/manifests/latest", &length);
    assert_eq!((answer.status, answer.body), (200, manifest));
    let expect = [("Content-Length", "10"), ("Expect", "100-continue")];
    assert_eq!(ask(&served.address, "POST", "/v2/a/blobs/uploads/", &expect).status, 405);
}

/// Clients that start a request and then send nothing, and one normal client.
#[test]
fn silent_clients_do_not_block_others() {
    let (_dir, served, manifest) = fixture();
    let silent: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(&served.address).unwrap();
            stream.write_all(&b"GET /v2/a/manifests/latest HTTP/1.1\r\nHo"[..n % 40]).unwrap();
            stream
        })
        .collect();
    assert_eq!(served.get("/v2/a/manifests/latest").body, manifest);
    drop(silent);
}

/// Several requests at once on one connection are answered one after the other.
#[test]
fn several_requests_at_once_are_answered_in_order() {
    let (_dir, served, manifest) = fixture();
    let mut stream = TcpStream::connect(&served.address).unwrap();
    let request = "GET /v2/a/manifests/latest HTTP/1.1\r\nHost: localhost\r\n";
    stream
        .write_all(
            format!("{request}\r\n{request}\r\n{request}Connection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
    let first = read(stream, false);
    let all = String::from_utf8(first.body).unwrap();
    assert_eq!(all.matches(std::str::from_utf8(&manifest).unwrap()).count(), 3);
}
