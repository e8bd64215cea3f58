//! A scratch folder in which the program runs, and the result of a run.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A scratch folder in which the program runs.
pub(crate) struct Room(TempDir);

/// The result of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Room {
    /// Has a file `app` and a folder `assets`.
    pub(crate) fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        // Not a script, whose interpreter would be missing in most images.
        fs::write(room.path("app"), "# /bin/sh\necho app\n").unwrap();
        fs::set_permissions(room.path("app"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(room.path("assets")).unwrap();
        fs::write(room.path("assets/index.html"), "<h1>app</h1>\n").unwrap();
        room
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, without the environment of the tests.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command.args(args).current_dir(self.path("")).env_clear().stdin(Stdio::null());
        // The seal of recipes needs a home directory. This is not the user's own.
        command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command
    }

    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        Run::of(&mut self.command(args))
    }

    /// Runs the program, which must succeed without output on standard error, and returns its
    /// standard output.
    #[track_caller]
    pub(crate) fn ok(&self, args: &str) -> String {
        let run = self.run(args.split(' '));
        assert_eq!((run.code, &*run.err), (Some(0), ""), "{args}");
        run.out
    }

    /// Runs a command that must succeed, and say in one line what it has done. Returns its standard
    /// output.
    #[track_caller]
    pub(crate) fn did(&self, args: &str) -> String {
        let run = self.run(args.split(' '));
        let is_line = run.err.lines().count() == 1 && !run.err.starts_with("oci-layout: ");
        assert!(run.code == Some(0) && is_line, "{args}: {run:?}");
        run.out
    }

    /// The commands in the program's help.
    pub(crate) fn commands(&self) -> Vec<String> {
        let help = self.ok("--help");
        let (list, _) = help.split_once("\nOptions:").unwrap();
        let command = |line: &str| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned());
        list.lines().filter_map(command).filter(|command| !command.is_empty()).collect()
    }

    /// Runs the program, which must fail with exactly this sentence.
    #[track_caller]
    pub(crate) fn fails(&self, args: &str, sentence: &str) {
        let run = self.run(args.split(' '));
        let error = format!("oci-layout: error: {sentence}\n");
        assert_eq!(run, Run { code: Some(1), out: String::new(), err: error }, "{args}");
    }

    pub(crate) fn json(&self, path: impl AsRef<Path>) -> Value {
        serde_json::from_slice(&fs::read(self.path(path)).unwrap()).unwrap()
    }

    /// A document of a layout or of the folder of a step, by its digest.
    pub(crate) fn blob(&self, dir: &str, digest: &Value) -> Value {
        let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        self.json(Path::new(dir).join("blobs/sha256").join(hex))
    }

    /// The manifest and the configuration of the first image in a layout.
    pub(crate) fn image(&self, layout: &str) -> (Value, Value) {
        let manifest = self.blob(
            layout,
            &self.json(Path::new(layout).join("index.json"))["manifests"][0]["digest"],
        );
        let config = self.blob(layout, &manifest["config"]["digest"]);
        (manifest, config)
    }

    /// All files of a folder, with their paths and contents.
    pub(crate) fn files(&self, dir: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let walk = walkdir::WalkDir::new(self.path(dir))
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap);
        let files = walk.filter(|entry| !entry.file_type().is_dir());
        let file = |entry: walkdir::DirEntry| {
            (
                entry.path().strip_prefix(self.path(dir)).unwrap().to_owned(),
                fs::read(entry.path()).unwrap(),
            )
        };
        files.map(file).collect()
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
