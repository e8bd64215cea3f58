//! What Nix builds again after a change, according to Nix.

use std::path::Path;
use std::process::{Command, Output};

use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { a_changed_file_is_one_layer_again, nothing_is_built_twice }

fn a_changed_file_is_one_layer_again(nix: Nix) {
    nix.build("examples.layered");
    let change = ["--argstr", "changing", "otherwise"];
    // The caller's layers are kept, and so is the layer of the rest of the closure. The manifest is
    // small JSON, and so is its configuration.
    let expected = ["image-layered", "oci-customisation", "oci-manifest"];
    assert_eq!(to_build(nix.on_expressions("nix-build").args(change).args(LAYERED)), expected);
}

fn nothing_is_built_twice(nix: Nix) {
    nix.build("examples.layered");
    assert_eq!(to_build(nix.on_expressions("nix-build").args(LAYERED)), [""; 0]);
}

const LAYERED: [&str; 2] = ["--attr", "examples.layered"];

/// The names of the derivations that this `nix-build` would build, sorted.
#[track_caller]
pub fn to_build(nix_build: &mut Command) -> Vec<String> {
    let Output { status, stderr, .. } = nix_build.arg("--dry-run").output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{said}");
    let derivation = |line: &str| {
        let name = Path::new(line.trim().strip_prefix('/')?).file_name()?.to_str()?;
        Some(name.strip_suffix(".drv")?[33..].to_owned())
    };
    let mut names: Vec<String> = said.lines().filter_map(derivation).collect();
    names.sort();
    names
}
