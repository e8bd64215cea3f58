//! A signal ends the program: nothing half-made is left.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Room;

/// Starts work that takes minutes, and returns when it has begun to write.
fn begin(room: &Room) -> Child {
    File::create(room.path("huge")).unwrap().set_len(1 << 40).unwrap();
    let mut command = room.command(["build", "-f", "huge", "--compression", "none", "-o", "above/out"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let is_writing = || {
        let blobs = fs::read_dir(room.path("above/out/blobs/sha256")).into_iter().flatten();
        blobs.flatten().any(|blob| blob.metadata().is_ok_and(|blob| blob.len() > 0))
    };
    while !is_writing() {
        assert!(start.elapsed() < Duration::from_secs(60), "the program does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(signal: &str, child: &Child) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn a_signal_leaves_nothing_and_ends_with_its_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let room = Room::new();
        let child = begin(&room);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(code), Vec::new()), "SIG{signal}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "SIG{signal}");
        assert!(!room.path("above").exists(), "SIG{signal}");
    }
}

#[test]
fn a_folder_that_was_there_stays_and_is_empty() {
    let room = Room::new();
    fs::create_dir_all(room.path("above/out")).unwrap();
    let child = begin(&room);
    send("INT", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(fs::read_dir(room.path("above/out")).unwrap().count(), 0);
}
