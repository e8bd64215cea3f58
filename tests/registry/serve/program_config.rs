//! The program with `--config`, with layouts only: tests/nix tries it with packages.

use std::{fs, io::BufRead, path::Path, process::Command};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::registry::serve::{
    client::get,
    hosts, image, layout,
    program::{Program, fail},
};

/// A folder with the file, and two layouts below it.
fn folder(text: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in ["one", "two"] {
        layout(&dir.path().join("files/layouts").join(name), image(name, "linux/amd64"));
    }
    fs::write(dir.path().join("files/registry.toml"), text).unwrap();
    dir
}

const FILE: &str = "files/registry.toml";

fn line(program: &mut Program) -> String {
    let mut line = String::new();
    program.stderr.read_line(&mut line).unwrap();
    line
}

#[test]
fn layouts_of_the_file_are_served() {
    let dir = folder("hosts = ['registry.example']\n[layouts]\n'a/b' = 'layouts/one'\n");
    let program = Program::start(dir.path(), &["--config", FILE]);
    let manifest = |program: &Program, name: &str| {
        get(&program.address, &format!("/v2/{name}/manifests/latest"), &[])
    };
    let one = manifest(&program, "a/b");
    assert_eq!(one.status, 200);
    let hosts = ["registry.example", "other.example"]
        .map(|host| hosts::ask(&program.address, &format!("GET /v2/ HTTP/1.1\r\nHost: {host}")).0);
    assert_eq!(hosts, [200, 421]);
    program.signal(Signal::TERM);
    assert!(program.end().0.success());

    // Options take precedence, and layouts are added.
    let options = ["--config", FILE, "a/b=files/layouts/two", "c=files/layouts/one", "--verbose"];
    let program = Program::start(dir.path(), &options);
    assert_eq!(manifest(&program, "c").body, one.body);
    assert_ne!(manifest(&program, "a/b").body, one.body);
    program.signal(Signal::TERM);
    assert!(program.end().1.contains("GET /v2/c/manifests/latest 200"));
}

#[test]
fn a_hangup_reads_the_file_again() {
    let text = "[layouts]\na = 'layouts/one'\n";
    let dir = folder(text);
    let mut program = Program::start(dir.path(), &["--config", FILE, "--listen", "localhost:0"]);
    assert!(line(&mut program).starts_with("podman pull"));
    let mut reload = |text: &str| {
        fs::write(dir.path().join(FILE), text).unwrap();
        program.signal(Signal::HUP);
        line(&mut program)
    };
    // An option hides the key, so that its change changes nothing.
    let said = reload(&format!("listen = ':1'\ndrain = '1s'\n{text}b = 'layouts/two'\n"));
    let expected = "has changed: restart the server for drain, layouts.b\n";
    assert!(said.starts_with("oci-layout: warning: ") && said.ends_with(expected), "{said}");
    let said = reload("drain = 1\n");
    assert!(said.contains("is not in effect") && said.contains("line 1, drain: "), "{said}");
    fs::remove_file(dir.path().join(FILE)).unwrap();
    program.signal(Signal::HUP);
    assert!(line(&mut program).contains("is not in effect"));
    assert_eq!(get(&program.address, "/v2/a/manifests/latest", &[]).status, 200);
    fs::write(dir.path().join(FILE), text).unwrap();
    program.signal(Signal::HUP);
    program.signal(Signal::TERM);
    let (status, said) = program.end();
    assert!(status.success() && said.is_empty(), "{said}");
}

#[test]
fn a_wrong_file_is_an_error() {
    let dir = folder("[layouts]\na = 'layouts/one'\n");
    let check = |dir: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command.args(["serve", "--config", FILE, "--check"]).current_dir(dir).output().unwrap()
    };
    let output = check(dir.path());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{FILE:?} is valid\n"));
    assert!(output.status.success() && output.stderr.is_empty());
    for (text, expected) in [
        ("", "\"files/registry.toml\": nothing is served"),
        ("listn = ':1'", "\"files/registry.toml\", line 1: unknown member \"listn\"; did you mean"),
        ("[layouts]\na = 'layouts/none'", "files/layouts/none"),
        ("[layouts]\nA = 'layouts/one'", "repository \"A\": a repository name"),
        ("htpasswd = 'users'\n[layouts]\na = 'layouts/one'", "files/users"),
        ("tls = { cert = 'c', key = 'k' }\n[layouts]\na = 'layouts/one'", "files/k"),
        ("hosts = ['a:1']\n[layouts]\na = 'layouts/one'", "a:1"),
    ] {
        fs::write(dir.path().join(FILE), text).unwrap();
        for options in [&["--config", FILE][..], &["--config", FILE, "--check"]] {
            let said = fail(dir.path(), options);
            assert!(said.starts_with("oci-layout: error: ") && said.contains(expected), "{said}");
        }
    }
    assert!(fail(dir.path(), &["--check", "files/layouts/one"]).contains("--config <FILE>"));
    assert!(fail(dir.path(), &["--config", "none.toml"]).contains("none.toml"));
}
