//! The list of commands in the help, in groups.

use std::io;

use clap::{Arg, Command, builder::StyledStr};

use crate::{out::columns, trust::RECIPES};

/// The commands by what they are for.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Make images",
        &[
            "build",
            "layer-tar",
            "image-config",
            "image-manifest",
            "image-layout",
            "layer-diff",
            "closure-layers",
            "plan-layers",
        ],
    ),
    (
        "Look at images",
        &[
            "inspect",
            "tags",
            "digest",
            "manifest",
            "config",
            "ls",
            "cat",
            "cp",
            "unpack",
            "diff",
            "sbom",
            "discover",
            "verify",
            "check",
            "verify-signature",
        ],
    ),
    (
        "Change images and layouts",
        &[
            "mutate",
            "squash",
            "recompress",
            "tag",
            "append",
            "attach",
            "detach",
            "sign",
            "delete",
            "fill",
            "gc",
        ],
    ),
    ("Move images", &["copy", "export", "pull", "push", "login", "logout", "serve", "crd"]),
    ("Other commands", &["nix", "completions", "man"]),
];

/// The widest line, as in the rest of the help.
const WIDEST: usize = 110;

/// The commands whose help lists the options for recipes of others: the one that explains them, and
/// those by which files leave this machine. All other commands have these options too.
const WITH_RECIPE_OPTIONS: [&str; 6] = ["fill", "verify", "export", "copy", "push", "serve"];

/// Returns the program, complete, without the options in its help that are explained elsewhere.
pub(crate) fn concise(mut program: Command) -> Command {
    program.build();
    let is_for_recipes = |option: &Arg| option.get_help_heading() == Some(RECIPES);
    let names: Vec<_> = program.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let hide = |option: Arg| if is_for_recipes(&option) { option.hide(true) } else { option };
    let is_listed = |name: &String| WITH_RECIPE_OPTIONS.contains(&&**name);
    names.into_iter().filter(|name| !is_listed(name)).fold(program.mut_args(hide), |all, name| {
        all.mut_subcommand(name, |command| command.mut_args(hide))
    })
}

/// Returns the program with a help that lists the commands in groups.
pub(crate) fn grouped(program: Command) -> Command {
    let program = concise(program);
    let list = list(&program, width());
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\
         {{all-args}}{{after-help}}"
    );
    let names: Vec<_> =
        program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let listed = |command: Command| {
        let is_narrow = is_narrow(&command, width());
        command.hide(true).next_line_help(is_narrow)
    };
    let program = program.override_usage("oci-layout [OPTIONS] <COMMAND>");
    names
        .into_iter()
        .fold(program, |program, name| program.mut_subcommand(name, listed))
        .help_template(template)
}

/// Whether the texts of the options need lines of their own, because there is too little room beside
/// the longest option.
fn is_narrow(command: &Command, width: usize) -> bool {
    const TEXT: usize = 40;
    let lengths = command.get_arguments().map(|argument| argument.to_string().chars().count());
    width < lengths.max().unwrap_or(0) + "  -o, ".len() + TEXT
}

fn list(program: &Command, width: usize) -> String {
    let header = *program.get_styles().get_header();
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text += &format!("{header}{heading}:{header:#}\n");
        for command in names.iter().filter_map(|name| program.find_subcommand(name)) {
            text += &entry(command, width);
        }
        text.push('\n');
    }
    StyledStr::from(text).ansi().to_string()
}

/// The lines of a command: its name, and what it does.
fn entry(command: &Command, width: usize) -> String {
    const NAME: usize = 20;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut lines = vec![String::new()];
    for word in about.split_whitespace() {
        let line = lines.last_mut().expect("there is a first line");
        let length = NAME + line.chars().count() + 1 + word.chars().count();
        match line.is_empty() {
            true => word.clone_into(line),
            false if length <= width => *line += &format!(" {word}"),
            false => lines.push(word.to_owned()),
        }
    }
    let name = format!("  {:<width$}", command.get_name(), width = NAME - 2);
    let rest = lines[1..].iter().map(|line| format!("{:NAME$}{line}\n", ""));
    [format!("{name}{}\n", lines[0])].into_iter().chain(rest).collect()
}

/// The number of columns of the terminal that help is written to.
fn width() -> usize {
    columns(io::stdout()).map_or(100, |columns| columns.clamp(40, WIDEST))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let program = crate::Program::command();
        let mut names: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        #[cfg(not(feature = "registry"))]
        names.extend(["login", "logout", "pull", "push", "serve"]);
        #[cfg(not(feature = "on-demand"))]
        names.push("crd");
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        names.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, names);
    }
}
