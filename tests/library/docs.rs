//! Statements of the documentation about the repository are true.

use std::{fs, path::Path};

const PAGES: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/byte-format.md",
    "docs/checks.md",
    "docs/deployment.md",
    "docs/layering.md",
    "docs/performance.md",
    "docs/policy.md",
    "docs/provenance.md",
    "docs/registry.md",
    "docs/security.md",
    "docs/split.md",
    "docs/supply-chain.md",
    "docs/systemd-units.md",
    "docs/faults.md",
    "docs/modules.md",
    "docs/nix.md",
    "docs/nix-migration.md",
    "docs/nix-reference.md",
    "docs/on-demand.md",
    "docs/zstd-chunked.md",
];

fn read(page: &str) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The texts between each pair of these marks.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| Some(rest.split_once(close)?.0))
}

/// The page without its code blocks.
fn prose(page: &str) -> String {
    read(page).split("\n```").step_by(2).collect()
}

#[test]
fn links_to_files_lead_somewhere() {
    for page in PAGES {
        let text = prose(page);
        let links: Vec<_> =
            between(&text, "](", ")").filter(|link| !link.contains("://")).collect();
        for link in links {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            assert_eq!(
                section, "",
                "{page}: {link}: this test does not know how to look for a section"
            );
            let target = Path::new(page).parent().unwrap().join(file);
            assert!(target.exists(), "{page}: the link to {link} leads nowhere");
        }
    }
}

#[test]
fn files_named_in_the_text_exist() {
    let mut count = 0;
    for page in PAGES {
        let text = prose(page);
        let rooms = ["src/", "tests/", "docs/", "examples/"];
        // Every second part is between backticks.
        for name in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| rooms.iter().any(|room| name.starts_with(room)))
        {
            assert!(Path::new(name).exists(), "{page}: there is no {name}");
            count += 1;
        }
    }
    assert!(count > 30, "only {count} names found: has the way of naming files changed?");
}

/// A test file that no module declares would never run.
#[test]
fn every_file_of_tests_is_a_module() {
    let files = walkdir::WalkDir::new("tests")
        .min_depth(2)
        .into_iter()
        .map(|entry| entry.unwrap().into_path());
    let mut count = 0;
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let (folder, name) = (file.parent().unwrap(), file.file_stem().unwrap().to_str().unwrap());
        // `say.rs` is a program for the tests of Nix.
        if ["mod", "say"].contains(&name) {
            continue;
        }
        let parents = [folder.with_extension("rs"), folder.join("mod.rs")];
        let parent = parents.iter().find(|parent| parent.exists()).unwrap();
        let is_named = fs::read_to_string(parent).unwrap().contains(&format!("mod {name};\n"));
        assert!(is_named, "{} does not name the module {}", parent.display(), file.display());
        count += 1;
    }
    assert!(count > 100, "only {count} modules found");
}

#[test]
fn the_map_is_short_and_has_every_room() {
    let map = read("docs/architecture.md");
    assert!(map.lines().count() < 120, "docs/architecture.md is a map: under 120 lines");
    for entry in fs::read_dir("src").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".rs").unwrap_or(&name).to_owned();
        let named = [format!("`src/{name}.rs`"), format!("`src/{name}/")];
        assert!(
            named.iter().any(|named| map.contains(named)),
            "docs/architecture.md does not name src/{name}"
        );
    }
}

#[test]
fn the_examples_are_those_of_the_table() {
    let readme = read("README.md");
    for entry in fs::read_dir("examples").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            readme.contains(&format!("(examples/{name})")),
            "README.md does not name examples/{name}"
        );
    }
}

#[test]
fn the_features_are_those_of_the_tables() {
    let cargo = read("Cargo.toml");
    let features = between(&cargo, "[features]\n", "\n\n").next().unwrap();
    let names = features
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(" = ")?.0));
    for name in names.filter(|name| *name != "default") {
        let row = format!("| `{name}` |");
        for page in ["README.md", "src/lib.rs"] {
            assert!(read(page).contains(&row), "{page} has no row {row}");
        }
    }
}

#[test]
fn the_format_has_one_number() {
    let number = oci_layout::BYTE_FORMAT;
    for (page, sentence) in [
        ("README.md", format!("The format has a number, now {number};")),
        ("CHANGELOG.md", format!("Byte format {number}.")),
        ("docs/byte-format.md", format!("This is byte format **{number}**")),
    ] {
        assert!(read(page).contains(&sentence), "{page} does not say {sentence:?}");
    }
}

#[test]
fn the_minimum_rust_version_matches_the_pages() {
    let cargo = read("Cargo.toml");
    let version = between(&cargo, "rust-version = \"", "\"").next().unwrap();
    for page in ["README.md", "CONTRIBUTING.md"] {
        assert!(
            read(page).contains(&format!("{version} or newer")),
            "{page} does not name Rust {version}"
        );
    }
}

#[test]
fn the_codecs_are_those_of_the_page() {
    let (page, lock) = (read("docs/byte-format.md"), read("Cargo.lock"));
    let codecs: Vec<_> = between(&page, "`cargo update ", "`").collect();
    assert_eq!(codecs.len(), 2);
    for codec in codecs {
        let (name, version) = codec.split_once(" --precise ").unwrap();
        assert!(
            lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")),
            "Cargo.lock has no {codec}"
        );
    }
}

#[cfg(all(feature = "cli", feature = "registry"))]
#[test]
fn the_program_has_the_commands_and_options_of_the_readme() {
    let help = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_oci-layout"))
            .args(args)
            .arg("--help")
            .output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "oci-layout {args:?} --help: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let readme = read("README.md");
    let usage = between(&readme, "```text\n", "\n```").next().unwrap();
    let mut named = Vec::new();
    for command in usage.split("oci-layout ").skip(1) {
        let words: Vec<_> = command.split([' ', '\n', '[', ']', '|', '=']).collect();
        let help = help(&words[..1]);
        for option in words.iter().filter(|word| word.starts_with('-')) {
            assert!(help.contains(option), "oci-layout {} has no {option}", words[0]);
        }
        named.push(words[0]);
    }
    let help = help(&[]);
    let (commands, _) = help.split_once("\nOptions:").unwrap();
    let commands = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for command in commands.filter(|command| !command.is_empty() && *command != "help") {
        assert!(named.contains(&command), "README.md does not name oci-layout {command}");
    }
}

/// Each statement about security names the tests that show it.
#[test]
fn the_tests_of_security_exist() {
    let mut source = String::new();
    let files = walkdir::WalkDir::new("tests").into_iter().chain(walkdir::WalkDir::new("src"));
    for file in files
        .map(Result::unwrap)
        .filter(|file| file.path().extension().is_some_and(|rs| rs == "rs"))
    {
        source += &fs::read_to_string(file.path()).unwrap();
    }
    let page = read("docs/security.md");
    let mut count = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| sentence"))
    {
        let Some(tests) = row.split('|').nth(2).filter(|tests| tests.trim_start().starts_with('`'))
        else {
            continue;
        };
        for name in tests.split('`').skip(1).step_by(2) {
            let is_there = name.contains('/') || source.contains(&format!("fn {name}("));
            assert!(is_there, "docs/security.md names the test {name}, which does not exist");
            count += 1;
        }
    }
    assert!(count > 40, "only {count} names found: has the form of the page changed?");
}
