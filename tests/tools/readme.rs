//! The first examples of the README run, and run twice.

use std::{env, fs, process::Command};

use tempfile::TempDir;

use crate::common::tool::{Containers, run, tool};

/// The first block of README.md in this language.
fn block(language: &str) -> String {
    let text = fs::read_to_string("README.md").unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_example_of_the_shell_runs_and_runs_twice() {
    let dir = TempDir::new().unwrap();
    let block = block("sh");
    let (new, build) = block.split_once('\n').unwrap();
    let containers = Containers::new(dir.path());
    for script in [format!("{new}\n{build}"), format!("cd hello\n{build}")] {
        let mut shell = Command::new("bash");
        let podman = containers.tool("podman");
        let envs = podman.get_envs().filter(|(name, _)| *name != "HOME" && *name != "PATH");
        shell.envs(envs.filter_map(|(name, value)| Some((name, value?))));
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_oci-layout"));
        let path = env::join_paths(
            [program.parent().unwrap().to_owned()]
                .into_iter()
                .chain(env::split_paths(&env::var_os("PATH").unwrap())),
        );
        shell.env("PATH", path.unwrap()).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        let said = run(shell.args(["-euc", &script]).current_dir(dir.path()));
        assert!(said.ends_with("Hello, world!\n"), "{said}");
    }
}

#[test]
fn the_example_of_rust_runs_and_runs_twice() {
    let example = fs::read_to_string("examples/readme.rs").unwrap();
    let (_, example) = example.split_once("\n\n").unwrap();
    assert_eq!(example, block("rust,no_run"));
    let dir = TempDir::new().unwrap();
    let source = "#include <stdio.h>\nint main(void) { puts(\"Hello!\"); }\n";
    fs::write(dir.path().join("app.c"), source).unwrap();
    run(tool("cc").args(["-static", "-o", "app", "app.c"]).current_dir(dir.path()));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for _ in 0..2 {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--all-features", "--manifest-path", manifest]);
        run(cargo.args(["--example", "readme"]).current_dir(dir.path()));
        let containers = Containers::new(dir.path());
        assert_eq!(containers.podman(["run", "--rm", "--quiet", "oci:image:1.0"]), "Hello!\n");
    }
}

#[test]
fn an_error_of_main_is_a_sentence() {
    let dir = TempDir::new().unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--all-features", "--manifest-path", manifest]);
    let output = cargo.args(["--example", "readme"]).current_dir(dir.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("Error: source \"app\" does not exist"), "{error}");
}
