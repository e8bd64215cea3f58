//! Many clients at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{
    registry::{Registry, begun, take_calls},
    set,
};
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix!(simultaneous_pulls_share_the_work, many_names_are_limited);

fn simultaneous_pulls_share_the_work(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    // Half of the clients name the packages in another order.
    let names = ["shell/one/two", "two/one/shell/one"];
    let digests: Vec<String> = thread::scope(|scope| {
        let pull = |name: &'static str| {
            let manifest = registry.manifest(name);
            registry.pull_blobs(name, &manifest);
            manifest.digest().to_owned()
        };
        let pulls: Vec<_> =
            (0..50).map(|number| scope.spawn(move || pull(names[number % 2]))).collect();
        pulls.into_iter().map(|pull| pull.join().unwrap()).collect()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    let calls = take_calls(&nix);
    assert_eq!(begun(&calls, "nix-instantiate"), 1, "{calls:#?}");
    assert_eq!(begun(&calls, "nix-store --realise"), 1, "{calls:#?}");
}

fn many_names_are_limited(nix: Nix) {
    let set = set(&nix);
    let registry = Registry::start(&nix, &set, &[]);
    assert_eq!(registry.manifest("one").status, 200);
    take_calls(&nix);
    let is_over = AtomicBool::new(false);
    let (answers, slowest) = thread::scope(|scope| {
        let pulls: Vec<_> = (0..200)
            .map(|number| {
                let registry = &registry;
                scope.spawn(move || registry.manifest(&format!("one/none{number}")))
            })
            .collect();
        let watch = scope.spawn(|| {
            let mut times = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                times.push(registry.livez());
                thread::sleep(Duration::from_millis(10));
            }
            times.sort();
            times
        });
        // A known image needs no place.
        assert_eq!(registry.manifest("one").status, 200);
        let answers: Vec<_> = pulls.into_iter().map(|pull| pull.join().unwrap()).collect();
        is_over.store(true, Ordering::SeqCst);
        (answers, watch.join().unwrap())
    });
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count(404) + count(429), 200);
    // One client may have 32 images in work.
    assert!(count(404) >= 32 && count(429) >= 32, "{} and {}", count(404), count(429));
    let busy = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(busy.header("retry-after"), Some("5"), "{}", busy.message());
    let calls = take_calls(&nix);
    assert_eq!(begun(&calls, "nix-instantiate"), count(404), "{calls:#?}");
    let (mut now, mut most) = (0_usize, 0);
    for call in &calls {
        now = if call.starts_with("begin") { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    assert!((2..=4).contains(&most), "{most} at once");
    // The machine may have other work.
    assert!(slowest[slowest.len() / 2] < Duration::from_millis(100), "{slowest:?}");
    assert!(slowest[slowest.len() - 1] < Duration::from_secs(1), "{slowest:?}");
}
