//! Readiness, restarts, conditions, commands around a start, and loggers.

use serde_json::{Value, json};

use super::{Services, sh};

const FOREVER: &str = "while :; do sleep 0.05; done";

/// A daemon, and a oneshot that prints `last` once it is ready.
fn with_last(daemon: Value) -> Value {
    json!([daemon, { "name": "last", "kind": "oneshot-post", "command": ["/bin/echo", "last"] }])
}

#[test]
fn others_wait_until_a_service_is_ready() {
    let rows = [
        (json!({ "fd": 5 }), format!("sleep 0.5; echo ready; echo >&5; exec 5>&-; {FOREVER}")),
        // logger writes to the socket as sd_notify does.
        (
            json!({ "sdNotify": true }),
            format!(
                "ln -sf $NOTIFY_SOCKET /dev/log; logger STATUS=; sleep 0.5; echo ready; \
                 logger READY=1; {FOREVER}"
            ),
        ),
        (
            json!({ "command": sh("test -e /tmp/ready"), "interval": 0.05, "timeout": 60 }),
            format!("sleep 0.5; echo ready; touch /tmp/ready; {FOREVER}"),
        ),
    ];
    for (readiness, script) in rows {
        let daemon = json!({ "name": "daemon", "kind": "long-run", "command": sh(&script),
            "readiness": readiness, "stopTimeout": 20 });
        let services = Services::new(with_last(daemon));
        let container = services.start(&[]);
        container.wait_for("last");
        assert_eq!(container.logs(), "ready\nlast\n", "{readiness}");
    }
}

/// The daemon is another process than the one that was started, and has another user than root.
#[test]
fn a_daemon_goes_to_the_background() {
    let child =
        format!("trap 'echo stops; exit 0' TERM; id -u; echo $$ >/run/daemon/pid; {FOREVER}");
    let parent =
        sh("sh -c \"$0\" & until [ -s /run/daemon/pid ]; do sleep 0.05; done; echo parent ends");
    let command = [parent.as_array().unwrap().as_slice(), &[json!(child)]].concat();
    let mut daemon = json!({ "name": "daemon", "kind": "long-run", "command": command,
        "user": { "uid": 1000, "gid": 1000 },
            "directories": [{ "path": "/run/daemon", "mode": "0755", "uid": 1000, "gid": 1000 }],
            "pidFile": "/run/daemon/pid", "stopTimeout": 20 });
    let services = Services::with_newer_s6(with_last(daemon.clone()));
    let container = services.start(&[]);
    container.wait_for("last");
    assert_eq!(container.logs(), "1000\nparent ends\nlast\n");
    assert_eq!(container.stop().0, 0);
    assert!(container.logs().ends_with("\nstops\n"), "{}", container.logs());

    // The end of the daemon is that of the service.
    daemon["command"][3] = json!("echo $$ >/run/daemon/pid; sleep 1; exit 7");
    let (code, said) = Services::with_newer_s6(json!([daemon])).run(&[]);
    assert_eq!(code, Some(7), "{said}");
}

#[test]
fn a_service_that_is_never_ready_fails() {
    let services = Services::new(json!([{
        "name": "daemon", "kind": "long-run", "command": sh(FOREVER), "stopTimeout": 20,
        "readiness": { "command": ["/bin/false"], "interval": 0.1, "timeout": 1 },
    }]));
    let (code, said) = services.run(&[]);
    assert!(said.contains("daemon: it is not ready after 1 s"), "{said}");
    assert_eq!(code, Some(1));
    for readiness in [json!({ "fd": 3, "timeout": 1 }), json!({ "sdNotify": true, "timeout": 0.5 })]
    {
        let services = Services::new(with_last(json!({ "name": "daemon", "kind": "long-run",
            "command": sh(FOREVER), "stopTimeout": 20, "readiness": readiness })));
        let (code, said) = services.run(&[]);
        let expected =
            "start-services: daemon: it is not ready after 1 s; the container ends with 1\n";
        assert_eq!((code, said.as_str()), (Some(1), expected), "{readiness}");
    }
    // With this variable, the container goes on, so that its user can look for the fault.
    let services = Services::new(with_last(json!({ "name": "daemon", "kind": "long-run",
        "command": sh(FOREVER), "stopTimeout": 20, "readiness": { "fd": 3, "timeout": 1 } })));
    let container = services.start(&["--env", "S6_DONT_TERMINATE_ON_ERROR=1"]);
    container.wait_for("last");
    assert_eq!(container.stop().0, 0);
}

