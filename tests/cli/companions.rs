//! Completions and man pages have every command and option of `--help`.

use std::{fs, process::Command};

use crate::{cli::room::Room, common::run};

/// The commands in the program's help.
fn commands(room: &Room) -> Vec<String> {
    let help = room.ok("--help");
    let (list, _) = help.split_once("\nOptions:").unwrap();
    let command = |line: &str| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned());
    list.lines().filter_map(command).filter(|command| !command.is_empty()).collect()
}

/// The long options in the help of a command.
fn options(room: &Room, command: &str) -> Vec<String> {
    let help = room.ok(&format!("{command} --help"));
    let words = help
        .lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .flat_map(|line| line.split(|c: char| c != '-' && !c.is_ascii_lowercase()));
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn bash_completes_every_command_and_option() {
    let room = Room::new();
    fs::write(room.path("completions"), room.ok("completions bash")).unwrap();
    let completed = |words: &str| -> Vec<String> {
        // The completions that bash offers after these words.
        let script = r#"source completions
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            function=$(complete -p oci-layout | sed 's/.* -F \([^ ]*\) .*/\1/')
            "$function" oci-layout "${@: -1}" "${@: -2:1}"
            printf '%s\n' "${COMPREPLY[@]}""#;
        let mut bash = Command::new("bash");
        bash.args(["-c", script, "bash"]).args(words.split(' ')).current_dir(room.path(""));
        String::from_utf8(run(&mut bash)).unwrap().lines().map(str::to_owned).collect()
    };
    assert_eq!(completed("oci-layout buil"), ["build"]);
    let commands = commands(&room);
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
fn other_shells_have_completions() {
    let room = Room::new();
    for (shell, start) in [
        ("zsh", "#compdef oci-layout\n"),
        ("fish", "# Print an optspec"),
        ("elvish", "\nuse builtin"),
    ] {
        let script = room.ok(&format!("completions {shell}"));
        assert!(script.starts_with(start), "{shell}: {script}");
        assert!(commands(&room).iter().all(|command| script.contains(command)), "{shell}");
    }
}

/// man(7) writes a backslash before each hyphen that is not a line break.
#[test]
fn every_command_has_a_page_with_its_options() {
    let room = Room::new();
    assert_eq!(room.ok("man pages/man1"), "");
    for command in commands(&room).iter().filter(|command| *command != "help") {
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
    let named = commands(&room).iter().all(|command| page.contains(&command.replace('-', "\\-")));
    assert!(named, "{page}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let room = Room::new();
    room.fails("man app/man1", "cannot write \"app/man1\": Not a directory (os error 20)");
}
