//! A program that is killed at any step: the same command succeeds when it is repeated, and no file
//! is left over.

use std::{fs, os::unix::process::ExitStatusExt};

use super::Room;

/// The calls that change what the next run finds.
const CALLS: [&str; 8] =
    ["mkdir", "linkat", "rename", "renameat", "unlink", "fdatasync", "fsync", "flock"];

/// Kills the command at each of these calls. `begin` first restores the state of the room.
fn killed_everywhere(room: &Room, args: &str, begin: impl Fn(), check: impl Fn(&str)) {
    let mut killed = 0;
    for call in CALLS {
        for nth in 1.. {
            begin();
            let (trace, inject) =
                (format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}"));
            let before = ["strace", "-f", "-qq", "-e", &trace, "-e", &inject, "-o", "/dev/null"];
            // With one thread, each call is reached.
            let run = room.run(&before, &format!("--threads 1 {args}"));
            if run.status.success() {
                break;
            }
            assert_eq!(
                run.status.signal().or(run.status.code().map(|code| code - 128)),
                Some(9),
                "{run:?}"
            );
            killed += 1;
            check(&format!("{args}, killed at {call} {nth}"));
        }
    }
    assert!(killed > 4, "{args}: {killed} kills");
}

fn repeats(room: &Room, args: &str, output: &str) -> impl Fn(&str) {
    move |killed| {
        let again = room.run(&[], args);
        assert!(again.status.success(), "{killed}: {again:?}");
        assert_eq!(room.leftovers(output), [] as [std::path::PathBuf; 0], "{killed}");
    }
}

#[test]
fn a_killed_command_that_makes_a_layout_is_repeated() {
    let room = Room::with_layouts();
    room.ok("layer-tar -f one -o layer");
    room.ok("image-manifest --layer layer -o manifest");
    let (_serving, address) = room.serve("other");
    for args in [
        "build -f one --tag one -o out",
        "build -f one --sparse --tag one -o out",
        "image-layout latest=manifest -o out",
        &format!("pull {address}/app:two -o out"),
    ] {
        room.remove("out");
        room.ok(args);
        let index = fs::read(room.path("out/index.json")).unwrap();
        let check = |killed: &str| {
            repeats(&room, args, "out")(killed);
            assert_eq!(fs::read(room.path("out/index.json")).unwrap(), index, "{killed}");
            let verified = room.run(&[], "verify out --strict");
            assert!(verified.status.success(), "{killed}: {verified:?}");
        };
        killed_everywhere(&room, args, || room.remove("out"), check);
    }
}

#[test]
fn a_killed_step_is_repeated() {
    let room = Room::new();
    for args in ["layer-tar -f one -o out", "layer-tar -f one --lazy -o out"] {
        killed_everywhere(&room, args, || room.remove("out"), repeats(&room, args, "out"));
        room.ok("image-manifest --layer out -o manifest");
        room.remove("manifest");
    }
}

/// A new file has no name until it is complete, and replaces another file by one rename. A complete
/// file with a temporary name can remain only between these two calls.
#[test]
fn a_killed_export_leaves_the_old_file_or_the_new_one() {
    let room = Room::with_layouts();
    room.ok("export layout -o whole.tar");
    let whole = fs::read(room.path("whole.tar")).unwrap();
    fs::create_dir(room.path("out")).unwrap();
    let check = |old: Option<&'static [u8]>| {
        let room = &room;
        let whole = &whole;
        move |killed: &str| {
            let now = fs::read(room.path("out/a.tar")).ok();
            assert!(now.as_deref() == old || now.as_ref() == Some(whole), "{killed}");
            assert!(
                room.leftovers("out").len() <= usize::from(killed.contains("rename")),
                "{killed}"
            );
            repeats(room, "export layout -o out/a.tar", "nothing")(killed);
            assert_eq!(&fs::read(room.path("out/a.tar")).unwrap(), whole, "{killed}");
        }
    };
    fs::create_dir(room.path("nothing")).unwrap();
    let empty = || {
        room.remove("out");
        fs::create_dir(room.path("out")).unwrap();
    };
    killed_everywhere(&room, "export layout -o out/a.tar", empty, check(None));
    let old = || {
        empty();
        fs::write(room.path("out/a.tar"), "old").unwrap();
    };
    killed_everywhere(&room, "export layout -o out/a.tar", old, check(Some(b"old")));
}

