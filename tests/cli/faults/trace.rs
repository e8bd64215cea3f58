//! The operations of a program on files, as strace reports them.

use std::{collections::HashMap, fs};

use super::Room;

/// A successful system call. Paths are relative to the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A descriptor was assigned to another file.
    Opened {
        fd: i64,
    },
    /// fsync or fdatasync.
    Synced {
        fd: i64,
        path: String,
    },
    /// A file got a name: an unnamed file by its descriptor, or a second name by the first.
    Linked {
        fd: Option<i64>,
        from: String,
        to: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    Removed {
        path: String,
    },
    MadeFolder {
        path: String,
    },
}

const CALLS: &str = "open,openat,openat2,creat,fsync,fdatasync,sync_file_range,syncfs,link,linkat,rename,renameat,\
                     renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat";

/// Runs the program, which must succeed, and returns its calls in the order in which they ended.
#[track_caller]
pub(crate) fn trace(room: &Room, args: &str) -> Vec<Call> {
    trace_with(room, args, &[])
}

#[track_caller]
pub(crate) fn trace_with(room: &Room, args: &str, environment: &[(&str, &str)]) -> Vec<Call> {
    let file = room.path("trace");
    let trace = format!("trace={CALLS}");
    let before = [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-s",
        "4096",
        "-e",
        &trace,
        "-e",
        "signal=none",
        "-o",
        file.to_str().unwrap(),
    ];
    let output = room.command(&before, args).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&file).unwrap();
    let root = room.path("").canonicalize().unwrap();
    let calls = parse(&text, &format!("{}/", root.display()));
    fs::remove_file(file).unwrap();
    calls
}

fn parse(text: &str, root: &str) -> Vec<Call> {
    let mut unfinished: HashMap<&str, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (pid, line) = line.split_once(' ').unwrap();
        let line = line.trim();
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid, begin.to_owned());
            continue;
        }
        let whole = match line.strip_prefix("<... ").and_then(|line| line.split_once(" resumed>")) {
            Some((_, end)) => unfinished.remove(pid).unwrap() + end,
            None => line.to_owned(),
        };
        calls.extend(call(&whole, root));
    }
    calls
}

fn call(line: &str, root: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result: i64 = result.split([' ', '<']).next()?.parse().ok()?;
    if result < 0 {
        return None;
    }
    let quoted: Vec<String> =
        arguments.split('"').skip(1).step_by(2).map(|path| in_room(path, root)).collect();
    let by_descriptor =
        |from: &str| from.strip_prefix("/proc/self/fd/").and_then(|fd| fd.parse().ok());
    Some(match name {
        "open" | "openat" | "openat2" | "creat" => Call::Opened { fd: result },
        "fsync" | "fdatasync" => {
            let (fd, path) = arguments.split_once('<')?;
            Call::Synced {
                fd: fd.parse().ok()?,
                path: in_room(path.split(['>', '(']).next()?.trim_end(), root),
            }
        }
        "link" | "linkat" => Call::Linked {
            fd: by_descriptor(&quoted[0]),
            from: quoted[0].clone(),
            to: quoted[1].clone(),
        },
        "rename" | "renameat" | "renameat2" => {
            Call::Renamed { from: quoted[0].clone(), to: quoted[1].clone() }
        }
        "unlink" | "unlinkat" | "rmdir" => Call::Removed { path: quoted[0].clone() },
        "mkdir" | "mkdirat" => Call::MadeFolder { path: quoted[0].clone() },
        // Calls that this program never makes: they would sync other files than the expected ones.
        other => panic!("{other} is called"),
    })
}

/// A path relative to the room. The room itself is `.`, and a path outside of it stays unchanged.
fn in_room(path: &str, root: &str) -> String {
    match path.strip_prefix(root) {
        Some(path) => path.to_owned(),
        None if root.strip_suffix('/') == Some(path) => ".".to_owned(),
        None => path.to_owned(),
    }
}
