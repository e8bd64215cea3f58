//! The program uses a proxy for the same hosts as crane.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::tool::tool;

/// A proxy that passes nothing on, and records the requested hosts.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let remember = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut first = String::new();
                BufReader::new(&client).read_line(&mut first).unwrap();
                remember.lock().unwrap().push(first);
                // A client may close the connection.
                let _ = client
                    .write_all(b"HTTP/1.1 403 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            }
        });
        Self { address, asked }
    }

    /// Whether the command sends a request to this proxy.
    fn is_asked_by(&self, command: &mut Command, variables: &[(&str, &str)]) -> bool {
        self.asked.lock().unwrap().clear();
        command.env("HOME", "/nonexistent").stdin(Stdio::null());
        for (name, value) in variables {
            command.env(name, value.replace("PROXY", &self.address));
        }
        command.output().unwrap();
        !self.asked.lock().unwrap().is_empty()
    }
}

#[test]
fn proxy_variables_are_read_as_by_crane() {
    let proxy = Proxy::start();
    let every = |no_proxy| vec![("HTTPS_PROXY", "http://PROXY"), ("NO_PROXY", no_proxy)];
    // The last element is the behaviour of curl, if Go's differs.
    for (variables, host, by_curl) in [
        (vec![("HTTPS_PROXY", "http://PROXY")], "a.invalid", None),
        (vec![("https_proxy", "http://PROXY")], "a.invalid", None),
        (vec![("HTTPS_PROXY", ""), ("https_proxy", "PROXY")], "a.invalid", None),
        (vec![("HTTPS_PROXY", "PROXY"), ("https_proxy", "http://127.0.0.1:1")], "a.invalid", None),
        (vec![("HTTPS_PROXY", "http://PROXY"), ("no_proxy", "a.invalid")], "a.invalid", None),
        (
            vec![("HTTPS_PROXY", "http://PROXY"), ("NO_PROXY", ""), ("no_proxy", "a.invalid")],
            "a.invalid",
            None,
        ),
        (vec![("HTTPS_PROXY", "http://me:secret@PROXY")], "a.invalid", None),
        (vec![("ALL_PROXY", "http://PROXY")], "a.invalid", Some(true)),
        (vec![("HTTPS_PROXY", "http://PROXY")], "127.0.0.1:1", None),
        (vec![("HTTPS_PROXY", "http://PROXY")], "127.0.0.2:1", None),
        (vec![("HTTPS_PROXY", "http://PROXY")], "localhost:1", None),
        (every("a.invalid"), "x.a.invalid", None),
        (every("a.invalid"), "xa.invalid", None),
        (every("A.Invalid"), "a.invalid", None),
        (every(".a.invalid"), "x.a.invalid", None),
        (every(".a.invalid"), "a.invalid", Some(false)),
        (every("*.a.invalid"), "x.a.invalid", None),
        (every("*.a.invalid"), "a.invalid", None),
        (every("x.y, a.invalid"), "a.invalid", None),
        (every("x.y a.invalid"), "a.invalid", Some(false)),
        (every("*"), "a.invalid", None),
        (every("a.invalid:5000"), "a.invalid:5000", None),
        (every("a.invalid:5000"), "a.invalid:5001", None),
        (every("a.invalid:443"), "a.invalid", None),
        (every("127.0.0.0/8"), "a.invalid", None),
        // Documentation addresses, which are not routed.
        (every("192.0.2.0/24"), "198.51.100.1:1", None),
        (every("192.0.2.1"), "198.51.100.1:1", None),
        (every("192.0.2.1"), "192.0.2.11:1", None),
        (every("192.0.2.1:2"), "192.0.2.1:1", None),
    ] {
        let reference = format!("{host}/a/b:v1");
        let by_crane = proxy.is_asked_by(tool("crane").args(["manifest", &reference]), &variables);
        let mut ours = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        ours.env_clear().args(["pull", "--manifest", &reference]);
        let by_us = proxy.is_asked_by(&mut ours, &variables);
        assert_eq!(by_us, by_curl.unwrap_or(by_crane), "{variables:?}: {host}");
        assert!(
            by_curl.is_none_or(|by_curl| by_curl != by_crane),
            "{variables:?}: {host}: Go does the same"
        );
    }
}
