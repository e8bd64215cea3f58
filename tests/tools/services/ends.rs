//! What ends a container, and with which exit code.

use serde_json::{Value, json};

use super::{Services, sh};

const FOREVER: &str = "while :; do sleep 0.05; done";

fn daemon(name: &str, script: &str) -> Value {
    json!({ "name": name, "kind": "long-run", "command": sh(script), "stopTimeout": 20 })
}

/// The exit code of a container, whose other services stop in order.
#[track_caller]
fn code(service: Value) -> Option<i32> {
    let other = daemon("other", &format!("trap 'echo other stops; exit 0' TERM; {FOREVER}"));
    let services = Services::new(json!([other, service]));
    let (code, said) = services.run(&[]);
    assert!(said.contains("other stops"), "{said}");
    code
}

#[test]
fn a_failing_daemon_ends_the_container_with_its_code() {
    assert_eq!(code(daemon("bad", "exit 7")), Some(7));
}

#[test]
fn a_killed_daemon_is_137() {
    assert_eq!(code(daemon("killed", "kill -KILL $$")), Some(137));
}

#[test]
fn a_daemon_that_ends_ends_the_container() {
    assert_eq!(code(daemon("done", "exit 0")), Some(0));
    let mut service = daemon("done", "exit 3");
    service["successExitStatus"] = json!([3]);
    assert_eq!(code(service), Some(0));
}

#[test]
fn a_failing_oneshot_ends_the_container_with_its_code() {
    let failing = json!({ "name": "bad", "kind": "oneshot-post", "command": sh("exit 9") });
    assert_eq!(code(failing), Some(9));
    let failing = json!({ "name": "bad", "kind": "oneshot-pre", "command": ["/nonexistent"] });
    assert_eq!(code(failing), Some(127));
}

#[test]
fn oneshots_alone_end_the_container() {
    let services = Services::new(json!([
        { "name": "one", "kind": "oneshot-pre", "command": ["/bin/echo", "one"] },
        { "name": "two", "kind": "oneshot-post", "command": ["/bin/echo", "two"] },
    ]));
    assert_eq!(services.run(&[]), (Some(0), "one\ntwo\n".into()));
}

#[test]
fn failures_end_nothing_on_request() {
    let services = Services::new(json!([
        { "name": "bad", "kind": "oneshot-pre", "command": sh("exit 9") },
        daemon("worse", "exit 7"),
        daemon("good", &format!("echo good; {FOREVER}")),
        { "name": "last", "kind": "oneshot-post", "command": ["/bin/echo", "last"] },
    ]));
    let container = services.start(&["--env", "S6_DONT_TERMINATE_ON_ERROR=1"]);
    container.wait_for("last");
    let logs = container.logs();
    assert!(logs.contains("bad failed with 9; going on"), "{logs}");
    assert!(logs.contains("worse failed with 7; going on"), "{logs}");
    assert_eq!(container.sh("cat /run/services/scan/good/started; echo up"), "up\n");
    assert_eq!(container.stop().0, 0);
}

#[test]
fn a_container_restarts() {
    let services = Services::new(json!([daemon("daemon", &format!("echo up; {FOREVER}"))]));
    let container = services.start(&[]);
    let count = || container.logs().lines().filter(|line| *line == "up").count();
    for start in 1..=3 {
        container.wait_until("it is up again", || count() == start);
        if start < 3 {
            container.podman(&["restart", "--time", "60"]);
        }
    }
    assert_eq!(container.stop().0, 0);
}

/// The service that stops first takes a while, and the other one ends meanwhile.
#[test]
fn nothing_starts_again_while_the_container_stops() {
    let mut ends = daemon("ends", "echo ends; until [ -e /tmp/gone ]; do sleep 0.05; done");
    ends["restart"] = "always".into();
    let slow = daemon("slow", &format!("trap 'touch /tmp/gone; sleep 2; exit 0' TERM; {FOREVER}"));
    let services = Services::new(json!([
        ends,
        slow,
        { "name": "last", "kind": "oneshot-post", "command": ["/bin/echo", "last"] },
    ]));
    let container = services.start(&[]);
    container.wait_for("last");
    assert_eq!(container.stop().0, 0);
    assert_eq!(container.logs(), "ends\nlast\n");
}
