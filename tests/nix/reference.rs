//! `docs/nix-reference.md` is what the files in `nix/` say of their functions, and what they say is so.
//!
//! Whoever changes a doc comment writes the page anew: `REFERENCE=write cargo test --all-features --test nix reference`.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use serde_json::Value;

use crate::common::tool::run;
use crate::nix::versions::{Nix, Version};

const PAGE: &str = "docs/nix-reference.md";

#[test]
fn the_page_is_what_the_files_say() {
    let reference = reference();
    if env::var_os("REFERENCE").is_some_and(|reference| reference == "write") {
        return fs::write(PAGE, reference).unwrap();
    }
    let page = fs::read_to_string(PAGE).unwrap();
    for (said, written) in reference.lines().zip(page.lines()) {
        assert_eq!(said, written, "{PAGE} is behind; see the head of tests/nix/reference.rs");
    }
    assert_eq!(reference.lines().count(), page.lines().count());
}

fn reference() -> String {
    let mut page = include_str!("reference.md").to_owned();
    let mut functions = function_arguments();
    for file in ["default.nix", "nix/default.nix"] {
        page += &section("###", file, &read(file), functions.remove(file).as_ref());
    }
    for line in between(&read("nix/default.nix"), "\n  functions = ", "\n  };").lines() {
        if let Some(title) = line.trim().strip_prefix("# ") {
            page += &format!("\n## {}\n", title.trim_end_matches('.'));
        } else if let Some((name, file)) = line.trim().split_once(" = ./") {
            let arguments = functions.remove(name).unwrap_or_else(|| panic!("Nix knows no function {name}"));
            let file = format!("nix/{}", file.trim_end_matches(';'));
            page += &section("###", name, &read(&file), Some(&arguments).filter(|arguments| !arguments.is_null()));
        }
    }
    assert!(functions.is_empty(), "nix/default.nix lists these in another way: {functions:?}");
    page + "\n## With flake-parts\n"
        + &section("###", "nix/flake-module.nix", &read("nix/flake-module.nix"), None)
        + &options()
}

/// The options of a container, from `nix/flake-module/options.nix`.
fn options() -> String {
    let nix = Nix::new(Version::System);
    let mut command = nix.command("nix-instantiate");
    let json = run(command.args(["--eval", "--strict", "--json", "tests/nix/options.nix"]));
    let mut options: Vec<BTreeMap<String, Option<String>>> = serde_json::from_str(&json).unwrap();
    // Nix has them by their names, people have them by what belongs together.
    let file = read("nix/flake-module/options.nix");
    options.sort_by_key(|option| {
        let name = option["name"].as_ref().unwrap();
        file.find(&format!(" {} = mkOption", name.rsplit('.').next().unwrap())).unwrap()
    });
    let mut list = "\n### `perSystem.oci.containers.NAME`\n\n".to_owned();
    for option in options {
        // The text of an option is broken into lines as its file wants it.
        let text = |member: &str| Some(option[member].as_ref()?.split_whitespace().collect::<Vec<_>>().join(" "));
        let [name, kind, description] = ["name", "type", "description"].map(|member| text(member).unwrap());
        let default =
            text("default").map_or_else(|| "must be given".to_owned(), |default| format!("by default {default}"));
        let example = text("example").map_or_else(String::new, |example| format!(" Example: {example}."));
        list += &format!("- `{name}` ({kind}; {default}): {description}{example}\n");
    }
    list
}

