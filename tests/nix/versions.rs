//! A Nix with its own store, and the programs that its derivations need.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::{env, fs};

use tempfile::TempDir;
use walkdir::WalkDir;

use crate::common::hello::busybox;
use crate::common::tool::{INSTALLED, run, tool};

/// Real builds in the sandbox, on this machine, without a network. An evaluated derivation is built
/// later.
const CONFIGURATION: &str = "\
build-users-group =
substituters =
sandbox = true
sandbox-fallback = false
sandbox-paths =
max-jobs = 2
allow-import-from-derivation = false
experimental-features = nix-command flakes
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The distribution's: in Debian bookworm 2.8, the oldest supported version.
    System,
    /// The version of a later release that `tests/install-tools` installs.
    Newer,
}

/// Its store is physically in a folder of the tests, and logically at `/nix/store`. The machine's
/// own store is never touched. Dropping the value removes everything.
pub struct Nix {
    version: Version,
    dir: TempDir,
}

impl Nix {
    pub fn new(version: Version) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("nix-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        fs::write(dir.path().join("nix.conf"), CONFIGURATION).unwrap();
        Self { version, dir }
    }

    /// A folder for a test's own files.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// `nix-build`, `nix` and so on, without the machine's settings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.program(program);
        command.arg("--store").arg(self.dir.path().join("store"));
        command
    }

    /// The same, with a store that is logically at its physical path. For flakes, Nix 2.8 supports
    /// no other.
    pub fn in_place(&self, program: &str) -> Command {
        let mut command = self.program(program);
        command.envs(self.place());
        command
    }

    /// The variables of a store that is logically at its physical path.
    fn place(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        ["NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_LOG_DIR"]
            .into_iter()
            .map(|variable| (variable, self.dir.path().join("in-place").join(variable)))
    }

    /// The environment of the programs, on a store that is logically at its physical path.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.into_os_string().into_string().unwrap();
        let mut environment: BTreeMap<String, String> =
            self.place().map(|(name, path)| (name.to_owned(), text(path))).collect();
        environment.insert("NIX_CONF_DIR".to_owned(), text(self.dir.path().to_owned()));
        environment.insert("PATH".to_owned(), env::var("PATH").unwrap());
        environment
    }

    /// The folder of its programs, unless they are on `PATH`.
    pub fn programs(&self) -> Option<PathBuf> {
        (self.version == Version::Newer).then(|| Path::new(INSTALLED).join("nix-newer/bin"))
    }

    fn program(&self, program: &str) -> Command {
        let mut command = match self.version {
            Version::System => tool(program),
            Version::Newer => tool(&format!("{INSTALLED}/nix-newer/bin/{program}")),
        };
        command.env("NIX_CONF_DIR", self.dir.path()).env("HOME", self.dir.path().join("home"));
        command
    }

    /// A command that evaluates the tests' expressions.
    pub fn on_expressions(&self, program: &str) -> Command {
        let mut command = self.command(program);
        let expressions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix");
        command.arg(expressions).arg("--arg").arg("programs").arg(&*PROGRAMS);
        command
    }

    /// Builds one of the expressions, and returns the path of its output.
    #[track_caller]
    pub fn build(&self, attribute: &str) -> PathBuf {
        let mut command = self.on_expressions("nix-build");
        self.physical(run(command.args(["--no-out-link", "--quiet", "--attr", attribute])).trim())
    }

    /// The error of building one of the expressions.
    #[track_caller]
    pub fn refused(&self, attribute: &str) -> String {
        let mut command = self.on_expressions("nix-build");
        let Output { status, stderr, .. } = command
            .args(["--no-out-link", "--attr", attribute])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert!(!status.success(), "{attribute} was built:\n{said}");
        said
    }

    /// The name of every example, with the path of its output. Builds none.
    #[track_caller]
    pub fn examples(&self) -> BTreeMap<String, PathBuf> {
        let mut command = self.on_expressions("nix-instantiate");
        let paths = run(command.args(["--eval", "--strict", "--json", "--attr", "paths"]));
        let paths: BTreeMap<String, String> = serde_json::from_str(&paths).unwrap();
        paths.into_iter().map(|(name, path)| (name, self.physical(&path))).collect()
    }

    /// The physical path of a store path.
    #[track_caller]
    pub fn physical(&self, path: &str) -> PathBuf {
        assert!(
            path.starts_with("/nix/store/") && !path.contains('\n'),
            "not one path in the store: {path}"
        );
        self.dir.path().join("store").join(&path[1..])
    }
}

impl Drop for Nix {
    fn drop(&mut self) {
        // Folders of a store are read-only, which root ignores. Dropping the folder reports other
        // failures.
        for entry in WalkDir::new(self.dir.path())
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_dir())
        {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755));
        }
    }
}

/// A folder with `oci-layout`, `busybox` and `say`, each with its program in `bin`. All are static,
/// because the sandbox has no libraries. `util-linux` has its libraries beside it.
pub static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nix-programs");
    let package = env!("CARGO_MANIFEST_DIR");
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        // Some build scripts would use the variables that cargo sets for the tested package.
        let of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in env::vars().filter(|(name, _)| of_package(name)) {
            command.env_remove(name);
        }
        run(command.current_dir(package).args(arguments))
    };

    // Only the last step differs from the build of all other tests, so there is little to compile.
    let built = cargo(&[
        "rustc",
        "--quiet",
        "--all-features",
        "--bin",
        "oci-layout",
        "--message-format",
        "json",
        "--",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "strip=symbols",
    ]);
    let messages =
        built.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let program = messages
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back();
    put(&program.expect("cargo names the program that it made"), &folder.join("oci-layout/bin"));
    put(&busybox(), &folder.join("busybox/bin"));
    put_with_libraries("unshare", &folder.join("util-linux/lib"));

    let scratch = TempDir::new().unwrap();
    let say = scratch.path().join("say");
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc
        .args([
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
            "-C",
            "panic=abort",
            "-o",
        ])
        .arg(&say);
    run(rustc.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix/say.rs")));
    put(&say, &folder.join("say/bin"));
    folder
});

/// A program of this machine, which is not static, with its libraries beside it.
fn put_with_libraries(name: &str, folder: &Path) {
    let program = run(Command::new("sh").args(["-c", "command -v \"$0\"", name]));
    let libraries = run(Command::new("ldd").arg(program.trim()));
    let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    paths.chain([program.trim()]).for_each(|path| put(Path::new(path), folder));
}

/// Replaced atomically, because tests of another process may be reading it.
fn put(program: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let beside =
        tempfile::NamedTempFile::new_in(folder.parent().unwrap().parent().unwrap()).unwrap();
    fs::copy(program, beside.path()).unwrap();
    beside.persist(folder.join(program.file_name().unwrap())).unwrap();
}

/// Defines tests from functions that take a [`Nix`]: one for each function and version.
macro_rules! for_each_nix {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        #[test]
        fn system() {
            super::$name(crate::nix::versions::Nix::new(crate::nix::versions::Version::System))
        }

        #[test]
        fn newer() {
            super::$name(crate::nix::versions::Nix::new(crate::nix::versions::Version::Newer))
        }
    })+ };
}
pub(crate) use for_each_nix;
