//! `docs/nix-reference.md` consists of the doc comments in `nix/`, and their statements about
//! arguments are true.
//!
//! After a change of a doc comment, `REFERENCE=write cargo test --all-features --test nix
//! reference` writes the page.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::{env, fs};

use nixdoc::{DocComment, WarningKind};

use crate::common::tool::run;
use crate::nix::versions::{Nix, Version};

const PAGE: &str = "docs/nix-reference.md";

/// The arguments of a function with and without a default.
type Arguments = BTreeMap<String, bool>;

#[test]
fn the_reference_page_matches_the_files() {
    let reference = reference();
    if env::var_os("REFERENCE").is_some_and(|reference| reference == "write") {
        return fs::write(PAGE, reference).unwrap();
    }
    let page = fs::read_to_string(PAGE).unwrap();
    for (expected, line) in reference.lines().zip(page.lines()) {
        assert_eq!(expected, line, "{PAGE} is out of date; see the head of tests/nix/reference.rs");
    }
    assert_eq!(reference.lines().count(), page.lines().count());
}

fn reference() -> String {
    let mut page = include_str!("reference.md").to_owned();
    let mut arguments = arguments();
    for file in ["default.nix", "nix/default.nix"] {
        page += &section(file, file, &arguments.remove(file).unwrap());
    }
    // Comments group the functions of the scope.
    let scope = read("nix/default.nix");
    let (_, scope) = scope.split_once("*/").unwrap();
    for line in scope.lines() {
        if let Some(title) = line.strip_prefix("      # ") {
            write!(page, "\n## {}\n", title.trim_end_matches('.')).unwrap();
        } else if let Some((name, file)) = line.trim().split_once(" = ./")
            && !file.starts_with("internal/")
        {
            let arguments =
                arguments.remove(name).unwrap_or_else(|| panic!("the scope has no {name}"));
            page += &section(name, &format!("nix/{}", file.trim_end_matches(';')), &arguments);
        }
    }
    assert!(
        arguments.is_empty(),
        "nix/default.nix does not list these by their files: {arguments:?}"
    );
    page + "\n## Options of modules\n\nFurther options of `image` are those of containers, at the end of this page.\n\n"
        + &list(options_of(true))
        + "\n## With flake-parts\n"
        + &section("nix/flake-module.nix", "nix/flake-module.nix", &Arguments::new())
        + &options()
}

/// The doc comment at the head of a file.
fn section(name: &str, file: &str, arguments: &Arguments) -> String {
    let text = read(file);
    let (comment, code) =
        text.split_once("*/").unwrap_or_else(|| panic!("{file} has no doc comment"));
    let doc = DocComment::parse(&format!("{comment}*/"))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    // RFC 145 allows any heading. The match below names the headings that this repository uses.
    let warnings: Vec<_> =
        doc.warnings.iter().filter(|warning| warning.kind != WarningKind::UnknownSection).collect();
    assert!(warnings.is_empty(), "{file}: {warnings:?}");
    check_arguments(file, &doc, code, arguments);

    let mut page = format!("\n### `{name}`\n\n{}\n", doc.description());
    for section in &doc.sections {
        write!(page, "\n#### {}\n\n", section.heading).unwrap();
        match &*section.heading {
            "Arguments" => doc.arguments().iter().for_each(|argument| {
                writeln!(page, "- `{}`: {}", argument.name, argument.description).unwrap();
            }),
            "Files" | "Examples" => writeln!(page, "{}", section.content.trim()).unwrap(),
            other => {
                panic!("{file}: expected the sections Arguments, Files and Examples, found {other}")
            }
        }
    }
    page
}