#[test]
fn services_start_again() {
    let count = |last: &str| {
        format!(
            "echo x >>/tmp/starts; n=$(wc -l </tmp/starts); echo start $n; [ $n = 3 ] && {last}; exit 5"
        )
    };
    let again = FOREVER.to_owned();
    let rows = [
        (json!({ "restart": "on-failure" }), count(&again), None),
        (
            json!({ "restart": "always", "restartDelay": 0.3 }),
            count(&again).replace("exit 5", "exit 0"),
            None,
        ),
        (
            json!({ "restart": "on-failure", "startLimit": { "burst": 2, "interval": 60 } }),
            count(&again),
            Some(5),
        ),
        (json!({ "restart": "on-failure" }), count("exit 0"), Some(0)),
    ];
    for (members, script, ends) in rows {
        let mut daemon = json!({ "name": "daemon", "kind": "long-run", "command": sh(&script),
            "postStart": [{ "command": sh("echo posted") }], "stopTimeout": 20 });
        daemon.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let services = Services::new(json!([daemon]));
        let container = services.start(&[]);
        match ends {
            None => {
                container.wait_for("start 3");
                let posted = || container.logs().lines().filter(|line| *line == "posted").count();
                container.wait_until("each start is followed by its command", || posted() == 3);
                assert_eq!(container.stop().0, 0, "{members}");
            }
            Some(code) => assert_eq!(container.wait(), code, "{members}: {}", container.logs()),
        }
        let starts = container.logs().lines().filter(|line| line.starts_with("start ")).count();
        assert_eq!(starts, if ends == Some(5) { 2 } else { 3 }, "{members}");
    }
}

#[test]
fn commands_around_a_start() {
    let services = Services::new(with_last(json!({
        "name": "daemon",
        "kind": "long-run",
        "command": sh(&format!("echo main; {FOREVER}")),
        "preStart": [
            { "command": ["/bin/true"], "condition": true },
            { "command": ["/bin/echo", "pre"] },
            { "command": sh("echo failing; exit 4"), "ignoreFailure": true },
            { "command": ["/bin/true"] },
        ],
        "postStart": [{ "command": sh("test -d /proc/$MAINPID && echo post") }],
        "stop": [{ "command": { "line": "/bin/sh -c 'test -d /proc/$1 && echo stop' sh $MAINPID", "unit": "x" } }],
        "stopTimeout": 20,
        "stopSignal": "SIGINT",
    })));
    let container = services.start(&[]);
    container.wait_for("last");
    assert_eq!(container.stop().0, 0);
    let logs = container.logs();
    assert_eq!(logs.replace("main\npost", "post\nmain"), "pre\nfailing\npost\nmain\nlast\nstop\n");
}

#[test]
fn a_condition_skips_and_a_failure_before_the_start_fails() {
    let with = |kind: &str, command: Value, condition: bool| {
        with_last(json!({ "name": "it", "kind": kind, "command": ["/bin/echo", "main"],
            "preStart": [{ "command": command, "condition": condition }] }))
    };
    let rows = [
        ("oneshot-pre", sh("exit 1"), true, (Some(0), "last\n")),
        ("long-run", sh("exit 254"), true, (Some(0), "last\n")),
        (
            "long-run",
            sh("exit 255"),
            true,
            (Some(255), "start-services: it failed; the container ends with 255\n"),
        ),
        (
            "oneshot-pre",
            sh("exit 6"),
            false,
            (Some(6), "start-services: it failed; the container ends with 6\n"),
        ),
        (
            "long-run",
            sh("kill -KILL $$"),
            false,
            (Some(137), "start-services: it failed; the container ends with 137\n"),
        ),
    ];
    for (kind, command, condition, (code, said)) in rows {
        let services = Services::new(with(kind, command.clone(), condition));
        assert_eq!(services.run(&[]), (code, said.into()), "{kind} {command}");
    }
    let second = json!([{ "name": "it", "kind": "oneshot-pre", "command": ["/bin/echo", "main"],
        "preStart": [{ "command": ["/bin/true"] }, { "command": sh("exit 3") }] }]);
    assert_eq!(Services::new(second).run(&[]).0, Some(3));
}

#[test]
fn output_passes_the_logger_with_its_prefix() {
    let services = Services::new(json!([
        { "name": "one", "kind": "oneshot-pre", "command": sh("echo out; echo error >&2"), "prefix": "one: \\n$x " },
        { "name": "two", "kind": "oneshot-pre", "command": sh("printf unfinished"), "prefix": "[two] ",
          "logger": ["/bin/tr", "a-z", "A-Z"] },
    ]));
    let (code, said) = services.run(&[]);
    assert_eq!(code, Some(0));
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort();
    assert_eq!(lines, ["[TWO] UNFINISHED", "one: \\n$x error", "one: \\n$x out"]);
}

#[test]
fn a_daemon_that_ignores_its_signal_is_killed() {
    let services = Services::new(json!([{
        "name": "stubborn", "kind": "long-run", "command": sh(&format!("trap '' TERM; echo up; {FOREVER}")),
        "stopTimeout": 0.5,
    }]));
    let container = services.start(&[]);
    container.wait_for("up");
    assert_eq!(container.stop().0, 0);
}

#[test]
fn a_stop_during_the_start_ends_it() {
    let services = Services::new(json!([
        { "name": "slow", "kind": "oneshot-pre", "command": sh(&format!("echo up; {FOREVER}")), "stopTimeout": 20 },
        { "name": "never", "kind": "long-run", "command": sh("echo never") },
    ]));
    let container = services.start(&[]);
    container.wait_for("up");
    assert_eq!(container.stop().0, 0);
    assert_eq!(container.logs(), "up\n");
}
