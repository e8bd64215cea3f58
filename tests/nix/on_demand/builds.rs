//! Packages are built or substituted, and kept.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use oci_layout::{
    on_demand::{NixPackages, PackageSource},
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Stopped, TooLate},
        Stop,
    },
};

use super::{Set, assert_no_path, paths, resolve};
use crate::{
    common::tool::{run, tool},
    nix::versions::{Nix, for_each_nix},
};

for_each_nix!(
    packages_are_built_and_described_as_nix_does,
    without_permission_nothing_is_built,
    packages_come_from_a_cache,
    a_failed_build_says_why,
    a_builder_ends_at_the_deadline_and_when_nobody_waits,
    packages_stay_until_their_roots_are_removed,
    a_derivation_that_vanished_is_made_again,
    a_daemon_builds_and_ends_its_builders,
);

fn realise(
    packages: &NixPackages,
    names: &[&str],
    root: &Path,
) -> Result<Vec<std::path::PathBuf>, NamedImageError> {
    let resolved = resolve(packages, names).unwrap_or_else(|e| panic!("{names:?}: {e:?}"));
    packages.realise(&resolved, root, &Stop::default())?;
    Ok(paths(&resolved))
}

fn packages_are_built_and_described_as_nix_does(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|options| options.allow_builds = true);
    let root = set.state.join("roots/one");
    let built = realise(&packages, &["program", "program.dev", "hello"], &root).unwrap();
    assert_eq!(built.len(), 3);
    let text = fs::read_to_string(built[1].join("bin/program")).unwrap();
    let closure = packages.closure(&built, &Stop::default()).unwrap();
    // The library is needed, and named in the file.
    assert_eq!(closure.len(), 4);
    assert!(closure.is_sorted_by(|one, other| one.path < other.path));
    for path in &closure {
        let query = |option: &str| {
            let said = run(set.nix("nix-store").args(["--query", option]).arg(&path.path));
            said.trim().to_owned()
        };
        let hash = query("--hash");
        let hash = hash.strip_prefix("sha256:").unwrap();
        let hex = run(tool("nix-hash").args(["--type", "sha256", "--to-base16", hash]));
        assert_eq!(path.nar_hash, hex.trim());
        assert_eq!(path.nar_size.to_string(), query("--size"));
        let mut references: Vec<String> =
            query("--references").lines().map(str::to_owned).collect();
        references.sort();
        let found: Vec<&str> = path.references.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found, references);
    }
    let library = closure.iter().find(|path| path.path.to_str().unwrap().contains("library"));
    assert!(text.contains(library.unwrap().path.to_str().unwrap()), "{text}");

    let small = set.packages(|options| options.closure_size = 100);
    let error = small.closure(&built, &Stop::default()).unwrap_err();
    assert_eq!(error.kind, Failed);
    assert!(error.message.contains("this registry allows 100"), "{error}");
    let missing = [built[0].with_file_name("00000000000000000000000000000000-missing")];
    let error = packages.closure(&missing, &Stop::default()).unwrap_err();
    assert_eq!(error.kind, Failed, "{error:?}");
    assert_no_path(&set, &error);
}

fn without_permission_nothing_is_built(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|_| ());
    for name in ["hello", "local"] {
        let resolved = resolve(&packages, &[name]).unwrap();
        let root = set.state.join("roots/none");
        let error = packages.realise(&resolved, &root, &Stop::default()).unwrap_err();
        assert_eq!(error.kind, Failed, "{error:?}");
        assert!(error.message.contains("this registry does not build"), "{error}");
        assert!(!resolved.packages[0].outputs[0].1.exists(), "{name} was built");
        assert_no_path(&set, &error);
    }
    // The same package can be built.
    let builds = set.packages(|options| options.allow_builds = true);
    let built = realise(&builds, &["local"], &set.state.join("roots/local")).unwrap();
    assert!(built[0].exists());
}

fn packages_come_from_a_cache(nix: Nix) {
    let set = Set::new(&nix);
    let builds = set.packages(|options| options.allow_builds = true);
    let root = set.state.join("root");
    let built = realise(&builds, &["program", "program.dev"], &root).unwrap();
    let cache = format!("file://{}", nix.folder().join("cache").display());
    let mut copy = set.nix("nix");
    copy.args(["--extra-experimental-features", "nix-command", "copy", "--to", &cache]);
    run(copy.args(&built));
    for link in ["root", "root-dev", "root-2"] {
        let _ = fs::remove_file(set.state.join(link));
    }
    set.collect();
    assert!(built.iter().all(|path| !path.exists()), "the packages are gone");

    // The derivations are gone as well, and are not needed.
    let substitutes = set.packages(|options| {
        options.settings.insert("substituters".to_owned(), cache.clone());
        options.settings.insert("require-sigs".to_owned(), "false".to_owned());
    });
    let resolved = resolve(&substitutes, &["program", "program.dev"]).unwrap();
    set.collect();
    assert!(!resolved.packages[0].derivation.exists());
    substitutes.realise(&resolved, &root, &Stop::default()).unwrap();
    assert_eq!(paths(&resolved), built);
    assert!(built.iter().all(|path| path.exists()));
    assert_eq!(substitutes.closure(&built, &Stop::default()).unwrap().len(), 3);
    let error = realise(&substitutes, &["hello"], &set.state.join("other")).unwrap_err();
    assert_eq!(error.kind, Failed);
}

