//! After a signal, the program leaves no incomplete output.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};

use crate::cli::room::Room;

/// Starts work that takes minutes, and returns when the program has begun to write.
fn begin(room: &Room) -> Child {
    File::create(room.path("huge")).unwrap().set_len(1 << 40).unwrap();
    let mut command =
        room.command(["build", "-f", "huge", "--compression", "none", "-o", "above/out"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !is_writing(&child, &room.path("above/out/blobs/sha256")) {
        assert!(start.elapsed() < Duration::from_secs(60), "the program does not start");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Whether a program has begun to write a file into this folder. Until the file is complete, it has
/// no name and is only among the open files of the program.
pub(crate) fn is_writing(child: &Child, folder: &Path) -> bool {
    open_files(child, folder).any(|file| file.len() > 0)
}

/// The regular files in this folder that a process has open.
pub(crate) fn open_files(child: &Child, folder: &Path) -> impl Iterator<Item = fs::Metadata> {
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
    let files = open
        .map(|file| file.path())
        .filter(move |file| fs::read_link(file).is_ok_and(|to| to.starts_with(folder)));
    files.filter_map(|file| fs::metadata(file).ok()).filter(fs::Metadata::is_file)
}

fn send(signal: Signal, child: &Child) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_signal_leaves_nothing_and_ends_with_its_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let room = Room::new();
        let child = begin(&room);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(code), Vec::new()), "{signal:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{signal:?}");
        assert!(!room.path("above").exists(), "{signal:?}");
    }
}

/// skopeo is not waited for after the signal.
#[test]
fn a_signal_ends_the_client_that_an_image_is_handed_to() {
    let room = Room::new();
    room.ok("build -f app -o image");
    fs::write(room.path("skopeo"), "#!/bin/sh\necho $$ > started\nexec sleep 600\n").unwrap();
    fs::set_permissions(room.path("skopeo"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = room.command(["copy", "image", "dir:copied", "--skopeo", "./skopeo"]);
    let mut copy = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    let pid = loop {
        match fs::read_to_string(room.path("started")) {
            Ok(pid) if pid.ends_with('\n') => break pid.trim().to_owned(),
            _ => assert!(start.elapsed() < Duration::from_secs(60), "skopeo does not start"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    send(Signal::TERM, &copy);
    assert_eq!(copy.wait().unwrap().code(), Some(143));
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    assert_eq!(test_kill_process(pid), Err(Errno::SRCH));
}

#[test]
fn a_folder_that_was_there_stays_and_is_empty() {
    let room = Room::new();
    fs::create_dir_all(room.path("above/out")).unwrap();
    let child = begin(&room);
    send(Signal::INT, &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(fs::read_dir(room.path("above/out")).unwrap().count(), 0);
}
