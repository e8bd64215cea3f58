//! The table of keys in `docs/on-demand.md`, and the example.

use std::{env, fs, path::Path};

use serde_json::Value;

use crate::serve_config::{
    config::ServeConfig,
    section::{Key, Kind},
};

const PAGE: &str = "docs/on-demand.md";
const HEAD: &str = "| key | type | default | option | meaning |\n|---|---|---|---|---|\n";

fn table() -> String {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    let row = |key: Key| {
        let Key { name, kind, default, option, meaning } = key;
        let default = if default.is_null() { String::new() } else { default.to_string() };
        let [name, default, option] = [&*name, &default, option.unwrap_or_default()].map(code);
        format!("| {name} | {kind} | {default} | {option} | {meaning} |\n")
    };
    HEAD.to_owned() + &ServeConfig::keys().into_iter().map(row).collect::<String>()
}

/// A published package has the page, too.
#[test]
fn the_manual_has_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(HEAD).expect("the page has the head of the table");
    let (_, after) = rest.split_once("\n\n").expect("a blank line follows");
    let expected = format!("{before}{}\n{after}", table());
    if env::var_os("CONFIGURATION").is_some_and(|word| word == "write") {
        fs::write(&page, &expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "{PAGE} has another table: CONFIGURATION=write cargo test --all-features --lib \
         the_manual_has_the_table"
    );
}

/// The lines of the example that are commented out are keys with their defaults, unless they say
/// otherwise. A sentence begins with a space after the sign.
#[test]
fn the_example_has_every_key_and_true_defaults() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/registry.toml");
    let text = fs::read_to_string(example).unwrap();
    let whole: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let document: Value = toml::from_str(&whole).unwrap();
    let plain: Value = toml::from_str(&text).unwrap();
    for Key { name, default, .. } in ServeConfig::keys() {
        let pointer = format!("/{}", name.trim_end_matches(".NAME").replace('.', "/"));
        let value = document.pointer(&pointer);
        let value = value.unwrap_or_else(|| panic!("the example has no {name}"));
        if plain.pointer(&pointer).is_none() && !default.is_null() {
            assert_eq!(*value, default, "{name}");
        }
    }
    crate::serve_config::read::parse("examples/registry.toml", &text).unwrap();
    // A bucket and a folder are alternatives.
    let bucket = ["bucket", "region", "endpoint", "allow-http", "account"];
    let is_of_bucket = |line: &&str| bucket.iter().any(|key| line.starts_with(&format!("{key} =")));
    let folder: String =
        whole.lines().filter(|l| !is_of_bucket(l)).map(|l| l.to_owned() + "\n").collect();
    crate::serve_config::read::parse("examples/registry.toml", &folder).unwrap();
}
