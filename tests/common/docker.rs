//! Docker, old and new, with its socket, images and mounts in a scratch folder.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::tool::{INSTALLED, run, tool};

/// The version of Docker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The distribution's, which supports neither zstd nor OCI layouts.
    Older,
    /// The newest, with Docker's own image store.
    Newer,
    /// The same, with containerd's image store.
    WithContainerd,
}

pub const VERSIONS: [Version; 3] = [Version::Older, Version::Newer, Version::WithContainerd];

/// A daemon and a client for it. Dropping the value removes the containers and mounts too.
///
/// Without containerd, the store identifies layers by diff ID: only a new daemon reads a layer's
/// blob.
pub struct Docker {
    version: Version,
    dir: TempDir,
    server: Child,
}

impl Docker {
    /// Returns when the daemon answers.
    pub fn start(version: Version) -> Self {
        Self::start_with(version, |_| ())
    }

    /// The same, with more arguments and variables for the daemon.
    pub fn start_with(version: Version, more: impl FnOnce(&mut Command)) -> Self {
        let dir = TempDir::new().unwrap();
        // Its own mount namespace, which is removed with it. No network, because that would change
        // the network of the machine.
        let mut command = programs(version, "unshare");
        command.args([
            "--mount",
            "dockerd",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
        ]);
        // A failure is not retried for minutes.
        command.arg("--max-download-attempts=1");
        for (option, name) in [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")] {
            command.arg(format!("--{option}={}", dir.path().join(name).display()));
        }
        command.arg(format!("--host={}", socket(&dir)));
        command.args(match version {
            Version::Older => &["--storage-driver=vfs", "--oom-score-adjust=0"][..],
            Version::Newer => &["--storage-driver=vfs", "--feature=containerd-snapshotter=false"],
            Version::WithContainerd => {
                &["--storage-driver=native", "--feature=containerd-snapshotter=true"]
            }
        });
        let log = File::create(dir.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        more(&mut command);
        let server = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut docker = Self { version, dir, server };
        while !docker.tool(["version"]).output().is_ok_and(|output| output.status.success()) {
            let ended = docker.server.try_wait().unwrap();
            let log = || fs::read_to_string(docker.dir.path().join("log")).unwrap();
            assert!(ended.is_none(), "{command:?}: ended before it answered:\n{}", log());
            thread::sleep(Duration::from_millis(50));
        }
        docker
    }

    #[track_caller]
    pub fn docker<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        run(&mut self.tool(args))
    }

    /// The output of a container of the image, with these arguments instead of Cmd if there are
    /// any.
    #[track_caller]
    pub fn run(&self, image: &str, args: &[&str]) -> String {
        self.docker(["run", "--rm", "--network=none", "--pull=never", image].iter().chain(args))
    }

    /// Loads an archive, and returns the names that the daemon reports.
    #[track_caller]
    pub fn load(&self, archive: &Path) -> Vec<String> {
        let said = self.docker([
            OsStr::new("load"),
            "--quiet".as_ref(),
            "--input".as_ref(),
            archive.as_ref(),
        ]);
        // Other lines are about images that lost these names.
        said.lines()
            .filter_map(|line| line.strip_prefix("Loaded image: "))
            .map(str::to_owned)
            .collect()
    }

    /// The client with these arguments.
    pub fn tool<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = programs(self.version, "docker");
        command
            .env("DOCKER_HOST", socket(&self.dir))
            .env("DOCKER_CONFIG", self.dir.path().join("config"))
            .args(args);
        command
    }
}

impl fmt::Display for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docker: {:?}", self.version)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // On request, a daemon ends its containers and its containerd. It may have ended already.
        let pid = Pid::from_child(&self.server);
        let _ = kill_process(pid, Signal::TERM);
        let start = Instant::now();
        while matches!(self.server.try_wait(), Ok(None)) {
            if start.elapsed() > Duration::from_secs(20) {
                let _ = self.server.kill();
                let _ = self.server.wait();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn socket(dir: &TempDir) -> String {
    format!("unix://{}", dir.path().join("socket").display())
}

/// A program, found first among those of this version.
fn programs(version: Version, name: &str) -> Command {
    let mut command = tool(name);
    if version == Version::Older {
        let path = command
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, path)| path)
            .unwrap()
            .to_owned();
        let path = [OsStr::new(INSTALLED), "/docker-older:".as_ref(), &path]
            .into_iter()
            .collect::<std::ffi::OsString>();
        command.env("PATH", path);
    }
    command
}
