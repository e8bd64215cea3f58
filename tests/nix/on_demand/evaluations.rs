//! Evaluations have limits.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use oci_layout::{
    on_demand::PackageSource,
    registry::{
        NamedImageErrorKind::{Busy, Failed, Internal, Stopped, TooLate},
        Stop,
    },
};

use super::{Set, assert_no_path, resolve, system};
use crate::nix::versions::{Nix, Version, for_each_nix};

for_each_nix!(
    an_evaluation_ends_at_its_deadline,
    an_evaluation_has_a_limit_on_memory,
    an_evaluation_may_say_much,
    an_evaluation_reads_fetches_and_builds_nothing_else,
    nix_is_checked_before_it_is_used,
);

fn an_evaluation_ends_at_its_deadline(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|options| options.evaluation_time = Duration::from_secs(2));
    let start = Instant::now();
    let error = resolve(&packages, &["hello", "endlessevaluation"]).unwrap_err();
    assert_eq!(error.kind, TooLate, "{error:?}");
    assert!(error.message.contains("longer than the 2 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_no_evaluation(&set);

    let packages = set.packages(|_| ());
    let stop = Stop::default();
    let revision = packages.revision("latest", &stop).unwrap();
    let setter = stop.clone();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        setter.set();
    });
    let names = ["endlessevaluation".to_owned()];
    let error = packages.resolve(&revision, system(), &names, &stop).unwrap_err();
    assert_eq!(error.kind, Stopped, "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    thread.join().unwrap();
    assert_no_evaluation(&set);
}

/// No process has the folder of the set among its arguments.
fn assert_no_evaluation(set: &Set<'_>) {
    let folder = format!("packages={}", set.folder.display());
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains(&folder), "{process:?}");
    }
}

fn an_evaluation_has_a_limit_on_memory(nix: Nix) {
    let set = Set::new(&nix);
    // Without an evaluation, a newer Nix reserves about half of it.
    let packages = set.packages(|options| options.evaluation_memory = Some(2 << 30));
    assert!(resolve(&packages, &["hello"]).is_ok());
    let start = Instant::now();
    let error = resolve(&packages, &["endlessmemory"]).unwrap_err();
    assert_eq!(error.kind, Failed, "{error:?}");
    assert!(error.message.contains("memory"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_no_path(&set, &error);
}

fn an_evaluation_may_say_much(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    assert_eq!(resolve(&packages, &["loudevaluation"]).unwrap().packages.len(), 1);
    let error = resolve(&packages, &["loudthrow"]).unwrap_err();
    assert_eq!(error.kind, Failed);
    assert!(error.message.contains("after all"), "{error}");
    assert!(error.detail.unwrap().len() < 200_000);
}

fn an_evaluation_reads_fetches_and_builds_nothing_else(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|options| options.allow_builds = true);
    for (name, reason) in [
        ("readsfile", "forbidden in restricted mode"),
        ("fetches", "forbidden in restricted mode"),
        ("imports", "'allow-import-from-derivation' is disabled"),
    ] {
        let error = resolve(&packages, &[name]).unwrap_err();
        assert_eq!(error.kind, Failed, "{error:?}");
        let detail = error.detail.clone().unwrap();
        assert!(detail.contains(reason), "{name}: {detail}");
        assert_no_path(&set, &error);
    }
}

fn nix_is_checked_before_it_is_used(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    // The tests run as root.
    let error = packages.check(false).unwrap_err().to_string();
    assert!(error.contains("this process is root"), "{error}");
    packages.check(true).unwrap();
    for (name, value, expected) in [
        ("sandbox", "false", "its sandbox is off"),
        ("sandbox", "relaxed", "its sandbox is off or relaxed"),
    ] {
        let packages = set.packages(|options| {
            options.settings.insert(name.to_owned(), value.to_owned());
        });
        let error = packages.check(true).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let packages = set.packages(|options| options.programs = Some("/nonexistent".into()));
    let error = packages.check(true).unwrap_err().to_string();
    assert!(error.contains("its settings cannot be read"), "{error}");
    let error = resolve(&packages, &["hello"]).unwrap_err();
    assert_eq!(error.kind, Internal);
    assert!(!error.message.contains("nonexistent"), "{error}");
}

#[test]
fn a_set_that_changes_while_it_is_read_is_read_again_later() {
    let nix = Nix::new(Version::System);
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    let stop = Stop::default();
    let revision = packages.revision("latest", &stop).unwrap();
    // The evaluation waits for a reader of this pipe, so that the change comes meanwhile.
    let changed = set.folder.join("default.nix");
    let text = fs::read_to_string(&changed).unwrap();
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        fs::write(&changed, format!("{text}\n")).unwrap();
    });
    let slow = set.packages(|options| options.evaluation_time = Duration::from_secs(2));
    assert_eq!(slow.revision("latest", &stop).unwrap(), revision);
    let names = ["endlessevaluation".to_owned()];
    let error = slow.resolve(&revision, system(), &names, &stop).unwrap_err();
    assert_eq!(error.kind, Busy(Duration::from_secs(1)), "{error:?}");
    writer.join().unwrap();
    assert_ne!(slow.revision("latest", &stop).unwrap(), revision);
}
