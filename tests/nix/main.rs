//! The functions of Nix, by real builds: in the sandbox, without nixpkgs, by an old version and by a newer one.

mod apps;
mod base;
mod change;
mod containers;
#[allow(dead_code, reason = "the tests of the library use all of it")]
#[path = "../tools/docker.rs"]
mod docker;
mod documents;
mod everything;
mod flake;
mod guide;
#[allow(dead_code, reason = "the tests of the library use all of it")]
#[path = "../tools/hello.rs"]
mod hello;
mod images;
mod layout;
mod lazy;
mod mistakes;
mod nix;
mod proxy;
mod pull;
mod rebuild;
mod reference;
mod scope;
#[allow(dead_code, reason = "the tests of the library use all of it")]
#[path = "../tools/tool.rs"]
mod tool;
mod transport;

use nix::{Nix, Version};
use tool::run;

/// When a version is missing, this says so before the other failures do.
#[test]
fn both_versions_are_here() {
    let version = |version| run(Nix::new(version).command("nix-build").arg("--version"));
    assert_ne!(version(Version::System), version(Version::Newer));
}
