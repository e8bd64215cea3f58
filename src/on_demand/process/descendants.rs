//! The processes that a process started, directly or through others, found in `/proc`. Where there
//! is no such folder, none are found.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Processes by their numbers, each with the time of its start, because numbers are used again.
#[derive(Debug, Default)]
pub(crate) struct Descendants(BTreeMap<i32, u64>);

impl Descendants {
    /// Adds the descendants that a process has now.
    pub(crate) fn find(&mut self, ancestor: Pid) {
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let all: Vec<(i32, Stat)> =
            numbers.filter_map(|number| Some((number, stat(number)?))).collect();
        let mut family = BTreeSet::from([ancestor.as_raw_nonzero().get()]);
        // A child can have a lower number than its parent.
        loop {
            let size = family.len();
            for (number, Stat { parent, start, .. }) in &all {
                if family.contains(parent) && family.insert(*number) {
                    self.0.insert(*number, *start);
                }
            }
            if family.len() == size {
                break;
            }
        }
    }

    /// Kills those that still run, and waits until they have ended, at most `patience`: a signal
    /// takes effect some time after it was sent.
    pub(crate) fn kill(&self, patience: Duration) {
        let end = Instant::now() + patience;
        for (&number, &start) in &self.0 {
            if let Some(pid) = Pid::from_raw(number)
                && runs(number, start)
            {
                // It may end at any moment.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for (&number, &start) in &self.0 {
            while runs(number, start) && Instant::now() < end {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Whether the process that got this number at this time runs. Zombies do not.
fn runs(number: i32, start: u64) -> bool {
    stat(number).is_some_and(|now| now.start == start && !matches!(now.state, 'Z' | 'X'))
}

struct Stat {
    state: char,
    parent: i32,
    start: u64,
}

/// Reads `/proc/N/stat`, whose format is in proc(5).
fn stat(number: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name, in parentheses, can have any characters.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}
