//! What the services of an image are: the attributes of the derivation, checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    nix::services::command_line::{self, Word},
};

/// A service. A member that is `null` or missing has its default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) command: Command,
    /// Whether the command runs as root, and only what is around it as the user.
    #[serde(default)]
    pub(crate) as_root: bool,
    /// Before each start of the command, and parts of it: what fails here fails the service.
    #[serde(default)]
    pub(crate) pre_start: Vec<Step>,
    /// After each start of the command, when it is ready, with `MAINPID`.
    #[serde(default)]
    pub(crate) post_start: Vec<Step>,
    /// Before the stop signal, with `MAINPID`.
    #[serde(default)]
    pub(crate) stop: Vec<Step>,
    pub(crate) user: Option<User>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) environment_files: Vec<EnvironmentFile>,
    pub(crate) working_directory: Option<String>,
    #[serde(default)]
    pub(crate) working_directory_optional: bool,
    pub(crate) umask: Option<String>,
    pub(crate) logger: Option<Vec<String>>,
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) directories: Vec<Directory>,
    #[serde(default)]
    pub(crate) files: Vec<File>,
    pub(crate) readiness: Option<Readiness>,
    /// Of a program that goes to the background, which is when it is ready.
    pub(crate) pid_file: Option<String>,
    #[serde(default)]
    pub(crate) restart: Restart,
    #[serde(default)]
    pub(crate) restart_delay: f64,
    pub(crate) start_limit: Option<StartLimit>,
    #[serde(default)]
    pub(crate) success_exit_status: Vec<u8>,
    pub(crate) stop_signal: Option<String>,
    /// In seconds. `null` waits for ever.
    pub(crate) stop_timeout: Option<f64>,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) ambient_capabilities: Vec<String>,
}

/// When a service runs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Once, and what follows waits for its end.
    OneshotPre,
    /// As long as the container.
    LongRun,
    /// As [`Kind::OneshotPre`]. It is later in the order, which Nix computes.
    OneshotPost,
}

/// A command: arguments, or a line with systemd's quoting.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a list of texts, or { line; unit; }")]
pub(crate) enum Command {
    /// Verbatim.
    Arguments(Vec<String>),
    /// Of this unit, for errors. The program sees `argv0` as its name.
    Line { line: String, unit: String, argv0: Option<String> },
}

/// A command beside the main one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) command: Command,
    #[serde(default)]
    pub(crate) ignore_failure: bool,
    #[serde(default)]
    pub(crate) as_root: bool,
    /// Exit codes from 1 to 254 skip the service.
    #[serde(default)]
    pub(crate) condition: bool,
}

/// An account, by numbers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    #[serde(default)]
    pub(crate) groups: Vec<u32>,
    pub(crate) name: Option<String>,
    pub(crate) home: Option<String>,
}

/// A file with variables, read at each start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EnvironmentFile {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) optional: bool,
}

/// A directory that is there, with this owner, before the services start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Directory {
    pub(crate) path: String,
    pub(crate) mode: Option<String>,
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) gid: u32,
    /// Whether a change of the owner includes what the directory contains.
    #[serde(default)]
    pub(crate) recursive: bool,
}

/// A file that is copied before the services start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct File {
    pub(crate) source: String,
    pub(crate) path: String,
    pub(crate) mode: Option<String>,
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) gid: u32,
}

/// How a service says that others can use it: exactly one of `fd`, `sdNotify` and `command`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Readiness {
    pub(crate) fd: Option<u32>,
    #[serde(default)]
    pub(crate) sd_notify: bool,
    pub(crate) command: Option<Command>,
    /// Seconds between two polls.
    pub(crate) interval: Option<f64>,
    /// Seconds until the service has failed. `null` sets no limit.
    pub(crate) timeout: Option<f64>,
}

/// When a service starts again.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    #[default]
    Never,
    OnFailure,
    Always,
}

/// How many starts within how many seconds are the last.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct StartLimit {
    pub(crate) burst: u32,
    pub(crate) interval: f64,
}

impl Service {
    /// Reads a service. `place` is its number, for errors.
    pub(crate) fn read(place: usize, value: Value) -> Result<Self> {
        let what = match value.get("name") {
            Some(Value::String(name)) => format!("service {name:?}"),
            _ => format!("services[{place}]"),
        };
        // No argument, variable or path can contain it.
        if value.to_string().contains("\\u0000") {
            return Err(Error::invalid(what, "a text contains a NUL character: remove it"));
        }
        let service: Self = json::from_value(&what, without_nulls(value))?;
        service.check()?;
        Ok(service)
    }

    /// An error about a member.
    pub(crate) fn refuse(&self, member: &str, reason: impl Into<String>) -> Error {
        Error::invalid(format!("service {:?}, {member}", self.name), reason)
    }

