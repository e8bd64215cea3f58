//! Runs a program with limits: time, memory, and how much it may write. No process remains.

pub(crate) mod descendants;
pub(crate) mod pipe;

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process_group, prlimit, waitid,
};

use crate::{
    on_demand::process::{descendants::Descendants, pipe::Pipe},
    registry::Stop,
};

/// How long a program may take to end after SIGTERM, before SIGKILL, and after SIGKILL.
const GRACE: Duration = Duration::from_secs(1);

/// The end of the standard error output that is kept.
const STDERR: usize = 64 << 10;

/// What a program may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time until it must have ended.
    pub(crate) time: Duration,
    /// Its address space in bytes. Its processor time is limited as well then, so that it ends even
    /// if this process is killed before the deadline. Programs that it starts inherit both.
    pub(crate) memory: Option<u64>,
    /// The bytes of its standard output.
    pub(crate) stdout: usize,
}

/// Why a program did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    NotStarted(io::Error),
    /// It ended with an error, and this is the end of what it wrote.
    Ended(ExitStatus, String),
    /// It was ended because of its time, and this is the end of what it wrote.
    TooLate(String),
    TooMuchOutput,
    Stopped,
}

/// Runs a program without input in a process group of its own, and returns its standard output. It
/// is ended at its deadline, when it writes more than it may, and soon after `stop` is set.
pub(crate) fn run(command: &mut Command, limits: Limits, stop: &Stop) -> Result<Vec<u8>, Failure> {
    let end = Instant::now() + limits.time;
    if stop.is_set() {
        return Err(Failure::Stopped);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = Running(command.spawn().map_err(Failure::NotStarted)?);
    if let Some(memory) = limits.memory {
        for (resource, most) in
            [(Resource::As, memory), (Resource::Cpu, limits.time.as_secs().saturating_add(2))]
        {
            let limit = Rlimit { current: Some(most), maximum: Some(most) };
            prlimit(Some(child.pid()), resource, limit)
                .map_err(|cause| Failure::NotStarted(cause.into()))?;
        }
    }
    let stdout = Pipe::read(child.0.stdout.take(), limits.stdout, None);
    let stderr = Pipe::read(child.0.stderr.take(), usize::MAX, Some(STDERR));
    let (stdout, stderr) =
        (stdout.map_err(Failure::NotStarted)?, stderr.map_err(Failure::NotStarted)?);

    // Short programs are noticed soon, and long ones are looked at rarely.
    let mut pause = Duration::from_millis(1);
    let ended = loop {
        if child.has_ended() {
            break Ok(());
        }
        if stop.wait(pause.min(end.saturating_duration_since(Instant::now()))) {
            break Err(Failure::Stopped);
        }
        if stdout.has_overflown() {
            break Err(Failure::TooMuchOutput);
        }
        if Instant::now() >= end {
            break Err(Failure::TooLate(String::new()));
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let status = child.end();
    let (stdout, stderr) = (stdout.finish(), stderr.finish());
    let stderr = String::from_utf8_lossy(&stderr.bytes).into_owned();
    match (ended, status) {
        (Err(Failure::TooLate(_)), _) => Err(Failure::TooLate(stderr)),
        (Err(failure), _) => Err(failure),
        (Ok(()), Ok(status)) if status.success() && stdout.is_whole => Ok(stdout.bytes),
        (Ok(()), Ok(status)) if status.success() => Err(Failure::TooMuchOutput),
        (Ok(()), Ok(status)) => Err(Failure::Ended(status, stderr)),
        (Ok(()), Err(cause)) => Err(Failure::NotStarted(cause)),
    }
}

/// A program that runs. Dropping it ends it.
struct Running(Child);

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Whether the program has ended. It stays a zombie, so that its number names nothing else.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(waitid(WaitId::Pid(self.pid()), options), Ok(None))
    }

    /// Ends the program and every process that it started, and returns its status.
    ///
    /// Nix's builders are in sessions of their own. Nix ends them on SIGTERM. If it does not, or if
    /// it was killed itself, they are found as its descendants.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let mut descendants = Descendants::default();
        if !self.has_ended() {
            descendants.find(self.pid());
            let _ = kill_process_group(self.pid(), Signal::TERM);
            let end = Instant::now() + GRACE;
            while !self.has_ended() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            if !self.has_ended() {
                descendants.find(self.pid());
            }
        }
        let _ = kill_process_group(self.pid(), Signal::KILL);
        descendants.kill(GRACE);
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The status of a child that was waited for is known.
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.end();
        }
    }
}

#[cfg(test)]
mod tests;
