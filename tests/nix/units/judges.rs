//! systemd itself says what its directives are, and how it reads quotes, specifiers and time spans.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::common::tool::{run, tool};
use crate::nix::units::evaluate;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! {
    every_directive_of_systemd_has_an_outcome, words_are_those_of_systemd,
    time_spans_are_those_of_systemd
}

/// Names of systemd 1 to 245, which systemd 246 and later replace or ignore.
const OLD: &[&str] = &[
    "BindTo",
    "OnFailureIsolate",
    "PropagateReloadFrom",
    "PropagateReloadTo",
    "RequiresOverridable",
    "RequisiteOverridable",
];

fn every_directive_of_systemd_has_an_outcome(nix: Nix) {
    let mut systemd = tool("/lib/systemd/systemd");
    let listed = run(systemd.arg("--dump-configuration-items"));
    for section in ["Unit", "Service"] {
        let names: Vec<&str> = listed
            .lines()
            .skip_while(|line| *line != format!("[{section}]"))
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name)
            .collect();
        assert!(names.len() > 80, "{names:?}");
        let names = format!("(builtins.fromJSON ''{}'')", json!(names));
        let outcomes = evaluate(&nix, &format!("units.outcomes \"{section}\" {names}"));
        let outcomes: BTreeMap<String, String> = serde_json::from_value(outcomes).unwrap();
        let unknown: Vec<&str> = outcomes
            .iter()
            .filter(|(name, outcome)| *outcome == "unknown" && !OLD.contains(&&***name))
            .map(|(name, _)| &**name)
            .collect();
        assert!(unknown.is_empty(), "{section}: {unknown:?}");
    }
}

/// Values of `Environment`. Their words are no assignments, so that systemd complains of each.
const WORDS: &[&str] = &[
    "one  two\tthree",
    "\"two words\" 'two words'",
    "in\"the mid\"dle in'the mid'dle\"and more\"",
    "\"it's\" 'say \"x\"' \"\" ''",
    r"escaped\x20blank letter\x41\u00e4\U0001f600\101",
    r#""quote \" and \' in quotes" outside\"too"#,
    r"'quote \' and \x22 in quotes'",
    r"\s\ttab\\ \a\b\f\v",
    "ä\"ö ü\"é",
    "$HOME${X}`a`#;&| ; #",
    "100%% a%%h %%%% 100% %. \"% %\"",
    "%n %N %p %i %t %S %C %L %E %u %h",
];

/// Systemd prints what it does not understand, in quotes of no kind.
fn words_are_those_of_systemd(nix: Nix) {
    let file = nix.folder().join("words.json");
    fs::write(&file, json!(WORDS).to_string()).unwrap();
    let list = format!("(builtins.fromJSON (builtins.readFile {}))", file.display());
    let read = evaluate(&nix, &format!("map (map units.expand) (units.split {list})"));
    let read: Vec<Vec<String>> = serde_json::from_value(read).unwrap();

    let unit = nix.folder().join("web@one.service");
    let lines: String = WORDS.iter().map(|words| format!("Environment={words}\n")).collect();
    fs::write(&unit, format!("[Service]\nExecStart=/bin/true\n{lines}")).unwrap();
    let mut analyze = tool("systemd-analyze");
    analyze.env("HOME", "/root");
    let Output { stderr, .. } = analyze.args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    for (index, (text, words)) in WORDS.iter().zip(read).enumerate() {
        let place = format!("{}:{}: ", unit.display(), index + 3);
        let expected: Vec<&str> = said
            .lines()
            .filter_map(|line| line.strip_prefix(&place))
            .map(|line| line.strip_prefix("Invalid environment assignment, ignoring: ").unwrap())
            .collect();
        assert_eq!(words, expected, "{text}");
        assert!(!words.is_empty(), "{said}");
    }
}

const TIME_SPANS: &[&str] = &[
    "5",
    "5s",
    "2min 200ms",
    "1.5s",
    "1h30m",
    "1d 1w",
    "1month",
    "1M",
    "1y",
    "0.000001",
    "10us",
    "5µs",
    "3 hours 2 minutes",
    "1.25h",
    "007sec",
    "0",
    "infinity",
];

fn time_spans_are_those_of_systemd(nix: Nix) {
    let list = format!("(builtins.fromJSON ''{}'')", json!(TIME_SPANS));
    let read = evaluate(&nix, &format!("units.microseconds {list}"));
    let said = run(tool("systemd-analyze").arg("timespan").args(TIME_SPANS));
    let expected: Vec<Value> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("μs: "))
        .map(|text| text.parse().map_or(Value::Null, |number: u64| json!(number)))
        .collect();
    assert_eq!(expected.len(), TIME_SPANS.len(), "{said}");
    let infinity = json!(18446744073709551615_u64);
    for ((text, expected), read) in TIME_SPANS.iter().zip(expected).zip(read.as_array().unwrap()) {
        let expected = if expected == infinity { Value::Null } else { expected };
        assert_eq!(*read, expected, "{text}");
    }
}