/// The comment describes each argument once, with its default.
fn check_arguments(file: &str, doc: &DocComment, code: &str, arguments: &Arguments) {
    let described = doc.arguments();
    let items =
        doc.section("Arguments").map_or(0, |section| section.content.matches("\n- ").count() + 1);
    assert_eq!(described.len(), items, "{file}: an argument is written as - [name] description");
    let has_default = |description: &str| description.contains("Default: `");
    let found: Arguments = described
        .iter()
        .map(|argument| (argument.name.clone(), has_default(&argument.description)))
        .collect();
    assert_eq!(
        (found.len(), &found),
        (items, arguments),
        "{file}: argument, and whether it has a default"
    );

    let code = one_line(code);
    for argument in described {
        let Some((_, default)) = argument.description.split_once("Default: `") else { continue };
        let default = default
            .strip_suffix("`.")
            .unwrap_or_else(|| panic!("{file}: the default of {} is last", argument.name));
        let declared = format!("{} ? {default}", argument.name);
        let ends = |rest: &str| [",", " ,", " }"].iter().any(|end| rest.starts_with(end));
        assert!(code.split(&declared).skip(1).any(ends), "{file} does not declare {declared}");
    }
}

/// The options of a container, from `nix/flake-module/`.
fn options() -> String {
    let mut options = options_of(false);
    // Nix sorts options by name, and the files sort them by subject.
    let files = ["options", "deployment", "checks"]
        .map(|name| read(&format!("nix/flake-module/{name}.nix")));
    let files = files.concat();
    options.sort_by_key(|option| {
        let mut names = option["name"].as_ref().unwrap().split('.');
        let subject = files.find(&format!("  {} = ", names.next().unwrap())).unwrap();
        let inside = |name| files[subject..].find(&format!(" {name} = mkOption")).unwrap();
        (subject, names.next_back().map(inside))
    });
    format!("\n### `perSystem.oci.containers.NAME`\n\n{}", list(options))
}

type ModuleOption = BTreeMap<String, Option<String>>;

/// The options of `nix/modules/`, or of a container.
fn options_of(modules: bool) -> Vec<ModuleOption> {
    let nix = Nix::new(Version::System);
    let mut command = nix.command("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "tests/nix/options.nix"]);
    serde_json::from_str(&run(command.args(["--arg", "ofModules", &modules.to_string()]))).unwrap()
}

fn list(options: Vec<ModuleOption>) -> String {
    let mut list = String::new();
    for option in options {
        let text = |member: &str| Some(one_line(option[member].as_ref()?));
        let [name, kind, description] =
            ["name", "type", "description"].map(|member| text(member).unwrap());
        let default = text("default")
            .map_or_else(|| "required".to_owned(), |default| format!("default: {default}"));
        let example =
            text("example").map_or_else(String::new, |example| format!(" Example: {example}."));
        writeln!(list, "- `{name}` ({kind}; {default}): {description}{example}").unwrap();
    }
    list
}

/// The arguments of each function and package, and of each file with all of them, as Nix reports
/// them.
fn arguments() -> BTreeMap<String, Arguments> {
    let expression = format!(
        r#"let
          root = {};
          lib = import (root + "/nix/internal/lib.nix");
          pkgs = {{ bashInteractive = "/bash"; coreutils = "/coreutils"; cacert = "/cacert"; }};
          oci = import (root + "/nix") {{ system = "x86_64-linux"; builder = "/builder"; inherit pkgs; }};
          ofScope = removeAttrs oci
            [ "builder" "callPackage" "hostSystem" "newScope" "overrideScope" "packages" "pkgs" "system" ];
          # A package is called with the scope, and with its own arguments.
          ofPackage = name: removeAttrs (lib.functionArgs (import (root + "/nix/${{name}}.nix"))) (builtins.attrNames oci);
        in
        builtins.mapAttrs (name: value: value.__functionArgs or (ofPackage name)) ofScope
        // {{
          "default.nix" = lib.functionArgs (import root);
          "nix/default.nix" = lib.functionArgs (import (root + "/nix"));
        }}"#,
        env!("CARGO_MANIFEST_DIR")
    );
    let nix = Nix::new(Version::System);
    let mut command = nix.command("nix-instantiate");
    serde_json::from_str(&run(command.args([
        "--eval",
        "--strict",
        "--json",
        "--expr",
        &expression,
    ])))
    .unwrap()
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
