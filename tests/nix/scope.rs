//! The scope of the functions, and `override` on their results.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::tool::run;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { overrides_change_what_they_name, our_lib_is_that_of_nixpkgs }

fn overrides_change_what_they_name(nix: Nix) {
    let mut evaluate = nix.on_expressions("nix-instantiate");
    let claims = run(evaluate.args([
        "--eval",
        "--strict",
        "--json",
        "--read-write-mode",
        "--attr",
        "scope.claims",
    ]));
    let claims: BTreeMap<String, bool> = serde_json::from_str(&claims).unwrap();
    assert!(claims.len() > 40, "{claims:?}");
    let wrong: Vec<_> = claims.iter().filter(|(_, holds)| !**holds).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The results of nixpkgs' `lib` for the same values. A test of the module for flake-parts asks the
/// real one.
fn our_lib_is_that_of_nixpkgs(nix: Nix) {
    assert_eq!(
        values(&nix, ""),
        json!({
            "lists": [[1], [1], [{}], [1], [], [1], []],
            "attributes": [{ "a": 1 }, {}, { "a": 1, "b": 2 }],
            "functions": [true, true, true, false, false, false, false],
            "arguments": [{ "a": false, "b": true }, { "a": false, "b": true }, { "a": false, "b": true }, {}],
            "texts": ["Ä cmd", 3, 3, 3],
            "overridable": [3, 7, 22, 10, 3, 4, 14],
            "scope": [11, 3, 10, 5, 8],
            "overridden": [12, 12, 7, 8],
            "names": ["a", "c", "callPackage", "function", "newScope", "overrideScope", "packages", "sum"],
        })
    );
}

/// The values of `lib.nix` with this argument.
pub fn values(nix: &Nix, argument: &str) -> Value {
    let mut evaluate = nix.in_place("nix-instantiate");
    let expression =
        format!("import {}/tests/nix/lib.nix {{ {argument} }}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&run(evaluate.args([
        "--eval",
        "--strict",
        "--json",
        "--expr",
        &expression,
    ])))
    .unwrap()
}
