//! Failing system calls: a clear error or success, never a panic, and no wrong output with exit
//! code 0.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};

use super::{PROGRAM, Room, Run};

/// Runs the program while some calls fail.
fn with(room: &Room, faults: &[&str], args: &str) -> Run {
    let before = traced(faults);
    room.run(&before.iter().map(String::as_str).collect::<Vec<_>>(), args)
}

/// The command that runs a program in which these calls fail.
fn traced(faults: &[&str]) -> Vec<String> {
    let mut words =
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none"].map(str::to_owned).to_vec();
    let traced: Vec<_> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    words.extend(["-e".to_owned(), format!("trace={}", traced.join(","))]);
    faults.iter().for_each(|fault| words.extend(["-e".to_owned(), format!("inject={fault}")]));
    words
}

/// Checks that the program did not panic and printed at most one error.
#[track_caller]
fn ends_well(run: &Run, what: &str) {
    let code = run.status.code();
    assert!(matches!(code, Some(0 | 1)), "{what}: {run:?}");
    assert!(!run.err.contains("panicked"), "{what}: {run:?}");
    assert!(
        code == Some(0) || run.err.contains("error: ") || !run.out.is_empty(),
        "{what}: {run:?}"
    );
}

/// Every command, and the output to remove before it runs.
fn commands(address: &str) -> Vec<(String, &'static str)> {
    [
        ("build -f one -f two -o out", "out"),
        ("build -f one --base layout:one -o out", "out"),
        ("layer-tar -f one -o out", "out"),
        ("image-layout layout -o out", "out"),
        ("append other -o layout", ""),
        ("verify layout --deep", ""),
        ("inspect layout", ""),
        ("export layout -o out.tar", "out.tar"),
        ("fill layout", ""),
        ("gc layout", ""),
        ("ls layout:one", ""),
        ("cat layout:one /one", ""),
        ("cp layout:one:/one out", "out"),
        ("unpack layout:one -o out", "out"),
        ("unpack layout:one --tar out", "out"),
        ("squash layout:one -o out", "out"),
        ("recompress layout:one --compression zstd -o out", "out"),
        ("layer-diff layout:one other -o out", "out"),
        (&format!("pull {address}/app:two -o out"), "out"),
        (&format!("push layout:one {address}/app:new"), ""),
        (&format!("pull localhost:{}/app:two -o out", address.split_once(':').unwrap().1), "out"),
    ]
    .map(|(args, made)| (args.to_owned(), made))
    .to_vec()
}

#[test]
fn without_new_threads_the_existing_ones_do_the_work() {
    let room = Room::with_layouts();
    let (_serving, address) = room.serve("other");
    for (args, made) in commands(&address) {
        room.remove(made);
        let run = with(
            &room,
            &["clone3:error=EAGAIN", "clone:error=EAGAIN"],
            &format!("--threads 4 {args}"),
        );
        ends_well(&run, &args);
        // The client of a registry needs a thread. This registry accepts no push.
        match args.split(' ').next().unwrap() {
            "pull" | "push" => {
                assert!(
                    run.err.contains("cannot start a thread for the network"),
                    "{args}: {run:?}"
                )
            }
            _ => assert!(run.status.success(), "{args}: {run:?}"),
        }
        for nth in 1..4 {
            room.remove(made);
            let (clone, clone3) = (
                format!("clone:error=EAGAIN:when={nth}"),
                format!("clone3:error=EAGAIN:when={nth}"),
            );
            ends_well(
                &with(&room, &[&clone, &clone3], &format!("--threads 4 {args}")),
                &format!("{args}, {nth}"),
            );
        }
    }
    let run = with(&room, &["clone3:error=EAGAIN"], "serve layout --listen 127.0.0.1:0");
    assert!(
        run.status.code() == Some(1) && run.err.contains("Resource temporarily unavailable"),
        "{run:?}"
    );
}

