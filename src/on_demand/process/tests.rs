use std::{fs, path::Path, thread};

use super::*;

fn limits(time: Duration) -> Limits {
    Limits { time, memory: None, stdout: 1 << 20 }
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn run_sh(script: &str, time: Duration) -> Result<Vec<u8>, Failure> {
    run(&mut sh(script), limits(time), &Stop::default())
}

const LONG: Duration = Duration::from_secs(60);

/// Whether a process with this number runs, and is not a zombie.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

fn read(path: &Path) -> String {
    let end = Instant::now() + LONG;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text;
        }
        assert!(Instant::now() < end, "{path:?} was not written");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn both_outputs_and_the_status_are_returned() {
    assert_eq!(run_sh("echo out; echo err >&2", LONG).unwrap(), b"out\n");
    match run_sh("echo why >&2; exit 3", LONG) {
        Err(Failure::Ended(status, stderr)) => {
            assert_eq!((status.code(), &stderr[..]), (Some(3), "why\n"))
        }
        other => panic!("{other:?}"),
    }
    let missing = run(&mut Command::new("/nonexistent"), limits(LONG), &Stop::default());
    assert!(matches!(missing, Err(Failure::NotStarted(_))), "{missing:?}");
}

#[test]
fn much_on_the_standard_error_output_neither_hangs_nor_stays_in_memory() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo end >&2; echo out";
    assert_eq!(run_sh(script, LONG).unwrap(), b"out\n");
    match run_sh(&format!("{script}; exit 1"), LONG) {
        Err(Failure::Ended(_, stderr)) => {
            assert!((STDERR..=2 * STDERR).contains(&stderr.len()), "{}", stderr.len());
            assert!(stderr.ends_with("xend\n"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_much_output_ends_the_program() {
    let start = Instant::now();
    let failure = run_sh("cat /dev/zero", LONG);
    assert!(matches!(failure, Err(Failure::TooMuchOutput)), "{failure:?}");
    let failure = run_sh("head -c 1048577 /dev/zero", LONG);
    assert!(matches!(failure, Err(Failure::TooMuchOutput)), "{failure:?}");
    assert!(run_sh("head -c 1048576 /dev/zero", LONG).is_ok());
    assert!(start.elapsed() < LONG);
}

#[test]
fn no_process_remains_after_the_deadline() {
    let dir = tempfile::TempDir::new().unwrap();
    // One ignores SIGTERM, and one is in a session of its own, as Nix's builders are.
    let script = format!(
        "trap '' TERM; setsid sleep 1000 & echo $! > {0}/away; sleep 1000 & echo $! > {0}/near; \
         echo $$ > {0}/self; echo said >&2; while :; do sleep 1000; done",
        dir.path().display()
    );
    let start = Instant::now();
    match run_sh(&script, Duration::from_millis(500)) {
        Err(Failure::TooLate(stderr)) => assert_eq!(stderr, "said\n"),
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    for name in ["away", "near", "self"] {
        let pid = read(&dir.path().join(name));
        assert!(!runs(&pid), "{name} ({pid}) still runs");
    }
}

#[test]
fn a_program_that_left_a_process_in_its_group_leaves_none() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("pid");
    let output = run_sh(&format!("sleep 1000 & echo $! > {}", file.display()), LONG).unwrap();
    assert!(output.is_empty());
    let pid = read(&file);
    let end = Instant::now() + Duration::from_secs(5);
    while runs(&pid) {
        assert!(Instant::now() < end, "{pid} still runs");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_ends_when_nobody_waits_for_it() {
    let stop = Stop::default();
    let setter = stop.clone();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        setter.set();
    });
    let failure = run(&mut sh("sleep 1000"), limits(LONG), &stop);
    assert!(matches!(failure, Err(Failure::Stopped)), "{failure:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    thread.join().unwrap();
    let failure = run(&mut sh("sleep 1000"), limits(LONG), &stop);
    assert!(matches!(failure, Err(Failure::Stopped)), "{failure:?}");
}

#[test]
fn memory_is_limited() {
    let script = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}";
    assert_eq!(run_sh(script, LONG).unwrap(), b"60000000\n");
    let limits = Limits { memory: Some(40 << 20), ..limits(LONG) };
    let failure = run(&mut sh(script), limits, &Stop::default());
    assert!(matches!(failure, Err(Failure::Ended(..))), "{failure:?}");
}

/// Nobody would end it at its deadline if this process were killed.
#[test]
fn processor_time_is_limited_with_memory() {
    let script = "sleep 0.3; grep 'cpu time' /proc/$$/limits";
    let limits = Limits { memory: Some(1 << 30), ..limits(Duration::from_secs(12)) };
    let text = run(&mut sh(script), limits, &Stop::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words, ["Max", "cpu", "time", "14", "14", "seconds"]);
}
