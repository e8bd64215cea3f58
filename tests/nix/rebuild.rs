//! What a change makes Nix build again: by what it says that it will build.

use std::process::Output;

use crate::nix::{Nix, for_each_nix};

for_each_nix! { a_changed_file_is_one_layer_again, nothing_is_built_twice }

fn a_changed_file_is_one_layer_again(nix: Nix) {
    nix.build("examples.layered");
    let change = ["--argstr", "changing", "otherwise"];
    // The layers of the caller's stay, and so does that of the rest of the closure. The manifest is the small JSON: its
    // configuration comes with it.
    let expected = ["image-layered", "oci-customisation", "oci-manifest"];
    assert_eq!(to_build(&nix, &change, "examples.layered"), expected);
}

fn nothing_is_built_twice(nix: Nix) {
    nix.build("examples.layered");
    assert_eq!(to_build(&nix, &[], "examples.layered"), [""; 0]);
}

/// The names of the derivations that Nix would build, sorted.
fn to_build(nix: &Nix, arguments: &[&str], attribute: &str) -> Vec<String> {
    let mut command = nix.on_expressions("nix-build");
    let Output { status, stderr, .. } =
        command.args(["--dry-run", "--attr", attribute]).args(arguments).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{said}");
    let derivation = |line: &str| Some(line.trim().strip_prefix("/nix/store/")?.strip_suffix(".drv")?[33..].to_owned());
    let mut names: Vec<String> = said.lines().filter_map(derivation).collect();
    names.sort();
    names
}