fn a_failed_build_says_why(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|options| options.allow_builds = true);
    let root = set.state.join("root");
    for (name, expected) in [
        ("failing", &["failing-1", "exit code 7", "the reason is in …"][..]),
        ("needsfailing", &["deep-1", "exit code 8", "deep down"]),
        ("loudandfailing", &["loud-2", "exit code 1", "it is loud"]),
    ] {
        let error = realise(&packages, &[name], &root).unwrap_err();
        assert_eq!(error.kind, Failed, "{error:?}");
        for part in expected {
            assert!(error.message.contains(part), "{part} is not in {:?}", error.message);
        }
        assert_no_path(&set, &error);
        assert!(error.message.len() < 1000);
        assert!(error.detail.unwrap().len() < 200_000);
    }
    let built = realise(&packages, &["loud"], &root).unwrap();
    assert_eq!(fs::read_to_string(&built[0]).unwrap(), "done\n");
}

fn a_builder_ends_at_the_deadline_and_when_nobody_waits(nix: Nix) {
    let set = Set::new(&nix);
    let root = set.state.join("root");
    for name in ["sleeping", "stubborn"] {
        let packages = set.packages(|options| {
            options.allow_builds = true;
            options.realisation_time = Duration::from_secs(3);
        });
        let resolved = resolve(&packages, &[name]).unwrap();
        let start = Instant::now();
        let watcher = thread::scope(|scope| {
            let runs = scope.spawn(|| {
                let end = Instant::now() + Duration::from_secs(3);
                while Instant::now() < end {
                    if set.process().is_some() {
                        return true;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                false
            });
            let error = packages.realise(&resolved, &root, &Stop::default()).unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
            assert!([TooLate, Failed].contains(&error.kind), "{error:?}");
            runs.join().unwrap()
        });
        assert!(watcher, "the builder of {name} was never seen");
        set.assert_no_process();
    }

    let packages = set.packages(|options| options.allow_builds = true);
    for name in ["sleeping", "stubborn"] {
        let resolved = resolve(&packages, &[name]).unwrap();
        let stop = Stop::default();
        thread::scope(|scope| {
            let realised = scope.spawn(|| packages.realise(&resolved, &root, &stop));
            let end = Instant::now() + Duration::from_secs(20);
            while set.process().is_none() {
                assert!(Instant::now() < end, "the builder never starts");
                thread::sleep(Duration::from_millis(20));
            }
            stop.set();
            let start = Instant::now();
            assert_eq!(realised.join().unwrap().unwrap_err().kind, Stopped);
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        });
        set.assert_no_process();
    }
}

fn packages_stay_until_their_roots_are_removed(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|options| options.allow_builds = true);
    let root = set.state.join("roots/key");
    let built = realise(&packages, &["hello", "program", "program.dev"], &root).unwrap();
    set.collect();
    assert!(built.iter().all(|path| path.exists()));
    for link in fs::read_dir(set.state.join("roots")).unwrap().flatten() {
        assert!(link.file_name().to_str().unwrap().starts_with("key"), "{link:?}");
        fs::remove_file(link.path()).unwrap();
    }
    set.collect();
    assert!(built.iter().all(|path| !path.exists()));
}

fn a_derivation_that_vanished_is_made_again(nix: Nix) {
    let set = Set::new(&nix);
    let packages = set.packages(|options| options.allow_builds = true);
    let resolved = resolve(&packages, &["program", "program.dev", "pkgs.hello"]).unwrap();
    set.collect();
    assert!(resolved.packages.iter().all(|package| !package.derivation.exists()));
    packages.realise(&resolved, &set.state.join("root"), &Stop::default()).unwrap();
    assert!(paths(&resolved).iter().all(|path| path.exists()));
}

fn a_daemon_builds_and_ends_its_builders(nix: Nix) {
    struct Daemon(std::process::Child);
    impl Drop for Daemon {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    let set = Set::new(&nix);
    // The path of a socket has at most 107 bytes.
    let dir = tempfile::TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let mut daemon = set.nix("nix");
    daemon.args(["--extra-experimental-features", "nix-command", "daemon"]);
    daemon.env("NIX_DAEMON_SOCKET_PATH", &socket);
    let _daemon = Daemon(daemon.stderr(std::process::Stdio::null()).spawn().unwrap());
    let end = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < end, "the daemon does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    let packages = set.packages(|options| {
        options.allow_builds = true;
        options.realisation_time = Duration::from_secs(5);
        let socket = socket.to_str().unwrap().to_owned();
        options.environment.insert("NIX_DAEMON_SOCKET_PATH".to_owned(), socket);
        options.environment.insert("NIX_REMOTE".to_owned(), "daemon".to_owned());
    });
    let root = set.state.join("roots/key");
    let built = realise(&packages, &["program"], &root).unwrap();
    assert_eq!(packages.closure(&built, &Stop::default()).unwrap().len(), 2);
    set.collect();
    assert!(built[0].exists());

    let resolved = resolve(&packages, &["sleeping"]).unwrap();
    let start = Instant::now();
    let error = packages.realise(&resolved, &root, &Stop::default()).unwrap_err();
    assert!([TooLate, Failed].contains(&error.kind), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    // The daemon notices that its client is gone, or ends the builder because of its time.
    let end = Instant::now() + Duration::from_secs(5);
    while let Some(line) = set.process() {
        assert!(Instant::now() < end, "still runs: {line}");
        thread::sleep(Duration::from_millis(50));
    }
    packages.realise(&resolve(&packages, &["hello"]).unwrap(), &root, &Stop::default()).unwrap();
}
