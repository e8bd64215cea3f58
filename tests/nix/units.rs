//! Units of systemd become services of `s6.services`, are refused, or lose directives with a
//! warning. `tests/nix/units/` has what is given, and what is expected.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::common::tool::run;
use crate::nix::versions::{Nix, for_each_nix};

mod images;
mod judges;
mod mistakes;
mod page;

for_each_nix! {
    each_mapped_directive_becomes_options, services_start_in_the_order_of_systemd,
    directives_without_effect_are_named
}

/// The value of an expression about `units`, which are those of `tests/nix/units`.
fn evaluate(nix: &Nix, expression: &str) -> Value {
    serde_json::from_str(&run(&mut command(nix, expression))).unwrap()
}

fn command(nix: &Nix, expression: &str) -> std::process::Command {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nix/units");
    let mut command = nix.in_place("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--expr"]).arg(format!(
        "let units = import {folder}; mistakes = import {folder}/mistakes.nix; in {expression}"
    ));
    command
}

#[derive(Deserialize)]
struct Case {
    expected: Value,
    result: Value,
}

fn check_cases(nix: &Nix, attribute: &str) {
    let cases: BTreeMap<String, Case> =
        serde_json::from_value(evaluate(nix, &format!("units.{attribute}"))).unwrap();
    assert!(cases.len() > 10);
    for (name, Case { expected, result }) in cases {
        contains(&name, &expected, &result);
    }
}

/// Each member of `expected` is in `result`. Lists have the same length, and an empty set is an empty
/// set.
fn contains(place: &str, expected: &Value, result: &Value) {
    match (expected, result) {
        (Value::Object(expected), Value::Object(result)) if !expected.is_empty() => {
            for (name, expected) in expected {
                let place = format!("{place}.{name}");
                let result = result.get(name).unwrap_or_else(|| panic!("{place} is missing"));
                contains(&place, expected, result);
            }
        }
        (Value::Array(expected), Value::Array(result)) => {
            assert_eq!(expected.len(), result.len(), "{place}: {result:?}");
            for (index, pair) in expected.iter().zip(result).enumerate() {
                contains(&format!("{place}[{index}]"), pair.0, pair.1);
            }
        }
        _ => assert_eq!(expected, result, "{place}"),
    }
}

fn each_mapped_directive_becomes_options(nix: Nix) {
    check_cases(&nix, "cases");
    assert_eq!(evaluate(&nix, "units.untested"), Value::Array(Vec::new()));
}

fn services_start_in_the_order_of_systemd(nix: Nix) {
    check_cases(&nix, "order");
}

#[derive(Deserialize)]
struct Warned {
    name: String,
    text: String,
    warnings: Vec<String>,
}

fn directives_without_effect_are_named(nix: Nix) {
    let warnings: BTreeMap<String, Vec<Warned>> =
        serde_json::from_value(evaluate(&nix, "units.warnings")).unwrap();
    for Warned { name, text, warnings } in &warnings["dropped"] {
        assert_eq!(warnings, &[format!("systemd.services.a: left out: {name} ({text})")]);
    }
    for Warned { name, warnings, .. } in &warnings["silent"] {
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
    // The families in the table that was agreed on.
    let names: Vec<&str> = warnings["dropped"].iter().map(|warned| &*warned.name).collect();
    for name in ["NoNewPrivileges", "CapabilityBoundingSet", "ExecReload", "PartOf", "Slice"] {
        assert!(names.contains(&name), "{name}");
    }
}
