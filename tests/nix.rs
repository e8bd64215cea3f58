//! The Nix functions, by real builds in the sandbox, without nixpkgs, with an old and a newer
//! version of Nix.

mod common;

mod nix {
    mod apps;
    mod base;
    mod change;
    mod check;
    mod containers;
    mod daemons;
    mod database;
    mod deployment;
    mod documents;
    mod evaluation;
    mod everything;
    mod flake;
    mod guide;
    mod images;
    mod layout;
    mod lazy;
    mod make_image;
    mod mistakes;
    mod modules_page;
    mod nixos;
    #[cfg(feature = "on-demand")]
    mod on_demand;
    #[cfg(feature = "on-demand")]
    mod on_demand_serve;
    mod provenance;
    mod proxy;
    mod pull;
    mod ready_images;
    mod rebuild;
    mod reference;
    mod sbom;
    mod scan;
    mod scope;
    mod supply_chain_page;
    mod transport;
    mod units;
    pub(crate) mod versions;
}

use common::tool::run;
use nix::versions::{Nix, Version};

/// Reports a missing version before the other failures do.
#[test]
fn both_versions_of_nix_are_installed() {
    let version = |version| run(Nix::new(version).command("nix-build").arg("--version"));
    assert_ne!(version(Version::System), version(Version::Newer));
}
