//! Package sets for images on demand, with real Nix.

pub(crate) mod builds;
pub(crate) mod evaluations;
pub(crate) mod git;
pub(crate) mod names;
pub(crate) mod store_sources;

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use oci_layout::{
    on_demand::{
        NixOptions, NixPackages, PackageSource, Resolved, SourceKind, SourceOptions, nix_system,
    },
    registry::{NamedImageError, Stop},
};

use crate::{
    common::{hello::busybox, tool::run},
    nix::versions::Nix,
};

/// A package set of this machine's system, and a place for what is made of it.
pub(crate) struct Set<'a> {
    nix: &'a Nix,
    pub(crate) folder: PathBuf,
    pub(crate) state: PathBuf,
    /// The number that only this set has.
    number: String,
}

impl<'a> Set<'a> {
    pub(crate) fn new(nix: &'a Nix) -> Self {
        Self::of(nix, "tests/nix/on_demand/set")
    }

    /// The set of this folder, with the files that its expression expects.
    pub(crate) fn of(nix: &'a Nix, expression: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let folder = nix.folder().join("set");
        fs::create_dir(&folder).unwrap();
        let expression = Path::new(env!("CARGO_MANIFEST_DIR")).join(expression);
        fs::copy(expression.join("default.nix"), folder.join("default.nix")).unwrap();
        fs::create_dir(folder.join("programs")).unwrap();
        fs::copy(busybox(), folder.join("programs/busybox")).unwrap();
        // So many seconds that no builder ends by itself.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let number = format!("{}{count:03}", 1_000_000 + process::id());
        fs::write(folder.join("number"), &number).unwrap();
        Self { nix, folder, state: nix.folder().join("state"), number }
    }

    pub(crate) fn options(&self) -> NixOptions {
        let mut options = NixOptions::default();
        options.programs = self.nix.programs();
        options.environment = self.nix.environment();
        options
    }

    /// The packages of the folder.
    pub(crate) fn packages(&self, change: impl FnOnce(&mut NixOptions)) -> NixPackages {
        let mut options = self.options();
        change(&mut options);
        let source = SourceKind::Path(self.folder.clone());
        NixPackages::new(&source, SourceOptions::default(), options, &self.state).unwrap()
    }

    /// A program of Nix, on the same store.
    pub(crate) fn nix(&self, program: &str) -> process::Command {
        self.nix.in_place(program)
    }

    /// Waits until no process has the number of the set among its arguments.
    pub(crate) fn assert_no_process(&self) {
        let end = Instant::now() + Duration::from_millis(300);
        while let Some(line) = self.process() {
            assert!(Instant::now() < end, "still runs: {line}");
        }
    }

    /// A process with the number of the set among its arguments.
    pub(crate) fn process(&self) -> Option<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut lines = processes.filter_map(|process| {
            let line = fs::read(process.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.find(|line| line.contains(&self.number))
    }

    /// Removes everything without a root.
    pub(crate) fn collect(&self) {
        run(self.nix("nix-store").args(["--gc", "--quiet"]));
    }
}

pub(crate) fn system() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => nix_system(&"linux/amd64".parse().unwrap()).unwrap(),
        other => nix_system(&format!("linux/{other}").parse().unwrap()).unwrap(),
    }
}

pub(crate) fn resolve(packages: &NixPackages, names: &[&str]) -> Result<Resolved, NamedImageError> {
    let stop = Stop::default();
    let revision = packages.revision("latest", &stop).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    packages.resolve(&revision, system(), &names, &stop)
}

/// The paths of all outputs.
pub(crate) fn paths(resolved: &Resolved) -> Vec<PathBuf> {
    let outputs = resolved.packages.iter().flat_map(|package| &package.outputs);
    outputs.map(|(_, path)| path.clone()).collect()
}

/// Checks that the client's message names nothing of this machine.
#[track_caller]
pub(crate) fn assert_no_path(set: &Set<'_>, error: &NamedImageError) {
    for path in ["/etc", "/nix/store", set.folder.to_str().unwrap(), env!("CARGO_MANIFEST_DIR")] {
        assert!(!error.message.contains(path), "{path} is in {:?}", error.message);
    }
}
