//! The program as a daemon: its log, its probes and its signals.

use std::{fs, io::BufRead};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::registry::serve::{client::get, image, layout, program::Program};

const USER: &str = "me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";

/// It neither ends nor waits for a request.
#[test]
fn a_hangup_reloads() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("a"), image("one", "linux/amd64"));
    let users = dir.path().join("users");
    fs::write(&users, USER).unwrap();
    let mut program = Program::start(dir.path(), &["a", "--htpasswd", "users"]);
    fn line(program: &mut Program) -> String {
        let mut line = String::new();
        program.stderr.read_line(&mut line).unwrap();
        line
    }
    assert!(line(&mut program).starts_with("podman pull"));
    fs::write(&users, "me:secret\n").unwrap();
    program.signal(Signal::HUP);
    let said = line(&mut program);
    assert!(said.starts_with("oci-layout: warning: ") && said.contains("users"), "{said}");
    // The previous users stay. me:U*U
    let login = [("Authorization", "Basic bWU6VSpV")];
    assert_eq!(get(&program.address, "/v2/a/manifests/latest", &login).status, 200);
    program.signal(Signal::TERM);
    let (status, said) = program.end();
    assert!(status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_log_can_be_json() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("a"), image("one", "linux/amd64"));
    let args = ["a", "--verbose", "--log-format", "json", "--operations", "0", "--drain=1"];
    let program = Program::start(dir.path(), &args);
    let answer = get(&program.address, "/v2/a/tags/\u{202e}?n=1", &[]);
    program.signal(Signal::TERM);
    let (status, said) = program.end();
    assert!(status.success(), "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap();
    assert!(of("image")["message"].as_str().unwrap().ends_with("/a:latest"));
    let answered = of("answered");
    assert_eq!(answered["request"], answer.header("x-request-id"));
    assert_eq!((&answered["status"], &answered["method"]), (&404.into(), &"GET".into()));
    assert_eq!(answered["target"], "/v2/a/tags/\u{202e}?n=1");
    assert!(answered["seconds"].as_f64().unwrap() < 60.0);
    assert!(lines.iter().all(|line| {
        let time = line["time"].as_str().unwrap();
        time.ends_with('Z') && time.starts_with("20") && line["level"] == "info"
    }));
    assert!(!said.contains('\u{202e}'), "{said}");
}

#[test]
fn probes_are_answered_at_their_address() {
    let dir = TempDir::new().unwrap();
    layout(&dir.path().join("a"), image("one", "linux/amd64"));
    let mut program = Program::start(dir.path(), &["a", "--operations", "127.0.0.1:0"]);
    let mut note = String::new();
    program.stderr.read_line(&mut note).unwrap();
    let address = note.strip_prefix("oci-layout: note: http://").unwrap();
    let address = address.split('/').next().unwrap();
    for probe in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(get(address, probe, &[]).status, 200, "{probe}");
    }
    program.signal(Signal::TERM);
    assert!(program.end().0.success());
}
