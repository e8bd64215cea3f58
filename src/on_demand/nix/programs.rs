//! Calls of Nix's programs and of git, and the errors of those that fail.

use std::{
    ffi::OsStr,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    on_demand::{
        nix::{messages, options::NixOptions},
        process::{self, Failure, Limits},
    },
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Internal, Stopped, TooLate},
        Stop,
    },
};

/// More than the names of all attributes of nixpkgs for every name of an image.
const MOST_OUTPUT: usize = 64 << 20;

/// The programs, with the environment in which they run.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) options: NixOptions,
    /// The folder in which they keep their caches.
    home: PathBuf,
}

/// A call that did not succeed.
#[derive(Debug)]
pub(crate) enum Unsuccessful {
    /// The program reported an error. This is the end of its standard error output.
    Refused(String),
    /// Any other failure.
    Error(NamedImageError),
}

impl Unsuccessful {
    /// The error, with a sentence about a refusal.
    pub(crate) fn because(self, sentence: impl FnOnce(&str) -> String) -> NamedImageError {
        match self {
            Self::Refused(stderr) => {
                let message = sentence(&messages::reason(&stderr));
                NamedImageError::new(Failed, message).detail(stderr)
            }
            Self::Error(error) => error,
        }
    }
}

impl Programs {
    pub(crate) fn new(options: NixOptions, state: &Path) -> Self {
        Self { options, home: state.join("home") }
    }

    /// A program of Nix.
    pub(crate) fn nix(&self, name: &str) -> Command {
        let program = match &self.options.programs {
            Some(folder) => folder.join(name),
            None => PathBuf::from(name),
        };
        let mut command = self.command(program.as_os_str());
        for (name, value) in &self.options.settings {
            command.args(["--option", name, value]);
        }
        command
    }

    /// Any program.
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.home).envs(&self.options.environment);
        command
    }

    /// Runs a program that may take as long as an evaluation.
    pub(crate) fn run(
        &self,
        command: &mut Command,
        what: &str,
        stop: &Stop,
    ) -> Result<Vec<u8>, Unsuccessful> {
        self.run_for(command, what, self.options.evaluation_time, None, stop)
    }

    /// Runs a program with a limit on its time and memory. `what` says what it does, for errors.
    pub(crate) fn run_for(
        &self,
        command: &mut Command,
        what: &str,
        time: Duration,
        memory: Option<u64>,
        stop: &Stop,
    ) -> Result<Vec<u8>, Unsuccessful> {
        let limits = Limits { time, memory, stdout: MOST_OUTPUT };
        let program = command.get_program().to_string_lossy().into_owned();
        let error = |kind, message: String| NamedImageError::new(kind, message);
        let error = match process::run(command, limits, stop) {
            Ok(output) => return Ok(output),
            Err(Failure::Ended(status, stderr)) => {
                // A program that is killed does not say why.
                let why = match (status.signal(), memory) {
                    (Some(_), Some(_)) => {
                        format!(
                            "it needs more memory than the registry allows, or crashes ({status})"
                        )
                    }
                    (Some(_), None) => status.to_string(),
                    (None, _) if stderr.trim().is_empty() => status.to_string(),
                    (None, _) => return Err(Unsuccessful::Refused(stderr)),
                };
                return Err(Unsuccessful::Refused(format!("{stderr}\nerror: {why}")));
            }
            Err(Failure::NotStarted(cause)) => error(
                Internal,
                "the registry cannot start a program that it needs: ask its operator".to_owned(),
            )
            .detail(format!("{program:?} cannot be started: {cause}")),
            Err(Failure::TooLate(stderr)) => error(
                TooLate,
                format!("{what} took longer than the {} s that the registry allows", seconds(time)),
            )
            .detail(stderr),
            Err(Failure::TooMuchOutput) => {
                error(Failed, format!("{what} wrote more than the registry reads"))
            }
            Err(Failure::Stopped) => error(Stopped, format!("{what} was stopped")),
        };
        Err(Unsuccessful::Error(error))
    }
}

/// The time in seconds, with a fraction only if there is one.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
