//! The program: its output, and when it exits.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::registry::serve::{
    client::{ask, get},
    image, layout,
};

pub struct Program {
    pub child: Child,
    pub address: String,
    pub stderr: BufReader<ChildStderr>,
}

impl Program {
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command.arg("serve").args(args).current_dir(dir).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let address = line.trim_end().strip_prefix("http://").unwrap().to_owned();
        Self { child, address, stderr }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit status, and its standard error.
    pub fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }
}

pub(crate) fn fail(dir: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_oci-layout"))
        .arg("serve")
        .args(args)
        .current_dir(dir)
        .output();
    let output = output.unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn it_prints_the_images_and_exits_on_a_signal() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("My App"), image("one", "linux/amd64"));
    layout(&dir.path().join("b=c"), image("two", "linux/amd64"));
    for signal in [Signal::INT, Signal::TERM] {
        let program = Program::start(dir.path(), &["My App", r"me/b=b\=c", "--verbose"]);
        let address = program.address.clone();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        assert_eq!(get(&address, "/v2/my-app/manifests/latest", &[]).status, 200);
        assert_eq!(get(&address, "/v2/me/b/manifests/v1", &[]).status, 404);
        program.signal(signal);
        let (status, said) = program.end();
        assert!(status.success(), "{status}: {said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], format!("podman pull --tls-verify=false {address}/me/b:latest"));
        assert_eq!(lines[1], format!("podman pull --tls-verify=false {address}/my-app:latest"));
        assert!(lines[2].ends_with("GET /v2/my-app/manifests/latest 200"), "{said}");
        assert!(lines[3].ends_with("GET /v2/me/b/manifests/v1 404"), "{said}");
        assert_eq!(lines.len(), 4);
    }
}

/// Without a terminal, only errors are printed, not every request.
#[test]
fn it_is_quiet() {
    let dir = TempDir::new().unwrap();
    let image = image("one", "linux/amd64");
    layout(&dir.path().join("a"), image.clone());
    let layer = image.layers()[0].descriptor().digest;
    std::fs::write(dir.path().join("a/blobs/sha256").join(layer.hex()), "other").unwrap();
    let program = Program::start(dir.path(), &["a"]);
    assert_eq!(get(&program.address, &format!("/v2/a/blobs/{layer}"), &[]).status, 500);
    program.signal(Signal::TERM);
    let (_, said) = program.end();
    let lines: Vec<&str> = said.lines().skip(1).collect();
    let [warning] = lines[..] else { panic!("{said}") };
    let expected = format!("oci-layout: warning: /v2/a/blobs/{layer}: blob {layer} is damaged: ");
    assert!(warning.starts_with(&expected), "{said}");
}

#[test]
fn once_exits_after_an_image_was_pulled() {
    let dir = TempDir::new().unwrap();
    let image = image("one", "linux/amd64");
    layout(&dir.path().join("a"), image.clone());
    let layer = image.layers()[0].descriptor().digest;
    let program = Program::start(dir.path(), &["--once", "a"]);
    // A client that only reads a manifest has pulled nothing.
    assert_eq!(ask(&program.address, "HEAD", "/v2/a/manifests/latest", &[]).status, 200);
    assert_eq!(get(&program.address, "/v2/a/tags/list", &[]).status, 200);
    assert_eq!(get(&program.address, "/v2/a/manifests/latest", &[]).status, 200);
    assert_eq!(get(&program.address, &format!("/v2/a/blobs/{layer}"), &[]).status, 200);
    let (status, said) = program.end();
    assert!(status.success(), "{status}: {said}");
}

#[test]
fn once_fails_if_no_client_pulled_an_image() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("a"), image("one", "linux/amd64"));
    let program = Program::start(dir.path(), &["--once", "a"]);
    program.signal(Signal::TERM);
    let (status, said) = program.end();
    assert!(!status.success());
    assert!(
        said.ends_with("oci-layout: error: interrupted before a client pulled an image\n"),
        "{said}"
    );
}

#[test]
fn each_mistake_has_an_error_message() {
    let dir = TempDir::new().unwrap();
    for name in ["a", "b/a", "---"] {
        layout(&dir.path().join(name), image("one", "linux/amd64"));
    }
    let two = fail(dir.path(), &["a", "b/a"]);
    assert_eq!(
        two,
        "oci-layout: error: images \"a\" and \"b/a\" are both called \"a\": rename one of them \
         with NAME=DIR\n"
    );
    let none = fail(dir.path(), &["./---"]);
    assert!(
        none.contains(
            "no valid repository name can be derived from the folder: give one as NAME=DIR"
        ),
        "{none}"
    );
    let bad = fail(dir.path(), &["A=a"]);
    assert!(bad.contains("repository \"A\": a repository name consists of lower-case"), "{bad}");
    let missing = fail(dir.path(), &["nothing"]);
    assert!(missing.contains("\"nothing\" does not exist"), "{missing}");
    let program = Program::start(dir.path(), &["a"]);
    let taken = fail(dir.path(), &["a", "--listen", &program.address]);
    assert!(taken.contains(&format!("cannot listen on {}", program.address)), "{taken}");
    program.signal(Signal::KILL);
    program.end();
}

