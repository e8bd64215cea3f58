//! All examples, and what holds for each of them.

use std::fs;
use std::path::Path;

use crate::common::tool::run;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, Version, for_each_nix};

for_each_nix! { no_evaluation_builds_anything, all_evaluates_on_macos }

#[test]
fn every_example_is_valid_and_reproducible_across_versions() {
    let [system, newer] = [Version::System, Version::Newer].map(|version| {
        let nix = Nix::new(version);
        let build = |options: &[&str]| {
            run(nix
                .on_expressions("nix-build")
                .args(["--no-out-link", "--quiet", "--attr", "examples"])
                .args(options))
        };
        build(&[]);
        // Builds them again, and compares.
        build(&["--check"]);
        nix
    });
    let (examples, by_newer) = (system.examples(), newer.examples());
    assert!(examples.keys().eq(by_newer.keys()));
    for (name, path) in examples {
        let index = |path: &Path| fs::read_to_string(path.join("index.json")).unwrap();
        assert_eq!(index(&path), index(&by_newer[&name]), "{name}");
        Layout::checked(path);
        Layout::checked(by_newer[&name].clone());
    }
}

fn no_evaluation_builds_anything(nix: Nix) {
    // The configuration refuses import from derivation.
    let examples = nix.examples();
    assert!(examples.len() > 10);
    for (name, path) in examples {
        assert!(!path.exists(), "{name} is there");
    }
    run(nix.on_expressions("nix-instantiate").args(["--attr", "examples"]));
}

#[test]
fn a_layout_has_no_references() {
    // The old version cannot discard references.
    let nix = Nix::new(Version::Newer);
    let layout = nix.build("examples.closure");
    let layout = format!("/nix/store/{}", layout.file_name().unwrap().to_str().unwrap());
    assert_eq!(run(nix.command("nix-store").args(["--query", "--references", &layout])), "");
}

/// Packages for macOS cannot be built here, but they can be evaluated.
fn all_evaluates_on_macos(nix: Nix) {
    let mut command = nix.on_expressions("nix-instantiate");
    run(command.args(["--attr", "examples", "--argstr", "system", "aarch64-darwin"]));
}
