//! Completions and man pages have every command and option of `--help`.

use std::{fs, process::Command};

use crate::{cli::room::Room, common::run};

/// The long options in the help of a command.
fn options(room: &Room, command: &str) -> Vec<String> {
    let help = room.ok(&format!("{command} --help"));
    let words = help
        .lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .flat_map(|line| line.split(|c: char| c != '-' && !c.is_ascii_lowercase()));
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

/// The completions that bash offers after these words.
fn completed(room: &Room, words: &str) -> Vec<String> {
    fs::write(room.path("completions"), room.ok("completions bash")).unwrap();
    let script = r#"source completions
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p oci-layout | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" oci-layout "${@: -1}" "${@: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).args(words.split(' ')).current_dir(room.path(""));
    String::from_utf8(run(&mut bash)).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_every_command_and_option() {
    let room = Room::new();
    let completed = |words: &str| completed(&room, words);
    assert_eq!(completed("oci-layout buil"), ["build"]);
    let commands = room.commands();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        assert!(completed("oci-layout ").contains(&command), "{command}");
        if command != "help" {
            let (options, completed) =
                (options(&room, &command), completed(&format!("oci-layout {command} --")));
            let missing: Vec<_> =
                options.iter().filter(|option| !completed.contains(option)).collect();
            assert!(missing.is_empty(), "{command}: {missing:?} of {completed:?}");
        }
    }
}

#[test]
fn bash_completes_values() {
    let room = Room::new();
    for (words, values) in [
        ("build --compression ", &["gzip", "zstd", "none"][..]),
        ("build --hard-links ", &["copy", "keep", "merge"]),
        ("layer-tar --on-conflict l", &["last"]),
        ("build --platform linux/arm", &["linux/arm64", "linux/arm/v7"]),
        ("ls --platform linux/am", &["linux/amd64"]),
        ("export --format ", &["both", "oci-archive", "docker-archive"]),
        ("mutate --clear st", &["stop-signal"]),
        ("build --stop-signal SIGT", &["SIGTERM"]),
        ("build --chmod k", &["keep"]),
        ("completions b", &["bash"]),
        // A path; bash adds folders by itself.
        ("build --spec a", &["app", "assets"]),
        ("build --output a", &[""]),
        // Not a path.
        ("build --env a", &["a"]),
    ] {
        let mut completed = completed(&room, &format!("oci-layout {words}"));
        if words.ends_with(" a") {
            completed.sort();
        }
        assert_eq!(completed, values, "{words}");
    }
}

/// fish and zsh show what each value means.
#[test]
fn other_shells_complete_values() {
    let room = Room::new();
    let (fish, zsh) = (room.ok("completions fish"), room.ok("completions zsh"));
    assert!(fish.contains("\nkeep\\t'Hard links, as in the folder'\n"), "{fish}");
    assert!(fish.contains(" -r -f -a \"gzip\\t''\nzstd\\t''\nnone\\t''\""), "{fish}");
    assert!(fish.contains(" -r -f -a \"(__fish_complete_directories)\""), "{fish}");
    assert!(zsh.contains("\nkeep\\:\"Hard links, as in the folder\"\n"), "{zsh}");
    assert!(zsh.contains("]:VALUE:(gzip zstd none)'"), "{zsh}");
    assert!(zsh.contains("]:DIR:_files -/'"), "{zsh}");
    // A colon in the name of a value would end it there.
    let options = zsh.lines().filter_map(|line| line.rsplit_once("]:"));
    let bad: Vec<_> = options.filter(|(_, rest)| rest.contains("[:")).collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// The text of an option does not repeat the list of its values.
#[test]
fn help_lists_values_once() {
    let room = Room::new();
    for (command, option, value) in
        [("build", "hard-links", "merge"), ("export", "format", "oci-archive")]
    {
        for flag in ["-h", "--help"] {
            let help = room.ok(&format!("{command} {flag}"));
            let (_, of) = help.split_once(&format!("--{option} <")).unwrap();
            let of = of.split("\n      --").next().unwrap();
            let words = of.split(|c: char| c != '-' && !c.is_alphanumeric());
            assert_eq!(words.filter(|word| *word == value).count(), 1, "{of}");
        }
    }
}

#[test]
fn other_shells_have_completions() {
    let room = Room::new();
    for (shell, start) in [
        ("zsh", "#compdef oci-layout\n"),
        ("fish", "# Print an optspec"),
        ("elvish", "\nuse builtin"),
    ] {
        let script = room.ok(&format!("completions {shell}"));
        assert!(script.starts_with(start), "{shell}: {script}");
        assert!(room.commands().iter().all(|command| script.contains(command)), "{shell}");
    }
}

/// man(7) writes a backslash before each hyphen that is not a line break.
#[test]
fn every_command_has_a_page_with_its_options() {
    let room = Room::new();
    assert_eq!(room.ok("man pages/man1"), "");
    for command in room.commands().iter().filter(|command| *command != "help") {
        let page =
            fs::read_to_string(room.path(format!("pages/man1/oci-layout-{command}.1"))).unwrap();
        assert!(page.contains("\n.TH oci-layout-"), "{page}");
        for option in options(&room, command) {
            assert!(
                page.contains(&option.replace('-', "\\-")),
                "{command}: {option} is missing\n{page}"
            );
        }
    }
    let page = fs::read_to_string(room.path("pages/man1/oci-layout.1")).unwrap();
    let named = room.commands().iter().all(|command| page.contains(&command.replace('-', "\\-")));
    assert!(named, "{page}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let room = Room::new();
    room.fails("man app/man1", "cannot write \"app/man1\": Not a directory (os error 20)");
}
