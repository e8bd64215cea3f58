//! Clients that occupy connections without using them, beside a well-behaved one.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use oci_layout::registry::Limits;
use tempfile::TempDir;

use crate::common;
use crate::registry::serve::{
    Served,
    client::{get, open, read_head},
    image, wait_until,
};

/// A repository with a blob that is larger than the system's buffers for a client that reads
/// nothing.
fn fixture(limits: Limits) -> (TempDir, Served, String) {
    let dir = TempDir::new().unwrap();
    let image = image(common::text(20 << 20, 1), "linux/amd64");
    let blob = format!("/v2/a/blobs/{}", image.layers()[0].descriptor().digest);
    let layout = crate::registry::serve::layout(dir.path(), image);
    let served = Served::with([("a", layout)], |endpoint| endpoint.limits(limits));
    (dir, served, blob)
}

fn limits(connections: usize, client_connections: usize) -> Limits {
    let (window, idle) = (Duration::from_millis(300), Duration::from_millis(200));
    let mut limits = Limits::default();
    (limits.connections, limits.client_connections) = (connections, client_connections);
    (limits.window, limits.idle) = (window, idle);
    limits
}

/// Whether the other side has closed the connection.
fn is_over(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = vec![0; 1 << 20];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// More connections than places, all from one address.
#[test]
fn stalled_readers_do_not_lock_others_out() {
    let (_dir, served, blob) = fixture(limits(8, 8));
    let stalled: Vec<TcpStream> =
        (0..8).map(|_| open(&served.address, "GET", &blob, &[])).collect();
    wait_until("all responses have started", || served.events(&blob).len() == 8);
    // None of the others reads, so one of them is closed.
    assert_eq!(get(&served.address, "/v2/a/manifests/latest", &[]).status, 200);
    assert!(get(&served.address, &blob, &[]).is_whole());
    drop(stalled);
}

/// One byte of a request from time to time.
#[test]
fn slow_requests_do_not_lock_others_out() {
    let (_dir, served, _) = fixture(limits(8, 6));
    let mut slow: Vec<TcpStream> =
        (0..30).map(|_| TcpStream::connect(&served.address).unwrap()).collect();
    let dripping = thread::spawn(move || {
        for byte in b"GET /v2/ HTTP/1.1\r\nX: yyyyyyyy" {
            for stream in &mut slow {
                let _ = stream.write_all(&[*byte]);
            }
            thread::sleep(Duration::from_millis(20));
        }
        slow
    });
    wait_until("a normal client is answered", || {
        let answer =
            std::panic::catch_unwind(|| get(&served.address, "/v2/a/manifests/latest", &[]).status);
        answer.is_ok_and(|status| status == 200)
    });
    drop(dripping.join());
}

/// The client gets status 429, and can try again.
#[test]
fn a_client_with_too_many_connections() {
    let mut patient = limits(8, 3);
    (patient.idle, patient.window) = (Duration::from_secs(600), Duration::from_secs(600));
    let (_dir, served, blob) = fixture(patient);
    let busy: Vec<TcpStream> = (0..3).map(|_| open(&served.address, "GET", &blob, &[])).collect();
    wait_until("all responses have started", || served.events(&blob).len() == 3);
    let answer = get(&served.address, "/v2/", &[]);
    assert_eq!(
        (answer.status, &*answer.code(), answer.header("retry-after")),
        (429, "TOOMANYREQUESTS", "1")
    );
    assert!(answer.is_whole());
    drop(busy);
    wait_until("there is a free place again", || get(&served.address, "/v2/", &[]).status == 200);
}

/// While there are free places, no connection is closed.
#[test]
fn a_slow_reader_stays_while_there_is_room() {
    let (_dir, served, blob) = fixture(limits(3, 3));
    let slow = open(&served.address, "GET", &blob, &[]);
    let mut idle = TcpStream::connect(&served.address).unwrap();
    wait_until("it is answered", || served.events(&blob).len() == 1);
    thread::sleep(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(get(&served.address, "/v2/", &[]).status, 200);
    }
    idle.write_all(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(read_head(&mut BufReader::new(&mut idle)).0, 200);
    assert!(!is_over(&mut idle));
    slow.set_nonblocking(false).unwrap();
    let answer = crate::registry::serve::client::read(slow, false);
    assert!(answer.is_whole());
}
