//! A registry in a thread of the test, which behaves as it is told, also in ways in which no
//! registry should.

mod uploads;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

pub use self::uploads::Uploads;
use oci_layout::{Blob, Digest, Image, registry::Reference};
use serde_json::{Value, json};

/// A request: the path with its query, and the headers in lower case.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// The part of the body that was read.
    pub body: Vec<u8>,
}

impl Request {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Responses to requests whose method and path, separated by a space, contain this text, in place
/// of the usual ones.
pub struct Fault {
    pub path: String,
    /// The number of requests to which it applies.
    pub times: usize,
    pub then: Then,
}

#[derive(Clone)]
pub enum Then {
    /// A status, headers and a body.
    Say(u16, Vec<(String, String)>, String),
    /// The right headers, and these bytes in place of the right ones, with their own length.
    Send(Vec<u8>),
    /// This many of the right bytes, or of the request's bytes, and then the end of the connection.
    Break(usize),
    /// This many of the right bytes, or of the request's bytes, and then silence.
    Hang(usize),
    /// The right bytes, or the right response, of which those after this many are sent at one byte
    /// in 20 ms.
    Drip(usize),
    /// The same, starting with the first byte of the head.
    DripHead,
    /// Silence for this time, and then the right response.
    Work(Duration),
}

#[derive(Default)]
struct State {
    /// By path.
    contents: BTreeMap<String, Vec<u8>>,
    faults: Vec<Fault>,
    requests: Vec<Request>,
    uploads: Uploads,
    /// A client closed the connection early.
    cut_off: bool,
    /// The required value of the header Authorization. Without it, the response is 401 with this
    /// WWW-Authenticate.
    lock: Option<(String, String)>,
    /// Whether a range of a blob may be requested.
    has_ranges: bool,
    /// Whether responses have a media type and no digest in their headers.
    hides_digests: bool,
}

pub struct Registry {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { has_ranges: true, ..State::default() }));
        state.lock().unwrap().contents.insert("/v2/".to_owned(), b"{}".to_vec());
        let registry = Self { address, state: Arc::clone(&state) };
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (connection, state) = (connection.unwrap(), Arc::clone(&state));
                // A client that closes its connection is not an error of the registry.
                thread::spawn(move || drop(answer(connection, &state)));
            }
        });
        registry
    }

    /// A registry that has this image, as `a/b:v1`.
    pub fn with(image: &Image) -> Self {
        let registry = Self::start();
        for blob in image.blobs() {
            let mut bytes = Vec::new();
            blob.open().unwrap().read_to_end(&mut bytes).unwrap();
            registry.put_blob(&bytes);
            if blob.descriptor().media_type.is_manifest() || blob.descriptor().media_type.is_index()
            {
                registry.put_manifest("v1", &bytes);
            }
        }
        registry
    }

    pub fn put_blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.state().contents.insert(format!("/v2/a/b/blobs/{digest}"), bytes.to_vec());
        digest
    }

    pub fn put_manifest(&self, tag: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        for name in [tag, &digest.to_string()] {
            self.state().contents.insert(format!("/v2/a/b/manifests/{name}"), bytes.to_vec());
        }
        digest
    }

    pub fn remove(&self, digest: Digest) {
        self.state().contents.retain(|path, _| !path.ends_with(&digest.to_string()));
    }

    /// Removes the contents of all paths that contain this text.
    pub fn forget(&self, path: &str) {
        self.state().contents.retain(|at, _| !at.contains(path));
    }

    pub fn serve(&self, path: &str, bytes: &[u8]) {
        self.state().contents.insert(path.to_owned(), bytes.to_vec());
    }

    /// Refuses requests without this value of the header Authorization.
    pub fn lock(&self, key: &str, challenge: &str) {
        self.state().lock = Some((key.to_owned(), challenge.to_owned()));
    }

    pub fn refuse_ranges(&self) {
        self.state().has_ranges = false;
    }

    pub fn hide_digests(&self) {
        let mut state = self.state();
        (state.hides_digests, state.uploads.says_no_digest) = (true, true);
    }

    pub fn fault(&self, path: impl ToString, times: usize, then: Then) {
        self.state().faults.push(Fault { path: path.to_string(), times, then });
    }

    /// A status with an error body of the distribution specification.
    pub fn say(&self, path: impl ToString, times: usize, status: u16, code: &str) {
        let body = json!({ "errors": [{ "code": code, "message": "so \x1b[1mit is" }] });
        self.fault(path, times, Then::Say(status, Vec::new(), body.to_string()));
    }

    pub fn reference(&self, rest: &str) -> Reference {
        format!("{}/a/b{rest}", self.address).parse().unwrap()
    }

    /// The requests whose method and path contain this text.
    pub fn requests(&self, path: impl ToString) -> Vec<Request> {
        let path = path.to_string();
        self.state()
            .requests
            .iter()
            .filter(|request| request.line().contains(&path))
            .cloned()
            .collect()
    }

    /// All requests so far, each in two words: the method, and the kind of thing that it requested.
    pub fn asked(&self) -> Vec<String> {
        let kind = |path: &str| {
            ["manifests", "uploads", "blobs"].into_iter().find(|kind| path.contains(kind))
        };
        let words = |Request { method, path, .. }: &Request| {
            format!("{method} {}", kind(path).unwrap_or("other"))
        };
        self.state().requests.iter().map(words).collect()
    }

    /// Whether a client closes the connection before a response is complete, now or soon.
    pub fn has_been_cut_off(&self) -> bool {
        (0..50).any(|_| {
            thread::sleep(Duration::from_millis(20));
            self.state().cut_off
        })
    }

    /// The contents of a path.
    pub fn content(&self, path: impl AsRef<str>) -> Option<Vec<u8>> {
        self.state().contents.get(path.as_ref()).cloned()
    }

    /// Changes how it accepts uploads.
    pub fn uploads(&self, change: impl FnOnce(&mut Uploads)) {
        change(&mut self.state().uploads);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn answer(mut connection: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() {
        // This was TLS.
        return connection
            .write_all(b"HTTP/1.1 400 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // As a proxy, it serves this path of any host.
    let path = match path.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
        Some((_, path)) => format!("/{path}"),
        None => path,
    };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let request = Request { method, path, headers, body: Vec::new() };
    let mut guard = state.lock().unwrap();
    let number = guard.requests.len();
    guard.requests.push(request.clone());
    let line = request.line();
    let fault =
        guard.faults.iter_mut().find(|fault| fault.times > 0 && line.contains(&fault.path)).map(
            |fault| {
                fault.times -= 1;
                fault.then.clone()
            },
        );
    let Request { method, path, headers, .. } = request;
    let is_let_in =
        guard.lock.as_ref().is_none_or(|(key, _)| headers.get("authorization") == Some(key));
    let challenge = guard.lock.as_ref().map(|(_, challenge)| challenge.clone());
    let contents = guard.contents.get(path.split('?').next().unwrap_or_default()).cloned();
    let (has_ranges, hides_digests) = (guard.has_ranges, guard.hides_digests);
    drop(guard);

    if let Some(Then::Work(time)) = fault {
        thread::sleep(time);
    }
    if let Some(Then::DripHead) = fault {
        return drip(&mut connection, &[&b"HTTP/1.1 200 OK\r\nX-A: "[..], &[b'a'; 1000]].concat());
    }
    let mut head = |status: u16, more: &[(String, String)], length: usize| {
        let more: String =
            more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        connection.write_all(
            format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n"
            )
            .as_bytes(),
        )
    };
    let has_body = method != "HEAD";
    if !is_let_in && path.starts_with("/v2/") {
        let challenge = ("WWW-Authenticate".to_owned(), challenge.unwrap_or_default());
        return head(401, &[challenge], 0);
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if let Some(Then::Say(status, headers, body)) = &fault {
        // A success is sent after the whole body has arrived, a refusal before.
        let mut taken = if *status < 300 { vec![0; length] } else { Vec::new() };
        reader.read_exact(&mut taken)?;
        state.lock().unwrap().requests[number].body = taken;
        head(*status, headers, body.len())?;
        if has_body {
            connection.write_all(body.as_bytes())?;
        }
        // A client that is still sending might otherwise see the end of the connection instead of
        // the response.
        connection.shutdown(Shutdown::Write)?;
        return std::io::copy(&mut reader, &mut std::io::sink()).map(drop);
    }
    if ["POST", "PATCH", "PUT"].contains(&&*method) || path.contains("/blobs/uploads/") {
        let taken = match fault {
            Some(Then::Break(after) | Then::Hang(after)) => after.min(length),
            _ => length,
        };
        let mut body = vec![0; taken];
        reader.read_exact(&mut body)?;
        let mut guard = state.lock().unwrap();
        guard.requests[number].body.clone_from(&body);
        let State { uploads, contents, .. } = &mut *guard;
        let answer = uploads.take(contents, &method, &path, &headers, body, taken == length);
        drop(guard);
        match fault {
            Some(Then::Break(_)) => return Ok(()),
            Some(Then::Hang(_)) => thread::sleep(Duration::from_secs(5)),
            _ => {}
        }
        let (status, headers, body) = answer;
        head(status, &headers, body.len())?;
        if let Some(Then::Drip(after)) = fault {
            connection.write_all(&body.as_bytes()[..after])?;
            return drip(&mut connection, &body.as_bytes()[after..]);
        }
        return connection.write_all(body.as_bytes());
    }
    let Some(mut bytes) = contents else {
        let code = if path.contains("/blobs/") { "BLOB_UNKNOWN" } else { "MANIFEST_UNKNOWN" };
        let body = json!({ "errors": [{ "code": code, "message": "unknown" }] }).to_string();
        head(404, &[], body.len())?;
        return if has_body { connection.write_all(body.as_bytes()) } else { Ok(()) };
    };
    let digest = match hides_digests {
        true => vec![(
            "Content-Type".to_owned(),
            "application/vnd.oci.image.manifest.v1+json".to_owned(),
        )],
        false => vec![("Docker-Content-Digest".to_owned(), Digest::of(&bytes).to_string())],
    };
    if !has_body {
        return head(200, &digest, bytes.len());
    }
    let range = |range: &String| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok();
    let from: Option<usize> = headers.get("range").and_then(range);
    let status = match from.filter(|_| has_ranges) {
        Some(from) => {
            bytes.drain(..from);
            206
        }
        None => 200,
    };
    if let Some(Then::Send(other)) = fault {
        head(status, &[], other.len())?;
        let written = connection.write_all(&other);
        state.lock().unwrap().cut_off |= written.is_err();
        return written;
    }
    head(status, &[], bytes.len())?;
    match fault {
        Some(Then::Break(after)) => connection.write_all(&bytes[..after]),
        Some(Then::Hang(after)) => {
            connection.write_all(&bytes[..after])?;
            thread::sleep(Duration::from_secs(5));
            Ok(())
        }
        Some(Then::Drip(after)) => {
            connection.write_all(&bytes[..after])?;
            drip(&mut connection, &bytes[after..])
        }
        _ => connection.write_all(&bytes),
    }
}

fn drip(connection: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    bytes.chunks(1).try_for_each(|byte| {
        thread::sleep(Duration::from_millis(20));
        connection.write_all(byte)
    })
}

/// An index of these manifests, each with its platform.
pub fn index(entries: &[(&[u8], Value)]) -> Vec<u8> {
    let entry = |(bytes, platform): &(&[u8], Value)| {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let mut entry =
            json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() });
        if !platform.is_null() {
            entry["platform"] = platform.clone();
        }
        entry
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries })
        .to_string()
        .into_bytes()
}