    /// The words of a command.
    pub(crate) fn words(&self, member: &str, command: &Command) -> Result<Vec<Word>> {
        match command {
            Command::Arguments(arguments) if arguments.is_empty() => {
                Err(self.refuse(member, "it has no arguments: name a program"))
            }
            Command::Arguments(arguments) => Ok(arguments.iter().map(Word::text).collect()),
            Command::Line { line, unit, .. } => command_line::words(line).map_err(|reason| {
                self.refuse(member, format!("the command {line:?} of {unit} is wrong: {reason}"))
            }),
        }
    }

    fn check(&self) -> Result<()> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@:+\\".contains(&byte);
        let starts = self.name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !starts || self.name.len() > 100 || !self.name.bytes().all(is_safe) {
            return Err(self.refuse(
                "name",
                "it names a directory: start with a letter or digit, and use letters, digits and \
                 . _ - @ : + only, at most 100",
            ));
        }
        for name in self.environment.keys() {
            if name.is_empty() || name.contains('=') {
                return Err(self.refuse(
                    "environment",
                    format!("{name:?} cannot be the name of a variable: correct it"),
                ));
            }
        }
        let paths = self
            .directories
            .iter()
            .map(|directory| ("directories", &directory.path))
            .chain(self.files.iter().map(|file| ("files", &file.path)))
            .chain(self.files.iter().map(|file| ("files", &file.source)))
            .chain(self.environment_files.iter().map(|file| ("environmentFiles", &file.path)))
            .chain(self.working_directory.iter().map(|path| ("workingDirectory", path)))
            .chain(self.pid_file.iter().map(|path| ("pidFile", path)));
        for (member, path) in paths {
            if !path.starts_with('/') {
                return Err(
                    self.refuse(member, format!("{path:?} is not absolute: write it from /"))
                );
            }
        }
        let modes = self
            .directories
            .iter()
            .map(|directory| ("directories", &directory.mode))
            .chain(self.files.iter().map(|file| ("files", &file.mode)))
            .chain([("umask", &self.umask)]);
        for (member, mode) in modes {
            let Some(mode) = mode else { continue };
            if mode.is_empty()
                || mode.len() > 5
                || !mode.bytes().all(|digit| b"01234567".contains(&digit))
            {
                return Err(self.refuse(member, format!("{mode:?} is not octal: write \"0755\"")));
            }
        }
        let seconds = [
            ("restartDelay", Some(self.restart_delay)),
            ("stopTimeout", self.stop_timeout),
            ("startLimit", self.start_limit.as_ref().map(|limit| limit.interval)),
            ("readiness", self.readiness.as_ref().and_then(|readiness| readiness.interval)),
            ("readiness", self.readiness.as_ref().and_then(|readiness| readiness.timeout)),
        ];
        for (member, seconds) in seconds {
            if seconds.is_some_and(|seconds| !(0.0..=4_000_000.0).contains(&seconds)) {
                return Err(self.refuse(member, "expected seconds, from 0 to 4000000"));
            }
        }
        if let Some(readiness) = &self.readiness {
            let Readiness { fd, sd_notify, command, .. } = readiness;
            let ways = usize::from(fd.is_some())
                + usize::from(*sd_notify)
                + usize::from(command.is_some());
            if ways != 1 {
                return Err(
                    self.refuse("readiness", "expected exactly one of fd, sdNotify and command")
                );
            }
            if *sd_notify && self.name.len() > 70 {
                return Err(self.refuse(
                    "readiness",
                    "the path of its socket would be too long: give it a name of at most 70 \
                     characters",
                ));
            }
            if fd.is_some_and(|fd| !(3..1000).contains(&fd)) {
                return Err(self.refuse("readiness", "expected an fd from 3 to 999"));
            }
        }
        if self.pid_file.is_some() && self.readiness.is_some() {
            return Err(self.refuse(
                "readiness",
                "a program with a pidFile is ready when it is in the background: remove one of them",
            ));
        }
        if self.logger.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.refuse("logger", "it has no arguments: name a program"));
        }
        if self.stop_signal.as_ref().is_some_and(|signal| !SIGNALS.contains(&signal.as_str())) {
            return Err(
                self.refuse("stopSignal", format!("expected one of {}", SIGNALS.join(", ")))
            );
        }
        Ok(())
    }
}

/// Nix writes every member, and `null` where one is not set.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let given = members.into_iter().filter(|(_, value)| !value.is_null());
            given.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        value => value,
    }
}

/// The signals that end programs, and that s6 knows by name.
const SIGNALS: [&str; 11] = [
    "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGABRT",
    "SIGALRM", "SIGWINCH", "SIGCONT",
];
