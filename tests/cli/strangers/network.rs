//! The same over HTTP: what `serve` and `push` send, and what `pull` repairs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use super::*;

/// `serve` of a layout as `x`. It ends when this value is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Returns its standard error if it does not start.
    fn start(room: &Room, layout: &str, options: &[&str]) -> Result<Self, String> {
        let name = format!("x={layout}");
        let arguments = [&["serve", &name][..], options].concat();
        let mut command = room.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.trim_end().strip_prefix("http://") {
            Some(address) => Ok(Self { child, address: address.to_owned() }),
            None => {
                let mut err = String::new();
                child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
                assert_eq!(child.wait().unwrap().code(), Some(1));
                Err(err)
            }
        }
    }

    fn get(&self, digest: Digest, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET /v2/x/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nConnection: \
             close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const RANGES: [&str; 4] =
    ["", "Range: bytes=0-99999\r\n", "Range: bytes=-5\r\n", "Range: bytes=0-9,100-109\r\n"];

#[test]
fn serve_discloses_no_file() {
    let room = Room::new();
    for (name, layout) in attempts(&room) {
        let digests = [made_up(), Digest::of(fs::read(room.path("secret-2")).unwrap())];
        match Served::start(&room, layout.to_str().unwrap(), &[]) {
            Err(err) => {
                assert!(name.contains("recipe"), "{name}: {err}");
                assert!(REFUSAL.iter().all(|part| err.contains(part)), "{name}: {err}");
            }
            Ok(served) => {
                assert!(!name.contains("recipe"), "{name}");
                for digest in digests {
                    for range in RANGES {
                        let answer = served.get(digest, range);
                        assert!(
                            answer.starts_with("HTTP/1.1 500")
                                || answer.starts_with("HTTP/1.1 404"),
                            "{answer}"
                        );
                        assert!(
                            !answer.contains(LINE) && !answer.contains("secret-"),
                            "{name}, {range}: {answer}"
                        );
                    }
                }
            }
        }
    }
}

/// Permission to read a folder allows no more than that: no byte of a blob with a wrong digest is
/// sent, at any range.
#[test]
fn serve_of_a_recipe_in_a_root_sends_nothing_with_another_digest() {
    let room = Room::new();
    let (file, bytes) = secret(&room, 60_000);
    let stranger = layout(&room, "stranger", made_up(), bytes.len() as u64);
    recipe(&stranger, made_up(), bytes.len() as u64, &file, 0);
    let served = Served::start(&room, "stranger", &["--recipe-root", "."]).unwrap();
    for range in RANGES {
        let answer = served.get(made_up(), range);
        assert!(answer.starts_with("HTTP/1.1 500") && !answer.contains(LINE), "{range}: {answer}");
    }
    let known = layout(&room, "known", Digest::of(&bytes), bytes.len() as u64);
    recipe(&known, Digest::of(&bytes), bytes.len() as u64, &file, 0);
    let served = Served::start(&room, "known", &["--recipe-root", "."]).unwrap();
    let answer = served.get(Digest::of(&bytes), "");
    assert!(
        answer.starts_with("HTTP/1.1 200")
            && answer.ends_with(std::str::from_utf8(&bytes).unwrap())
    );
}

/// A registry that has nothing, accepts everything, and records every byte that it receives.
fn taker() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let got = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&got);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, all) = (stream.unwrap(), Arc::clone(&all));
            thread::spawn(move || {
                let mut buffer = [0; 65536];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    all.lock().unwrap().extend_from_slice(&buffer[..n]);
                    let head = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    let answer = match head.split(' ').next() {
                        Some("GET") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                        Some("HEAD") => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                        Some("POST") => {
                            "HTTP/1.1 202 Accepted\r\nLocation: \
                             /v2/x/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n"
                        }
                        Some("PUT") => "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
                        _ => continue,
                    };
                    if stream.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, got)
}

#[test]
fn push_discloses_no_file() {
    let room = Room::new();
    for (name, layout) in attempts(&room) {
        let (address, got) = taker();
        let run =
            room.run(["push", layout.to_str().unwrap(), &format!("{address}/x:1"), "--plain-http"]);
        assert_eq!(run.code, Some(1), "{name}: {}", run.err);
        let got = String::from_utf8_lossy(&got.lock().unwrap()).into_owned();
        assert!(!got.contains(LINE), "{name}: push gave the file away");
        if name.contains("recipe") {
            assert!(REFUSAL.iter().all(|part| run.err.contains(part)), "{name}: {}", run.err);
        } else {
            assert!(run.err.contains("symbolic link"), "{name}: {}", run.err);
        }
    }
    // A check of the recording registry: it receives a valid blob.
    room.ok("build -f app:/bin/app --compression none --tag t -o image");
    let (address, got) = taker();
    let _ = room.run(["push", "image", &format!("{address}/x:1"), "--plain-http"]);
    assert!(String::from_utf8_lossy(&got.lock().unwrap()).contains("echo app"));
}

/// As after a power loss: the right size, and wrong bytes.
#[test]
fn a_pull_repairs_damaged_blobs() {
    let room = Room::new();
    room.ok("build -f app:/bin/app --tag t -o image");
    let served = Served::start(&room, "image", &[]).unwrap();
    let reference = format!("{}/x:t", served.address);
    let pull = || {
        let run = room.run(["pull", &reference, "-o", "pulled", "--plain-http"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
    };
    pull();
    for blob in fs::read_dir(room.path("pulled/blobs/sha256")).unwrap() {
        super::damage(&blob.unwrap().path());
        assert_ne!(room.run(["verify", "pulled"]).code, Some(0));
        pull();
        assert_eq!(room.ok("verify pulled"), "");
    }
}
