//! What starts in which order, and how it stops.

use std::time::Duration;

use serde_json::json;

use super::{Services, sh};

#[test]
fn services_start_in_order_and_stop_in_reverse() {
    let daemon = |name: &str| {
        let script = format!(
            "trap 'echo {name} stops; exit 0' TERM; echo {name}; echo >&3; while :; do sleep 0.05; done"
        );
        json!({ "name": name, "kind": "long-run", "command": sh(&script), "readiness": { "fd": 3 },
            "stopTimeout": 20 })
    };
    let services = Services::new(json!([
        { "name": "before", "kind": "oneshot-pre", "command": sh("echo before") },
        daemon("first"),
        daemon("second"),
        { "name": "after", "kind": "oneshot-post", "command": sh("echo after") },
    ]));
    let container = services.start(&[]);
    container.wait_for("after");
    assert_eq!(container.logs(), "before\nfirst\nsecond\nafter\n");
    let (code, took) = container.stop();
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let logs = container.logs();
    assert_eq!(logs, "before\nfirst\nsecond\nafter\nsecond stops\nfirst stops\n");
}
