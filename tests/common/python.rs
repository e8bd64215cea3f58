//! Tars that Python's tarfile creates and lists.

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// The tar that `make_tar.py` writes.
pub fn make(format: &str) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/make_tar.py");
    let made =
        Command::new("python3").args([script, format]).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success());
    made.stdout
}

/// The contents of a tar, one line per entry, by `list_tar.py`.
#[track_caller]
pub fn python(tar: &[u8], args: &[&str]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/list_tar.py");
    let mut python = Command::new("python3");
    let mut python =
        python.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Python reads everything before it writes the first line.
    python.stdin.take().unwrap().write_all(tar).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
