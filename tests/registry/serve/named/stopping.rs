//! An endpoint that stops while an image is made.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::registry::serve::{
    Served,
    client::{open, read},
    named::fake::{Fake, served},
    wait_until,
};

#[test]
fn the_image_is_made_and_sent() {
    let fake = Fake::closed();
    let Served { address, serving, .. } = served(&fake);
    let client = open(&address, "GET", "/v2/a/manifests/latest", &[]);
    wait_until("it is being made", || fake.makes() == 1);
    thread::scope(|scope| {
        scope.spawn(|| serving.stop_within(Duration::from_secs(60)));
        wait_until("it accepts no more connections", || TcpStream::connect(&address).is_err());
        fake.open_gate();
        assert_eq!(read(client, false).status, 200);
    });
    assert_eq!(fake.stopped(), 0);
}

#[test]
fn patience_ends() {
    let fake = Fake::closed();
    let Served { address, serving, .. } = served(&fake);
    let client = open(&address, "GET", "/v2/a/manifests/latest", &[]);
    wait_until("it is being made", || fake.makes() == 1);
    let begun = Instant::now();
    serving.stop_within(Duration::from_millis(300));
    // It returns when the thread that made the image has ended.
    assert_eq!(fake.stopped(), 1);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let answer = read(client, false);
    assert_eq!((answer.status, &*answer.code()), (503, "UNAVAILABLE"));
}

/// Dropping it stops it at once, and what it makes too.
#[test]
fn it_is_dropped() {
    let fake = Fake::closed();
    let Served { address, serving, .. } = served(&fake);
    let _client = open(&address, "GET", "/v2/a/manifests/latest", &[]);
    wait_until("it is being made", || fake.makes() == 1);
    drop(serving);
    wait_until("it is given up", || fake.stopped() == 1);
}
