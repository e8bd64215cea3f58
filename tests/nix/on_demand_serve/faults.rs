//! Builders that do not end, and a registry that is told to end.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{registry::Registry, set};
use crate::nix::{
    on_demand::Set,
    versions::{Nix, for_each_nix},
};

for_each_nix!(a_builder_ends_at_the_deadline, a_registry_that_ends_leaves_nothing);

/// Waits until the builder of the package `sleeping` runs.
fn wait_for_builder(set: &Set<'_>) {
    let end = Instant::now() + Duration::from_secs(20);
    while set.process().is_none() {
        assert!(Instant::now() < end, "the builder never starts");
        thread::sleep(Duration::from_millis(10));
    }
}

fn a_builder_ends_at_the_deadline(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &["--nix-timeout", "3"]);
    thread::scope(|scope| {
        let answer = scope.spawn(|| registry.manifest("sleeping"));
        wait_for_builder(&set);
        let begin = Instant::now();
        // Others do not wait for it.
        assert_eq!(registry.manifest("one").status, 200);
        let answer = answer.join().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(answer.status, 422);
        let message = answer.message();
        assert!(message.contains("3 s") || message.contains("3 seconds"), "{message}");
    });
    set.assert_no_process();
}

fn a_registry_that_ends_leaves_nothing(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &["--drain", "1"]);
    let status = thread::scope(|scope| {
        let answer = scope.spawn(|| registry.manifest("sleeping"));
        wait_for_builder(&set);
        registry.terminate();
        let begin = Instant::now();
        assert_eq!(answer.join().unwrap().status, 503);
        assert!(begin.elapsed() > Duration::from_millis(900), "{:?}", begin.elapsed());
        begin
    });
    assert!(registry.end().success());
    assert!(status.elapsed() < Duration::from_secs(5), "{:?}", status.elapsed());
    set.assert_no_process();
    // The next one makes images.
    let registry = Registry::start(&nix, &set, &[]);
    assert_eq!(registry.manifest("one").status, 200);
}
