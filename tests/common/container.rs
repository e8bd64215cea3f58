//! A container of podman.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::tool::Containers;

/// How long a test waits for what must happen. A loaded machine may need much of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A container that runs. It is removed when the value is dropped.
pub struct Container<'a> {
    containers: &'a Containers,
    id: String,
}

impl<'a> Container<'a> {
    /// Starts a container of the image.
    #[track_caller]
    pub fn start(containers: &'a Containers, options: &[&str], image: &str) -> Self {
        let run = ["run", "--detach", "--quiet"].iter().chain(options).chain([&image]);
        let id = containers.podman(run).trim().to_owned();
        Self { containers, id }
    }

    /// Runs a script in the container, which must succeed, and returns its output.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.containers.podman(["exec", &self.id, "/bin/sh", "-c", script])
    }

    /// The same, or `None` if the script fails.
    pub fn tries(&self, script: &str) -> Option<String> {
        let output = self.tool(["exec", &self.id, "/bin/sh", "-c", script]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// What the container wrote so far.
    pub fn logs(&self) -> String {
        let output = self.tool(["logs", &self.id]).output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        said.concat()
    }

    /// Waits until the container has written this line.
    #[track_caller]
    pub fn wait_for(&self, line: &str) {
        self.wait_until(line, || self.logs().lines().any(|written| written == line));
    }

    /// Waits until this is true, which the message describes.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_true: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_true() {
            assert!(start.elapsed() < PATIENCE, "waited for {what:?}:\n{}", self.logs());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the container has ended, and returns its exit code.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        self.containers.podman(["wait", &self.id]).trim().parse().unwrap()
    }

    /// Stops the container, and returns its exit code and how long that took.
    #[track_caller]
    pub fn stop(&self) -> (i32, Duration) {
        let start = Instant::now();
        self.containers.podman(["stop", "--time", "60", &self.id]);
        (self.wait(), start.elapsed())
    }

    /// podman with these arguments, and the container's name at the end of them.
    #[track_caller]
    pub fn podman(&self, arguments: &[&str]) -> String {
        self.containers.podman(arguments.iter().chain([&self.id.as_str()]))
    }

    fn tool<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut podman = self.containers.tool("podman");
        podman.args(arguments).stdin(Stdio::null());
        podman
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.tool(["rm", "--force", "--time", "0", &self.id]).output();
    }
}
