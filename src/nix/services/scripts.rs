//! The scripts of all services: shell scripts, most of which are the same for all images.

use std::fmt::Write as _;

use crate::{
    basics::error::Result,
    nix::services::{
        quote,
        spec::{Directory, File, Kind, Readiness, Restart, Service},
        tools::Tools,
    },
};

/// Scripts in the folder `lib` of the output, which no service changes.
pub(crate) const LIB: [(&str, &str); 9] = [
    ("prepare", include_str!("lib/prepare.sh")),
    ("exit", include_str!("lib/exit.sh")),
    ("skip", include_str!("lib/skip.sh")),
    ("capabilities", include_str!("lib/capabilities.sh")),
    ("after-restart", include_str!("lib/after-restart.sh")),
    ("listen", include_str!("lib/listen.sh")),
    ("with-main-pid", include_str!("lib/with-main-pid.sh")),
    ("split", include_str!("lib/split.sh")),
    ("read-environment", include_str!("lib/read-environment.sh")),
];

/// What `s6-svscan` runs when it ends.
pub(crate) const SVSCAN: [(&str, &str); 2] = [
    ("finish", include_str!("lib/svscan-finish.sh")),
    ("crash", include_str!("lib/svscan-crash.sh")),
];

/// The signals that stop a container. `s6-svscan` runs a script of this name instead of what it does
/// otherwise.
pub(crate) const STOP_SIGNALS: [&str; 5] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/// The programs that the scripts call by their names.
const CALLED: [&str; 22] = [
    "awk",
    "cat",
    "chmod",
    "chown",
    "cp",
    "date",
    "id",
    "ln",
    "mkdir",
    "mkfifo",
    "mv",
    "rm",
    "s6-socklog",
    "s6-svc",
    "s6-svscanctl",
    "s6-svstat",
    "s6-svwait",
    "sleep",
    "stat",
    "timeout",
    "wc",
    "echo",
];

/// The arguments that say how long a service may take to be ready, and how often its check is tried.
fn readiness(service: &Service) -> String {
    let Some(Readiness { command, interval, timeout, .. }) = &service.readiness else {
        return String::new();
    };
    let timeout = timeout.map_or(0, |seconds| seconds.ceil().max(1.0) as u64);
    match command {
        Some(_) => format!(" {timeout} {}", interval.unwrap_or(0.2).max(0.01)),
        None => format!(" {timeout}"),
    }
}

/// Writes shell scripts.
pub(crate) struct Shell {
    /// The line that names the shell, and the search path of the script.
    head: String,
    out: String,
    shell: String,
    execlineb: String,
}

impl Shell {
    /// Checks that all programs are there. `out` is the folder of the output.
    pub(crate) fn new(tools: &Tools, out: &str) -> Result<Self> {
        for name in CALLED {
            tools.path(name)?;
        }
        let shell = tools.path("sh")?;
        let path = tools.shell_path();
        Ok(Self {
            head: format!("#!{shell}\ncontainer_path=$PATH\nPATH={path}\n"),
            out: quote::shell(out),
            execlineb: quote::shell(&tools.path("execlineb")?),
            shell,
        })
    }

    /// A whole script.
    pub(crate) fn script(&self, text: &str) -> String {
        let places =
            [("@out@", &self.out), ("@execlineb@", &self.execlineb), ("@sh@", &self.shell)];
        let text =
            places.iter().fold(text.to_owned(), |text, (name, path)| text.replace(name, path));
        format!("{}{text}", self.head)
    }

    /// The script that starts all services.
    pub(crate) fn up(&self, services: &[Service]) -> String {
        let mut script = self.script(include_str!("lib/up.sh"));
        for service in services {
            let name = quote::shell(&service.name);
            for Directory { path, mode, uid, gid, recursive } in &service.directories {
                let (path, mode) = (quote::shell(path), mode.as_deref().unwrap_or("0755"));
                let option = if *recursive { " -R" } else { "" };
                let _ = writeln!(script, "directory {name} {path} {mode} {uid} {gid}{option}");
            }
            for File { source, path, mode, uid, gid } in &service.files {
                let (source, path) = (quote::shell(source), quote::shell(path));
                let mode = mode.as_deref().unwrap_or("0400");
                let _ = writeln!(script, "file {name} {source} {path} {mode} {uid} {gid}");
            }
        }
        for service in services {
            let name = quote::shell(&service.name);
            let _ = match service.kind {
                Kind::LongRun => writeln!(script, "longrun {name}{}", readiness(service)),
                Kind::OneshotPre | Kind::OneshotPost => writeln!(script, "oneshot {name}"),
            };
        }
        script.push_str("finished\n");
        script
    }

    /// The script that stops all services.
    pub(crate) fn stop(&self, services: &[Service]) -> String {
        let mut script = self.script(include_str!("lib/stop.sh"));
        for service in services.iter().rev() {
            let seconds = service.stop_timeout.map_or(0, |seconds| seconds.ceil().max(1.0) as u64);
            let _ = writeln!(script, "stop {} {seconds}", quote::shell(&service.name));
        }
        script.push_str(include_str!("lib/stop-end.sh"));
        script
    }

    /// The script that decides what follows the end of a service.
    pub(crate) fn finish(&self, service: &Service) -> String {
        let kind = if service.kind == Kind::LongRun { "long-run" } else { "oneshot" };
        let restart = match service.restart {
            Restart::Never => "never",
            Restart::OnFailure => "on-failure",
            Restart::Always => "always",
        };
        let delay = (service.restart_delay * 10.0).ceil() as u64;
        let (burst, interval) = match &service.start_limit {
            Some(limit) => (limit.burst, limit.interval.ceil() as u64),
            None => (0, 0),
        };
        let success: Vec<_> = service.success_exit_status.iter().map(u8::to_string).collect();
        self.script(&format!(
            "name={} kind={kind} restart={restart} delay={delay} burst={burst} interval={interval} \
             success={}\n{}",
            quote::shell(&service.name),
            quote::shell(&success.join(" ")),
            include_str!("lib/finish.sh"),
        ))
    }
}
