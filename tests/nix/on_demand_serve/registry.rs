//! The program with real Nix, as a child of the test, and a client for it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use oci_layout::Digest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::nix::{on_demand::Set, versions::Nix};

/// `serve --packages`, which may build.
pub(crate) struct Registry {
    server: Child,
    pub(crate) address: String,
    operations: String,
    log: Arc<Mutex<String>>,
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn digest(&self) -> &str {
        self.header("docker-content-digest").unwrap()
    }

    /// The message of an error.
    pub(crate) fn message(&self) -> String {
        let error: Value = serde_json::from_slice(&self.body).unwrap();
        error["errors"][0]["message"].as_str().unwrap().to_owned()
    }

    /// The digests of the configuration and the layers of a manifest.
    #[track_caller]
    pub(crate) fn blobs(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let manifest: Value = serde_json::from_slice(&self.body).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let all = [&manifest["config"]].into_iter().chain(layers);
        all.map(|blob| blob["digest"].as_str().unwrap().to_owned()).collect()
    }
}

impl Registry {
    /// Returns when the registry listens.
    pub(crate) fn start(nix: &Nix, set: &Set<'_>, arguments: &[&str]) -> Self {
        Self::start_of(nix, set, &format!("path:{}", set.folder.display()), arguments)
    }

    /// The same, with another source of the package set.
    pub(crate) fn start_of(nix: &Nix, set: &Set<'_>, source: &str, arguments: &[&str]) -> Self {
        let mut command = program(nix);
        command.args(["--verbose", "--allow-builds", "--allow-root"]);
        command.args(["--operations", "127.0.0.1:0", "--packages"]);
        command.arg(source).arg("--state").arg(&set.state);
        Self::of(command.args(arguments))
    }

    /// The registry that this command starts, when it listens.
    pub(crate) fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (told, stderr) = (Arc::clone(&log), server.stderr.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                told.lock().unwrap().push_str(&(line.unwrap() + "\n"));
            }
        });
        let mut address = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let find = |text: &str, before: &str, after: &str| {
            let (_, rest) = text.split_once(before)?;
            Some(rest.split_once(after)?.0.to_owned())
        };
        let Some(address) = find(&address, "http://", "\n") else {
            panic!("it does not listen: {:?}\n{}", server.wait(), log.lock().unwrap());
        };
        let operations = loop {
            let operations = find(&log.lock().unwrap(), "note: http://", "/metrics");
            match operations {
                Some(operations) => break operations,
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        Self { server, address, operations, log }
    }

    /// All that it printed on standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The reference of an image.
    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}:latest", self.address)
    }

    pub(crate) fn manifest(&self, name: &str) -> Answer {
        request(&self.address, "GET", &format!("/v2/{name}/manifests/latest"))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(&self.address, "GET", path)
    }

    pub(crate) fn head(&self, path: &str) -> Answer {
        request(&self.address, "HEAD", path)
    }

    /// Gets all blobs of an image, and checks them.
    #[track_caller]
    pub(crate) fn pull_blobs(&self, name: &str, manifest: &Answer) {
        for digest in manifest.blobs() {
            let blob = self.get(&format!("/v2/{name}/blobs/{digest}"));
            assert_eq!(blob.status, 200, "{digest}: {}", self.log());
            assert_eq!(Digest::of(&blob.body).to_string(), digest);
        }
    }

    /// How long it takes to say that it lives.
    pub(crate) fn livez(&self) -> Duration {
        let begin = Instant::now();
        assert_eq!(request(&self.operations, "GET", "/livez").status, 200);
        begin.elapsed()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Asks it to read its files again.
    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.server), Signal::HUP).unwrap();
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "no {text:?}: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.server), Signal::TERM).unwrap();
    }

    /// Asks it to read its files again.
    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.server), Signal::HUP).unwrap();
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.server.wait().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It ends what Nix does for it.
        let _ = kill_process(Pid::from_child(&self.server), Signal::TERM);
        let begin = Instant::now();
        while matches!(self.server.try_wait(), Ok(None)) {
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = self.server.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// `serve` in an environment with this Nix, whose calls are recorded.
pub(crate) fn program(nix: &Nix) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
    command.env_clear().envs(nix.environment()).env("PATH", recorder(nix));
    command.env("HOME", nix.folder().join("home")).arg("serve");
    command
}

fn request(address: &str, method: &str, path: &str) -> Answer {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(connection, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: bytes[end + 4..].to_vec(), head }
}

/// The file in which calls of Nix are recorded.
fn calls(nix: &Nix) -> PathBuf {
    nix.folder().join("calls")
}

/// The calls of Nix since the last time, such as `begin nix-store --realise` and `end nix-store`.
pub(crate) fn take_calls(nix: &Nix) -> Vec<String> {
    let text = fs::read_to_string(calls(nix)).unwrap_or_default();
    fs::write(calls(nix), "").unwrap();
    text.lines().map(str::to_owned).collect()
}

/// How many of these calls begin a program.
pub(crate) fn begun(calls: &[String], program: &str) -> usize {
    calls.iter().filter(|call| call.starts_with(&format!("begin {program}"))).count()
}

/// A value of `PATH` with programs that record their calls of Nix's programs.
fn recorder(nix: &Nix) -> String {
    let folder = nix.folder().join("recorder");
    let path = env::var("PATH").unwrap();
    let path = match nix.programs() {
        Some(programs) => format!("{}:{path}", programs.display()),
        None => path,
    };
    let record = |text: &str| format!("echo \"{text}\" >> '{}'", calls(nix).display());
    let put = |name: &str| {
        let (begin, end) = (record(&format!("begin {name} $1")), record(&format!("end {name}")));
        let run = format!("PATH='{path}' {name} \"$@\"; status=$?");
        let script = format!("#!/bin/sh\n{begin}\n{run}\n{end}\nexit $status\n");
        write_program(&folder.join(name), &script);
    };
    fs::create_dir_all(&folder).unwrap();
    ["nix-instantiate", "nix-store"].into_iter().for_each(put);
    format!("{}:{path}", folder.display())
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