#[test]
fn names_and_users_are_options() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("a"), image("one", "linux/amd64"));
    std::fs::write(
        dir.path().join("users"),
        "me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n",
    )
    .unwrap();
    let options =
        ["a", "--host", "registry.example", "--host=Other.example", "--htpasswd", "users"];
    let program = Program::start(dir.path(), &options);
    // me:U*U
    let login = [("Authorization", "Basic bWU6VSpV")];
    for (host, expected) in
        [("registry.example", 200), ("other.example", 200), ("evil.example", 421)]
    {
        // The host in an absolute-form target takes precedence.
        let target = format!("http://{host}/v2/a/manifests/latest");
        assert_eq!(get(&program.address, &target, &login).status, expected, "{host}");
    }
    assert_eq!(get(&program.address, "/v2/", &[]).status, 401);
    program.signal(Signal::TERM);
    assert!(program.end().0.success());

    let host = fail(dir.path(), &["a", "--host", "registry.example:5000"]);
    assert!(
        host.contains("host \"registry.example:5000\": ")
            && host.contains("remove the scheme, the port and the path"),
        "{host}"
    );
    let missing = fail(dir.path(), &["a", "--htpasswd", "nothing"]);
    assert!(missing.contains("\"nothing\""), "{missing}");
    let missing = fail(dir.path(), &["a", "--tls-cert", "nothing", "--tls-key", "nothing"]);
    assert!(missing.contains("\"nothing\""), "{missing}");
    let no_key = fail(dir.path(), &["a", "--tls-cert", "nothing"]);
    assert!(no_key.contains("--tls-key"), "{no_key}");
    let no_pem = fail(dir.path(), &["a", "--tls-cert", "users", "--tls-key", "users"]);
    assert!(no_pem.contains("\"users\": the file contains no unencrypted PEM key"), "{no_pem}");
}

/// A note says that others can reach the address.
#[test]
fn an_address_that_others_can_reach_prints_a_note() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("a"), image("one", "linux/amd64"));
    std::fs::write(
        dir.path().join("users"),
        "me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n",
    )
    .unwrap();
    for (options, expected) in [
        (
            &["a", "--listen", "0.0.0.0:0"][..],
            Some("there is no TLS and no login: everyone who can reach"),
        ),
        (
            &["a", "--listen", "0.0.0.0:0", "--htpasswd", "users"],
            Some("there is no TLS: passwords are sent in clear text"),
        ),
        (&["a"], None),
    ] {
        let program = Program::start(dir.path(), options);
        program.signal(Signal::TERM);
        let (_, said) = program.end();
        let note = said.lines().find_map(|line| line.strip_prefix("oci-layout: note: "));
        assert_eq!(note.is_some(), expected.is_some(), "{said}");
        assert!(note.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{said}");
    }
}

/// As in `oci-layout serve --verbose image 2>&1 | head -1`.
#[test]
fn clients_are_served_after_standard_error_is_closed() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("app"), image("one", "linux/amd64"));
    let Program { mut child, address, stderr } = Program::start(dir.path(), &["app", "--verbose"]);
    drop(stderr);
    for _ in 0..2 {
        assert_eq!(get(&address, "/v2/", &[]).status, 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Paths of clients, and tags of untrusted layouts, do not act on a terminal.
#[test]
fn the_log_is_printable() {
    use std::io::Write;
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("app"), image("one", "linux/amd64"));
    let index = dir.path().join("app/index.json");
    let json = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, json.replace("\"latest\"", "\"la\\u001b[2Jte\\n\u{202e}\u{9b}st\""))
        .unwrap();
    let program = Program::start(dir.path(), &["app", "--verbose"]);
    for target in [
        "/v2/\u{9b}31m/tags/list",
        "/v2/\u{202e}app/manifests/x",
        "/v2/\u{2028}",
        "/\u{e0041}?\u{200b}",
    ] {
        let mut stream = std::net::TcpStream::connect(&program.address).unwrap();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            program.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    std::fs::write(&index, "{\"\u{9b}\u{202e}\": ").unwrap();
    get(&program.address, "/v2/app/manifests/x", &[]);
    program.signal(Signal::TERM);
    let (_, said) = program.end();
    let harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}' | '\u{2028}' | '\u{202e}' | '\u{e0041}')
    };
    assert!(!said.contains(harmful), "{said:?}");
    assert!(said.contains(r"GET /v2/\u{9b}31m/tags/list "), "{said}");
    assert!(said.lines().count() >= 6, "{said}");
}
