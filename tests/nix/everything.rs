//! All examples, and what holds for each of them.

use std::fs;

use crate::layout::Layout;
use crate::nix::{Nix, Version, for_each_nix};
use crate::tool::run;

for_each_nix! { every_example_is_sound_and_built_twice_the_same, no_evaluation_builds_anything, all_evaluates_on_macos }

fn every_example_is_sound_and_built_twice_the_same(nix: Nix) {
    let build = |option: &str| {
        run(nix.on_expressions("nix-build").args(["--no-out-link", "--quiet", "--attr", "examples", option]));
    };
    build("--keep-going");
    for (_, path) in nix.examples() {
        Layout::checked(path);
    }
    build("--check");
}

fn no_evaluation_builds_anything(nix: Nix) {
    // The configuration refuses what would: import from derivation.
    let examples = nix.examples();
    assert!(examples.len() > 10);
    for (name, path) in examples {
        assert!(!path.exists(), "{name} is there");
    }
    run(nix.on_expressions("nix-instantiate").args(["--attr", "examples"]));
}

#[test]
fn a_layout_keeps_nothing_alive() {
    // The old version does not know of this.
    let nix = Nix::new(Version::Newer);
    let layout = nix.build("examples.closure");
    let layout = format!("/nix/store/{}", layout.file_name().unwrap().to_str().unwrap());
    assert_eq!(run(nix.command("nix-store").args(["--query", "--references", &layout])), "");
}

/// What is built for macOS cannot be built here: this evaluates.
fn all_evaluates_on_macos(nix: Nix) {
    let mut command = nix.on_expressions("nix-instantiate");
    run(command.args(["--attr", "examples", "--argstr", "system", "aarch64-darwin"]));
}

#[test]
fn both_versions_make_the_same_images() {
    let [system, newer] = [Version::System, Version::Newer].map(Nix::new);
    for nix in [&system, &newer] {
        run(nix.on_expressions("nix-build").args(["--no-out-link", "--quiet", "--attr", "examples"]));
    }
    let (one, other) = (system.examples(), newer.examples());
    assert!(one.keys().eq(other.keys()));
    for (name, path) in one {
        let index = |layout: &std::path::Path| fs::read_to_string(layout.join("index.json")).unwrap();
        assert_eq!(index(&path), index(&other[&name]), "{name}");
    }
}