/// As in a container with a limit of processes, run by another user than root.
#[test]
fn a_limit_of_processes_does_not_panic() {
    let room = Room::with_layouts();
    let set = |path: &str| {
        Command::new("chmod").args(["-R", "a+rwX"]).arg(room.path(path)).status().unwrap()
    };
    assert!(set("").success());
    // The ID of a user without other processes.
    let number = (1_000_000 + std::process::id()).to_string();
    let program = room.path("program");
    fs::copy(PROGRAM, &program).unwrap();
    for args in
        ["verify layout", "build -f one -o out", "export layout -o out.tar", "inspect layout"]
    {
        // Root has no limit.
        let as_another = ["setpriv", "--reuid", &number, "--regid", &number, "--clear-groups"];
        let before = if rustix::process::geteuid().is_root() { &as_another[..] } else { &[] };
        let words: Vec<_> = before.iter().copied().chain(["prlimit", "--nproc=1"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&program).args(["--threads", "4"]).args(args.split(' '));
        let output =
            command.current_dir(room.path("")).env("XDG_CACHE_HOME", "/nothing").output().unwrap();
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn without_locks_writers_fail_with_a_remedy_and_readers_read() {
    let room = Room::with_layouts();
    room.ok("append other -o layout");
    room.ok("delete layout:two");
    room.ok("build -f one --sparse -o sparse");
    let (_serving, address) = room.serve("other");
    let pull = format!("pull {address}/app:two -o out");
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EBADF"] {
        let fault = format!("flock:error={error}");
        for args in [
            "build -f one -o out",
            "layer-tar -f one -o out",
            "image-layout layout -o out",
            &pull,
            "append other -o layout",
            "fill sparse",
            "gc layout",
            "delete layout:two",
        ] {
            let run = with(&room, &[&fault], args);
            assert_eq!(run.status.code(), Some(1), "{args}: {run:?}");
            assert!(
                run.err.contains("cannot lock") && run.err.contains("(--no-lock)"),
                "{args}: {run:?}"
            );
            assert!(!room.path("out").exists(), "{args}");
            let run = with(&room, &[&fault], &format!("{args} --no-lock"));
            assert!(run.status.success(), "{args}: {run:?}");
            room.remove("out");
        }
        for args in [
            "verify layout",
            "inspect layout",
            "export layout -o out.tar",
            "build -f one --base layout:one -o out --no-lock",
        ] {
            let run = with(&room, &[&fault], args);
            assert!(run.status.success(), "{args}: {run:?}");
            room.remove("out");
        }
        room.ok("append other -o layout");
        room.remove("sparse");
        room.ok("build -f one --sparse -o sparse");
    }
}

/// A signal with a handler, or a debugger, interrupts a call, which is then repeated.
#[test]
fn an_interrupted_call_is_made_again() {
    let room = Room::with_layouts();
    room.ok("build -f one -f two --sparse --tag latest -o sparse");
    for call in ["flock", "fsync", "fdatasync", "openat", "linkat"] {
        for nth in 1..4 {
            let fault = format!("{call}:error=EINTR:when={nth}");
            for args in [
                "build -f one -o out",
                "append other -o layout",
                "verify layout",
                "export layout -o out.tar",
                "gc layout",
            ] {
                // The system opens libraries when a program starts.
                if call == "openat" && nth < 3 {
                    continue;
                }
                let run = with(&room, &[&fault], args);
                assert!(run.status.success(), "{args}, {fault}: {run:?}");
                room.remove("out");
            }
        }
    }
}

/// A sample: each of these calls fails once, early or late, with a typical error.
#[test]
fn a_failed_system_call_is_an_error_and_not_a_panic() {
    let room = Room::with_layouts();
    fs::rename(room.path("layout"), room.path("before")).unwrap();
    let begin = || {
        room.remove("layout");
        room.remove("out");
        room.remove("out.tar");
        Command::new("cp")
            .args(["-r", "before", "layout"])
            .current_dir(room.path(""))
            .status()
            .unwrap();
    };
    let mut errors = 0;
    for fault in [
        "openat:error=EMFILE:when=12",
        "openat:error=EIO:when=15",
        "write:error=ENOSPC:when=1",
        "write:error=EIO:when=3",
        "read:error=EIO:when=5",
        "fdatasync:error=EIO:when=1",
        "fdatasync:error=ENOSPC:when=2",
        "fsync:error=EIO:when=1",
        "fsync:error=EIO:when=3",
        "linkat:error=EIO:when=1",
        "linkat:error=EPERM:when=1",
        "linkat:error=EXDEV:when=2",
        "renameat:error=EACCES:when=1",
        "mkdir:error=EDQUOT:when=2",
        "fchmod:error=EPERM:when=1",
        "flock:error=EINVAL:when=1",
        "getdents64:error=EIO:when=1",
        "unlink:error=EIO:when=1",
        "mmap:error=ENOMEM:when=40",
    ] {
        for args in [
            "build -f one -o out",
            "append other -o layout",
            "export layout -o out.tar",
            "verify layout",
            "gc layout",
        ] {
            begin();
            let run = with(&room, &[fault], &format!("--threads 1 {args}"));
            ends_well(&run, &format!("{args}, {fault}"));
            errors += usize::from(!run.status.success());
            // Existing files are intact, and the same command succeeds after the fault.
            room.ok("verify layout --strict");
            if run.status.success() {
                room.remove("out");
            }
            let again = room.run(&[], args);
            assert!(again.status.success(), "{args}, {fault}: {run:?}, then {again:?}");
        }
    }
    assert!(errors > 20, "{errors} errors");
}

/// Threads that the system refuses to a registry, at its start and later.
#[test]
fn a_registry_without_threads_refuses_to_start_or_serves() {
    let room = Room::with_layouts();
    room.ok("build -f one --sparse --tag latest -o sparse");
    let mut served = [0; 2];
    for (layout, which) in [("layout", 0), ("sparse", 1)] {
        for nth in 1..=16 {
            // One thread is refused, or this one and all later ones.
            for when in [format!("{nth}"), format!("{nth}+")] {
                let faults = [
                    format!("clone:error=EAGAIN:when={when}"),
                    format!("clone3:error=EAGAIN:when={when}"),
                ];
                let what = format!("serve {layout}, {when}");
                let before = traced(&[&faults[0], &faults[1]]);
                let before: Vec<_> = before.iter().map(String::as_str).collect();
                let args = format!("--threads 4 serve app={layout} --listen 127.0.0.1:0");
                let mut command = room.command(&before, &args);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
                let mut child = command.spawn().unwrap();
                let mut out = BufReader::new(child.stdout.take().unwrap());
                let mut line = String::new();
                out.read_line(&mut line).unwrap();
                if let Some(address) = line.trim().strip_prefix("http://") {
                    served[which] += usize::from(pulls(address, &what));
                    // strace ignores it.
                    let group = Pid::from_child(&child);
                    rustix::process::kill_process_group(group, Signal::TERM).unwrap();
                }
                let output = child.wait_with_output().unwrap();
                let err = String::from_utf8_lossy(&output.stderr).into_owned();
                let run = Run { status: output.status, out: line, err };
                ends_well(&run, &what);
            }
        }
    }
    assert!(served[0] > 16 && served[1] > 8, "{served:?}");
}

/// Checks that an image arrives completely, or that an error or the end of the connection reports
/// the failure.
fn pulls(address: &str, what: &str) -> bool {
    let get = |path: &str, accept: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!(
            "GET /v2/app/{path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{what}: {path}: {error}"));
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let body = answer.split_off(end);
        (String::from_utf8(answer).unwrap(), body)
    };
    let (head, body) = get("tags/list", "*/*");
    assert!(head.starts_with("HTTP/1.1 200"), "{what}: {head}");
    let tags: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let tag = tags["tags"][0].as_str().unwrap();
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let (head, body) = get(&format!("manifests/{tag}"), manifest_type);
    assert!(head.starts_with("HTTP/1.1 200"), "{what}: {head}");
    let manifest: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let layer = &manifest["layers"][0];
    let (head, body) = get(&format!("blobs/{}", layer["digest"].as_str().unwrap()), "*/*");
    if !head.starts_with("HTTP/1.1 200") {
        assert!(head.starts_with("HTTP/1.1 500"), "{what}: {head}");
        return false;
    }
    assert_eq!(body.len() as u64, layer["size"].as_u64().unwrap(), "{what}");
    true
}