/// Of each function, and each file that gives all of them, by Nix itself: its arguments, and whether each has a default;
/// null for what is no function.
fn function_arguments() -> BTreeMap<String, Value> {
    let expression = format!(
        r#"let
          files = {{ "default.nix" = import {0}/default.nix; "nix/default.nix" = import {0}/nix; }};
          pkgs = {{ bashInteractive = "/bash"; coreutils = "/coreutils"; cacert = "/cacert"; }};
          arguments = value:
            if builtins.isFunction value then builtins.functionArgs value
            else if value ? __functor then arguments (value.__functor value)
            else null;
        in
        builtins.mapAttrs (_: arguments)
          (files // files."nix/default.nix" {{ system = "x86_64-linux"; builder = "/builder"; inherit pkgs; }})"#,
        env!("CARGO_MANIFEST_DIR")
    );
    let nix = Nix::new(Version::System);
    let mut command = nix.command("nix-instantiate");
    let json = run(command.args(["--eval", "--strict", "--json", "--expr", &expression]));
    serde_json::from_str(&json).unwrap()
}

/// A heading and the doc comment of a file, whose list of arguments says their defaults.
fn section(level: &str, name: &str, file: &str, arguments: Option<&Value>) -> String {
    let comment = between(file, "/**\n", "*/");
    let indent = comment.len() - comment.trim_start().len();
    let mut declared = match arguments {
        None => BTreeMap::new(),
        Some(arguments) => declared_arguments(name, between(file, "*/\n", "\u{0}"), arguments),
    };
    let mut text = String::new();
    for line in comment.trim_end().lines() {
        let line = line.get(indent..).unwrap_or_default();
        text += &match documented_arguments(line) {
            None => line.to_owned(),
            Some((names, rest)) => {
                let argument = |name: &str| {
                    declared
                        .remove(name)
                        .unwrap_or_else(|| panic!("{name} is no argument of the function, or is there twice: {line}"))
                };
                let arguments: Vec<_> = names.into_iter().map(argument).collect();
                format!("- {}: {rest}", arguments.join(", "))
            }
        };
        text.push('\n');
    }
    let missing: Vec<_> = declared.keys().collect();
    assert!(missing.is_empty(), "{name}: the doc comment says nothing of {missing:?}");
    format!("\n{level} `{name}`\n\n{text}")
}

/// The names that an item of a list is about, and what it says of them.
fn documented_arguments(line: &str) -> Option<(Vec<&str>, &str)> {
    let (names, rest) = line.strip_prefix("- `")?.split_once("`: ")?;
    Some((names.split("`, `").collect(), rest))
}

/// The arguments that a file declares, each as it is shown. What Nix says of them has to be the same.
fn declared_arguments<'a>(name: &str, declaration: &'a str, arguments: &Value) -> BTreeMap<&'a str, String> {
    let declared: Vec<_> = split_arguments(declaration).into_iter().filter(|argument| *argument != "...").collect();
    let shown = |argument: &'a str| match argument.split_once(" ? ") {
        None => (argument, format!("`{argument}`")),
        Some((name, default)) => {
            (name, format!("`{name} ? {}`", default.split_whitespace().collect::<Vec<_>>().join(" ")))
        }
    };
    let shown: BTreeMap<_, _> = declared.into_iter().map(shown).collect();
    let found: BTreeSet<_> = shown.iter().map(|(name, shown)| (*name, shown.contains(" ? "))).collect();
    let expected = arguments.as_object().unwrap().iter().map(|(name, default)| (name.as_str(), default == true));
    assert_eq!(found, expected.collect(), "{name}: its declaration was read wrongly");
    shown
}

/// Of `{ a, b ? { c = 1; } }: …`, in which commas stand between arguments alone, the arguments.
fn split_arguments(declaration: &str) -> Vec<&str> {
    let start = declaration.find('{').unwrap() + 1;
    let (mut depth, mut arguments, mut from) = (0, Vec::new(), start);
    for (at, letter) in declaration.char_indices().skip_while(|(at, _)| *at < start) {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ',' if depth == 0 => {
                arguments.push(declaration[from..at].trim());
                from = at + 1;
                if letter == '}' {
                    break;
                }
            }
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
    }
    arguments
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands after the first of these marks and before the next of the second, or the end.
fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let (_, rest) = text.split_once(open).unwrap_or_else(|| panic!("there is no {open:?} in {text:?}"));
    rest.split_once(close).map_or(rest, |(found, _)| found)
}
