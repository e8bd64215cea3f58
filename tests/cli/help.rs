//! The help: each command has examples that work, and options are listed where they matter.

use std::{fs, process::Command};

use crate::{
    cli::{room::Room, signatures::KEYS},
    common,
};

/// The example of a command, line by line, without what the shell and other programs do.
fn example(room: &Room, command: &str) -> Vec<String> {
    let help = room.ok(&format!("{command} --help")).replace(" \\\n     ", "");
    let Some((_, example)) = help.split_once("\nExample") else { return Vec::new() };
    let lines = example.lines().filter_map(|line| line.strip_prefix("  oci-layout "));
    let words = |line: &str| {
        let words = line.split(' ').take_while(|word| !["|", "&&", ">", "<"].contains(word));
        words.collect::<Vec<_>>().join(" ").replace('\'', "")
    };
    let lines: Vec<_> = lines.map(words).collect();
    let count = lines.len() + example.matches("\n  podman ").count();
    assert!(example.starts_with(if count > 1 { "s:\n" } else { ":\n" }), "{command}: {example}");
    lines
}

/// What the examples take.
fn room() -> Room {
    let room = Room::new();
    for folder in ["dist/amd64", "dist/arm64", "before", "after"] {
        fs::create_dir_all(room.path(folder)).unwrap();
        fs::write(room.path(folder).join("file"), folder).unwrap();
    }
    fs::write(room.path("image.toml"), "file = ['app:/app']\noutput = 'of-options'").unwrap();
    fs::write(room.path("graph.json"), "[]").unwrap();
    fs::write(room.path("sbom.json"), "{}").unwrap();
    fs::write(room.path("policy.yaml"), "sizes: {layers: 9}").unwrap();
    for (name, text) in KEYS {
        fs::write(room.path(name), text).unwrap();
    }
    room.ok("layer-tar -f app:/bin/app -o layer");
    room.ok("image-config --layer layer -o config");
    room.ok("image-manifest --layer layer --config config -o manifest");
    for platform in ["amd64", "arm64"] {
        let manifest = format!("--platform linux/{platform} -o manifest-{platform}");
        room.ok(&format!("image-manifest --layer layer {manifest}"));
    }
    room.ok("build --text /etc/alpine-release=3.20 -t 3.20 -o alpine");
    room.ok("build -f app -t 1.0 -o other");
    // Three layers and three names.
    room.ok(
        "build --text /etc/os-release=x --new-layer --text /usr/bin/a=1 --new-layer --text /b=2 -t \
             latest -t 1.0 -t 1.1 -o image",
    );
    for more in ["", "--predicate sbom.json --predicate-type https://cyclonedx.org/bom"] {
        let sign = format!("sign image:1.0 --key cosign.key --password-file password {more}");
        assert_eq!(room.run(sign.trim().split(' ')).code, Some(0));
    }
    room
}

#[test]
fn examples_work() {
    let start = room();
    for command in start.commands() {
        let example = example(&start, &command);
        assert!(!example.is_empty() || command == "nix", "{command} has no example");
        for line in example {
            let room = Room::new();
            let inputs = fs::read_dir(start.path("")).unwrap().map(|entry| entry.unwrap().path());
            common::run(Command::new("cp").arg("-r").args(inputs).arg(room.path("")));
            // No port 1 has a registry, and no test writes to the system.
            let here =
                line.replace("docker://", "docker://127.0.0.1:1/").replace("/usr/share/", "");
            let hosts = ["ghcr.io", "registry.example:5000", "registry.example", "docker.io"];
            let here = hosts.iter().fold(here, |line, host| line.replace(host, "127.0.0.1:1"));
            let here = here.replace("127.0.0.1:1/127.0.0.1:1", "127.0.0.1:1");
            let is_local = here == line || command == "man";
            let is_local = is_local && !["serve", "copy", "push"].contains(&&*command);
            // Only what adds to a layout takes one.
            if let Some((_, output)) = here.split_once(" -o ")
                && command != "append"
            {
                let _ = fs::remove_dir_all(room.path(output.split(' ').next().unwrap()));
            }
            // A server would wait for clients.
            let here = if command == "serve" { here.replace("image", "none") } else { here };
            let run = room.command(here.split(' ')).output().unwrap();
            let err = String::from_utf8(run.stderr).unwrap();
            assert!(!err.contains("--help"), "{line}: {err}");
            assert!(!is_local || run.status.success(), "{line}: {err}");
        }
    }
}

#[test]
fn options_for_recipes_are_listed_where_they_matter() {
    let room = Room::new();
    room.ok("build -f app:/app -o image");
    for command in room.commands() {
        for help in [format!("{command} --help"), format!("help {command}")] {
            let is_listed = room.ok(&help).contains("--trust-recipes");
            let moves = ["fill", "verify", "export", "copy", "push", "serve"];
            assert_eq!(is_listed, moves.contains(&&*command), "{command}");
        }
    }
    assert!(!room.ok("--help").contains("--trust-recipes"));
    // All commands have them.
    for line in
        ["ls image --trust-recipes", "--recipe-root . ls image", "digest image --recipe-root ."]
    {
        room.ok(line);
    }
}

/// So that no terminal of 80 columns breaks it.
#[test]
fn usage_fits_in_80_columns() {
    let room = Room::new();
    let help = room.ok("--help");
    let commands = help.lines().filter_map(|line| line.strip_prefix("  "));
    let commands = commands.filter_map(|line| line.split(' ').next());
    let commands: Vec<_> = commands.filter(|name| name.starts_with(char::is_alphabetic)).collect();
    assert!(commands.contains(&"build"));
    let is_command = |name: &&str| !["oci-layout", "podman", "help"].contains(name);
    for command in commands.into_iter().filter(is_command) {
        let help = room.ok(&format!("{command} --help"));
        let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap();
        assert!(usage.len() <= 80, "{usage}");
    }
}
