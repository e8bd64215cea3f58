//! Faults of the machine: the order in which files reach the disk, kills at every step, failing
//! system calls, and readers beside garbage collectors. strace reports what the program does, and
//! injects the faults.

mod inject;
mod killed;
mod locks;
mod order;
mod repair;
mod trace;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

/// A scratch folder in which the program runs.
struct Room(TempDir);

/// The result of a run.
#[derive(Debug)]
struct Run {
    status: ExitStatus,
    out: String,
    err: String,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_oci-layout");

impl Room {
    /// Has the files `one` and `two`.
    fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        fs::write(room.path("one"), "one\n".repeat(5000)).unwrap();
        fs::write(room.path("two"), "two\n".repeat(5000)).unwrap();
        room
    }

    /// The same, with a layout `layout` that has the image `one`, and a layout `other` that has
    /// `two`.
    fn with_layouts() -> Self {
        let room = Self::new();
        room.ok("build -f one --tag one -o layout");
        room.ok("build -f two --tag two -o other");
        room
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, run by this command if it is not empty.
    fn command(&self, before: &[&str], args: &str) -> Command {
        let mut words = before.iter().copied().chain([PROGRAM]).chain(args.split(' '));
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    fn run(&self, before: &[&str], args: &str) -> Run {
        let output = self.command(before, args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    fn ok(&self, args: &str) -> String {
        let run = self.run(&[], args);
        assert!(run.status.success(), "{args}: {run:?}");
        run.out
    }

    /// Serves a layout as the repository `app` until the returned value is dropped. Also returns
    /// the address.
    fn serve(&self, layout: &str) -> (Serving, String) {
        let mut command = self.command(&[], &format!("serve app={layout} --listen 127.0.0.1:0"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Serving(child), line.trim().strip_prefix("http://").unwrap().to_owned())
    }

    fn remove(&self, name: &str) {
        if name.is_empty() {
            return;
        }
        let path = self.path(name);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }

    /// The names of this program's temporary files below a folder.
    fn leftovers(&self, dir: &str) -> Vec<PathBuf> {
        let files = walkdir::WalkDir::new(self.path(dir))
            .into_iter()
            .map(|entry| entry.unwrap().into_path());
        let is_ours =
            |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(".oci-layout");
        files.filter(is_ours).collect()
    }
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
