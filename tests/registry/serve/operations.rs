//! What the operator's tools request.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use oci_layout::registry::MakingLimits;

use crate::registry::serve::{
    Served,
    client::{Answer, ask, get, open, read},
    named::fake::{Fake, manifest, served_with},
    wait_until,
};

fn served(fake: &Fake) -> (Served, String) {
    let mut limits = MakingLimits::default();
    (limits.at_once, limits.queued, limits.of_client) = (2, 10, 1000);
    let any = "127.0.0.1:0".parse().unwrap();
    let served = served_with(fake, |endpoint| endpoint.making_limits(limits).operations(any));
    let operations = served.serving.operations().unwrap().to_string();
    (served, operations)
}

/// The value of a metric, whose labels belong to its name.
#[track_caller]
fn metric(answer: &Answer, name: &str) -> f64 {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
}

#[test]
fn counters_follow_the_requests() {
    let fake = Fake::open();
    let (served, operations) = served(&fake);
    let body = manifest(&served, "a").body;
    manifest(&served, "a");
    manifest(&served, "unknown");
    manifest(&served, "broken");
    let metrics = get(&operations, "/metrics", &[]);
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for (name, value) in [
        ("oci_layout_requests_total{status=\"2xx\"}", 2.0),
        ("oci_layout_requests_total{status=\"4xx\"}", 1.0),
        ("oci_layout_requests_total{status=\"5xx\"}", 1.0),
        ("oci_layout_images_failed_total{reason=\"name_unknown\"}", 1.0),
        ("oci_layout_images_failed_total{reason=\"internal\"}", 1.0),
        ("oci_layout_image_seconds_count", 1.0),
        ("oci_layout_image_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("oci_layout_images_being_made", 0.0),
    ] {
        assert_eq!(metric(&metrics, name), value, "{name}");
    }
    assert!(metric(&metrics, "oci_layout_response_bytes_total") >= 2.0 * body.len() as f64);
    let before = metric(&metrics, "oci_layout_blob_builds_total");
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let layer = json["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(served.get(format!("/v2/a/blobs/{layer}")).status, 200);
    let metrics = get(&operations, "/metrics", &[]);
    assert_eq!(metric(&metrics, "oci_layout_blob_builds_total"), before + 1.0);
}

/// The endpoint itself does not answer them, and the listener does not serve images.
#[test]
fn the_listener_is_separate() {
    let (served, operations) = served(&Fake::open());
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(served.get(target).status, 404, "{target}");
        assert_eq!(get(&operations, target, &[]).status, 200, "{target}");
        let head = ask(&operations, "HEAD", target, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        assert_eq!(ask(&operations, "POST", target, &[]).status, 405, "{target}");
    }
    assert_eq!(get(&operations, "/v2/", &[]).status, 404);
}

/// More clients than places, none of which says anything: each is given up after ten seconds.
#[test]
fn silent_connections_end() {
    let (_served, operations) = served(&Fake::open());
    let silent: Vec<_> = (0..70).map(|_| TcpStream::connect(&operations).unwrap()).collect();
    assert_eq!(get(&operations, "/livez", &[]).status, 200);
    drop(silent);
}

#[test]
fn it_answers_at_once_while_images_are_made() {
    let fake = Fake::closed();
    let (served, operations) = served(&fake);
    let target = |n: usize| format!("/v2/name{n}/manifests/latest");
    let clients: Vec<_> = (0..200).map(|n| open(&served.address, "GET", &target(n), &[])).collect();
    wait_until("the others are refused", || served.events(" 429").len() == 188);
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(get(&operations, "/livez", &[]).status, 200);
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    }
    let metrics = get(&operations, "/metrics", &[]);
    assert_eq!(metric(&metrics, "oci_layout_images_being_made"), 2.0);
    assert_eq!(metric(&metrics, "oci_layout_images_queued"), 10.0);
    assert_eq!(metric(&metrics, "oci_layout_requests_waiting"), 12.0);
    fake.open_gate();
    clients.into_iter().for_each(|client| drop(read(client, false)));
}

#[test]
fn it_is_not_ready_while_it_stops() {
    let fake = Fake::closed();
    let (Served { address, serving, .. }, operations) = served(&fake);
    let client = open(&address, "GET", "/v2/a/manifests/latest", &[]);
    wait_until("it is being made", || fake.makes() == 1);
    assert_eq!(get(&operations, "/readyz", &[]).status, 200);
    thread::scope(|scope| {
        scope.spawn(|| serving.stop_within(Duration::from_secs(60)));
        wait_until("it is not ready", || get(&operations, "/readyz", &[]).status == 503);
        assert_eq!(get(&operations, "/livez", &[]).status, 200);
        fake.open_gate();
        assert_eq!(read(client, false).status, 200);
    });
}
