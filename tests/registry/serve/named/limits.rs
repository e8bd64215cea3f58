//! More images than the endpoint makes.

use std::{thread, time::Duration};

use oci_layout::registry::MakingLimits;

use crate::registry::serve::{
    Served,
    client::{get, open, read},
    named::fake::{Fake, manifest, served_with},
    wait_until,
};

/// An endpoint with these limits and its counters.
fn served(fake: &Fake, limits: MakingLimits) -> Served {
    let any = "127.0.0.1:0".parse().unwrap();
    served_with(fake, |endpoint| endpoint.making_limits(limits).operations(any))
}

/// Waits until a counter has this value. A request takes a while to reach the endpoint, and so does
/// the end of a connection.
#[track_caller]
fn wait_for(served: &Served, counter: &str, value: usize) {
    let operations = served.serving.operations().unwrap().to_string();
    let line = format!("\noci_layout_{counter} {value}\n");
    let has = || {
        let metrics = get(&operations, "/metrics", &[]).body;
        String::from_utf8_lossy(&metrics).contains(&line)
    };
    wait_until(&line, has);
}

fn limits(at_once: usize, queued: usize, of_client: usize) -> MakingLimits {
    let mut limits = MakingLimits::default();
    (limits.at_once, limits.queued, limits.of_client) = (at_once, queued, of_client);
    limits
}

#[test]
fn two_hundred_names_at_once() {
    let fake = Fake::closed();
    let served = served_with(&fake, |endpoint| endpoint.making_limits(limits(3, 20, 1000)));
    let target = |n: usize| format!("/v2/name{n}/manifests/latest");
    let clients: Vec<_> = (0..200).map(|n| open(&served.address, "GET", &target(n), &[])).collect();
    wait_until("the others are refused", || served.events(" 429").len() == 177);
    assert_eq!((fake.makes(), fake.most()), (3, 3));
    assert_eq!(get(&served.address, "/v2/fixed/manifests/latest", &[]).status, 200);
    fake.open_gate();
    let answers: Vec<_> = clients.into_iter().map(|client| read(client, false)).collect();
    let with = |status: u16| answers.iter().filter(move |answer| answer.status == status);
    assert_eq!((with(200).count(), with(429).count()), (23, 177));
    for refused in with(429) {
        assert_eq!((&*refused.code(), refused.header("retry-after")), ("TOOMANYREQUESTS", "5"));
    }
    assert_eq!((fake.makes(), fake.most()), (23, 3));
    // There is room again.
    assert_eq!(manifest(&served, "other").status, 200);
}

/// A client in the queue that leaves makes room, and its image is never begun.
#[test]
fn a_client_leaves_the_queue() {
    let fake = Fake::closed();
    let served = served(&fake, limits(1, 1, 9));
    let connect = |name| open(&served.address, "GET", &format!("/v2/{name}/manifests/latest"), &[]);
    let first = connect("a");
    wait_until("it is being made", || fake.makes() == 1);
    let queued = connect("b");
    wait_for(&served, "images_queued", 1);
    assert_eq!(manifest(&served, "c").status, 429);
    drop(queued);
    wait_for(&served, "images_queued", 0);
    let third = connect("d");
    wait_for(&served, "images_queued", 1);
    fake.open_gate();
    assert_eq!([first, third].map(|client| read(client, false).status), [200, 200]);
    assert_eq!(fake.makes(), 2);
}

#[test]
fn limits_change_while_clients_wait() {
    let fake = Fake::closed();
    let served = served(&fake, limits(1, 9, 9));
    let connect = |name| open(&served.address, "GET", &format!("/v2/{name}/manifests/latest"), &[]);
    let clients = ["a", "b", "c", "d", "e"].map(connect);
    wait_until("one is being made", || fake.makes() == 1);
    wait_for(&served, "images_queued", 4);
    served.serving.set_making_limits(limits(3, 9, 9));
    wait_until("three are being made", || fake.makes() == 3);
    // The queue is longer than it may be now, and those in it stay.
    served.serving.set_making_limits(limits(1, 1, 9));
    assert_eq!(manifest(&served, "f").status, 429);
    assert_eq!(fake.makes(), 3);
    fake.open_gate();
    assert_eq!(clients.map(|client| read(client, false).status), [200; 5]);
    assert_eq!((fake.makes(), fake.most()), (5, 3));
}

#[test]
fn a_client_with_too_many_images() {
    let fake = Fake::closed();
    let served = served(&fake, limits(9, 9, 2));
    let connect = |name| open(&served.address, "GET", &format!("/v2/{name}/manifests/latest"), &[]);
    let clients = ["a", "b"].map(connect);
    wait_until("both are being made", || fake.makes() == 2);
    assert_eq!(manifest(&served, "c").status, 429);
    // It may wait for the same image more than once.
    let again = connect("a");
    wait_for(&served, "requests_waiting", 3);
    fake.open_gate();
    assert_eq!(read(again, false).status, 200);
    assert!(clients.map(|client| read(client, false).status) == [200, 200]);
    assert_eq!(manifest(&served, "c").status, 200);
}

#[test]
fn failures_are_remembered_for_a_while() {
    let fake = Fake::open();
    let mut short = MakingLimits::default();
    short.remember_failures = Duration::from_millis(300);
    let served = served_with(&fake, |endpoint| endpoint.making_limits(short));
    let fail = || assert_eq!(manifest(&served, "fails").status, 422);
    (0..3).for_each(|_| fail());
    assert_eq!(fake.makes(), 1);
    thread::sleep(Duration::from_millis(400));
    (0..3).for_each(|_| fail());
    assert_eq!(fake.makes(), 2);
    // A registry that is busy may not be soon.
    (0..2).for_each(|_| assert_eq!(manifest(&served, "busy").status, 429));
    assert_eq!(fake.makes(), 4);
}
