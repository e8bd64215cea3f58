//! What is on a terminal, by a screen emulator.

use std::{fs::File, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::tool::{run, tool};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oci-layout");

/// What a program shows on a terminal of this many columns. Its standard input has bytes for this
/// many seconds.
fn show(folder: &Path, columns: usize, seconds: &str, args: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/terminal.py");
    let mut python = tool("python3");
    python.args([script, &columns.to_string(), seconds, PROGRAM]).args(args.split(' '));
    python.env("TERM", "xterm-256color").env_remove("NO_COLOR").current_dir(folder);
    serde_json::from_str(&run(&mut python)).unwrap()
}

fn lines(shown: &Value, member: &str) -> Vec<String> {
    serde_json::from_value(shown[member].clone()).unwrap()
}

#[test]
fn progress_leaves_nothing_on_a_terminal() {
    let dir = TempDir::new().unwrap();
    File::create(dir.path().join("large")).unwrap().set_len(1500 << 20).unwrap();
    for columns in [40, 80, 120, 200] {
        for (args, bar) in [
            // The total is known, or it is not.
            ("build -f large:/large --compression gzip:1 --threads 1 -o image --force", "packing"),
            ("build -f -:/fed -o image --force", "packing"),
        ] {
            let shown = show(dir.path(), columns, "2.5", args);
            assert_eq!((&shown["code"], &shown["scrolled"]), (&0.into(), &0.into()), "{shown}");
            let seen = lines(&shown, "seen");
            assert!(seen.iter().any(|line| line.starts_with(bar)), "{columns}: {shown}");
            assert!(seen.iter().all(|line| line.chars().count() <= columns), "{columns}: {shown}");
            // At the end, there is only the digest.
            let screen = lines(&shown, "screen").concat();
            assert!(screen.starts_with("sha256:") && screen.len() == 71, "{columns}: {shown}");
        }
    }
}

#[test]
fn help_fits_the_terminal() {
    let dir = TempDir::new().unwrap();
    let help = |columns, args: &str| lines(&show(dir.path(), columns, "0", args), "written");
    let commands = help(80, "--help").into_iter().take_while(|line| line != "Options:");
    let commands = commands.filter_map(|line| {
        let (name, _) = line.strip_prefix("  ")?.split_once(' ')?;
        (!name.is_empty()).then(|| name.to_owned())
    });
    let commands: Vec<_> = commands.collect();
    assert!(commands.contains(&"build".to_owned()) && commands.len() > 20, "{commands:?}");
    for columns in [40, 80, 120] {
        let short = commands.iter().map(|name| format!("{name} -h"));
        let long = commands.iter().map(|name| format!("{name} --help"));
        for command in short.chain(long).chain(["--help".into()]) {
            let written = help(columns, &command);
            // Names of options, and examples, are wider than 40 columns. Descriptions are not.
            let counts = |line: &&String| {
                // clap never breaks a usage line.
                let (is_one_word, is_usage) =
                    (line.split_whitespace().count() == 1, line.starts_with("Usage: "));
                !is_usage && (columns > 40 || line.starts_with("          ") && !is_one_word)
            };
            let too_long =
                written.iter().filter(counts).find(|line| line.chars().count() > columns);
            assert_eq!(too_long, None, "{columns} {command}");
            assert!(written.len() > 5, "{command}");
        }
    }
}

#[test]
fn errors_are_red_only_on_a_terminal() {
    let dir = TempDir::new().unwrap();
    for (args, text) in [
        ("inspect none", "oci-layout: error: \"none\" does not exist"),
        ("inspekt", "oci-layout: error: unrecognized subcommand"),
    ] {
        let shown = show(dir.path(), 120, "0", args);
        assert!(lines(&shown, "screen")[0].starts_with(text), "{shown}");
        let script = format!("{PROGRAM} {args}");
        let mut terminal = tool("script");
        terminal.args(["-q", "-c", &script, "/dev/null"]).current_dir(dir.path());
        let bytes = terminal.env("TERM", "xterm").env_remove("NO_COLOR").output().unwrap().stdout;
        let bytes = String::from_utf8(bytes).unwrap();
        assert!(bytes.starts_with("oci-layout: \u{1b}[1m\u{1b}[31merror:\u{1b}[0m "), "{bytes:?}");
        let mut plain = std::process::Command::new(PROGRAM);
        let bytes = plain.args(args.split(' ')).current_dir(dir.path()).output().unwrap().stderr;
        assert!(String::from_utf8(bytes).unwrap().starts_with(text));
    }
}