#[test]
fn a_killed_change_leaves_a_layout_without_leftovers() {
    let room = Room::with_layouts();
    room.ok("build -f one -f two --sparse --tag sparse -o sparse-one");
    fs::rename(room.path("layout"), room.path("before")).unwrap();
    room.ok("image-layout before -o garbage");
    room.ok("append other -o garbage");
    room.ok("delete garbage:two");
    for (from, args) in [
        ("before", "append other -o layout"),
        ("sparse-one", "fill layout"),
        ("garbage", "gc layout"),
    ] {
        let begin = || {
            room.remove("layout");
            std::process::Command::new("cp")
                .args(["-r", from, "layout"])
                .current_dir(room.path(""))
                .status()
                .unwrap();
        };
        let check = |killed: &str| {
            assert!(
                room.leftovers("layout").len() <= usize::from(killed.contains("rename")),
                "{killed}"
            );
            let verified = room.run(&[], "verify layout --strict");
            assert!(verified.status.success(), "{killed}: {verified:?}");
            let again = room.run(&[], args);
            assert!(again.status.success(), "{killed}: {again:?}");
            room.ok("gc layout");
            assert_eq!(room.leftovers("layout"), [] as [std::path::PathBuf; 0], "{killed}");
        };
        killed_everywhere(&room, args, begin, check);
    }
}

/// Files of other programs stay, and a running program is not mistaken for a killed one.
#[test]
fn files_of_other_programs_stay() {
    let room = Room::with_layouts();
    let kill = |args: &str, call: &str, nth: u32| {
        room.remove("out");
        let (trace, inject) =
            (format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}"));
        let run = room
            .run(&["strace", "-f", "-qq", "-e", &trace, "-e", &inject, "-o", "/dev/null"], args);
        assert!(!run.status.success());
        assert!(room.path("out/.oci-layout-output").exists());
    };
    let refused = |args: &str, reason: &str| {
        let run = room.run(&[], args);
        assert!(run.status.code() == Some(1) && run.err.contains(reason), "{run:?}");
    };
    let build = "--threads 1 build -f one -o out";
    for (what, put) in [
        (
            "a file",
            (|room: &Room| fs::write(room.path("out/notes.txt"), "mine"))
                as fn(&Room) -> std::io::Result<()>,
        ),
        ("a folder", |room| fs::create_dir(room.path("out/mine"))),
        ("a file among blobs", |room| fs::write(room.path("out/blobs/sha256/notes.txt"), "mine")),
        ("another algorithm", |room| fs::create_dir(room.path("out/blobs/sha512"))),
        ("a link", |room| std::os::unix::fs::symlink("/etc/passwd", room.path("out/DiffID"))),
        ("a linked folder", |room| std::os::unix::fs::symlink("/etc", room.path("out/recipes"))),
        ("another claim", |room| {
            fs::write(room.path("out/.oci-layout-output"), "of another program")
        }),
    ] {
        kill(build, "linkat", 3);
        put(&room).unwrap();
        let before = walkdir::WalkDir::new(room.path("out")).into_iter().count();
        refused(build, "is not empty");
        assert_eq!(walkdir::WalkDir::new(room.path("out")).into_iter().count(), before, "{what}");
    }

    // Killed when the layout was complete, which was used afterwards: what was added is not lost.
    kill("--threads 1 build -f one --tag one -o out", "unlink", 1);
    room.ok("append other -o out");
    let index = fs::read(room.path("out/index.json")).unwrap();
    refused("build -f one --tag one -o out", "is an image layout with other contents");
    assert_eq!(fs::read(room.path("out/index.json")).unwrap(), index);
    room.ok("verify out --strict");

    // Killed when the layout was complete, which was damaged afterwards, as by a power loss: the
    // blobs are the new ones.
    kill("--threads 1 build -f one --tag one -o out", "unlink", 1);
    for blob in fs::read_dir(room.path("out/blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        fs::write(blob.path(), vec![0; blob.metadata().unwrap().len() as usize]).unwrap();
    }
    room.ok("build -f one --tag one -o out");
    room.ok("verify out --strict");
}

#[test]
fn an_output_in_progress_is_refused_and_left_alone() {
    let room = Room::new();
    // It waits for a writer of the pipe.
    assert!(
        std::process::Command::new("mkfifo").arg(room.path("pipe")).status().unwrap().success()
    );
    for first in ["build -f pipe:/file -o out", "layer-tar -f pipe:/file -o out"] {
        let mut running =
            room.command(&[], first).stdout(std::process::Stdio::null()).spawn().unwrap();
        while !room.path("out/.oci-layout-output").exists() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        for args in
            ["build -f one -o out", "layer-tar -f one -o out", "build -f one --no-lock -o out"]
        {
            let run = room.run(&[], args);
            let said = "is being written by another program";
            assert!(run.status.code() == Some(1) && run.err.contains(said), "{args}: {run:?}");
        }
        assert!(running.try_wait().unwrap().is_none());
        fs::write(room.path("pipe"), "contents").unwrap();
        assert!(running.wait().unwrap().success());
        assert_eq!(room.leftovers("out"), [] as [std::path::PathBuf; 0]);
        room.remove("out");
    }
}
