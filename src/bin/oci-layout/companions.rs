//! Shell completions and man pages, generated from the arguments of the program.

use std::{fs, path::PathBuf};

use clap::{Arg, Args, Command, ValueHint, builder::PossibleValuesParser};
use clap_complete::Shell;
use oci_layout::Result;

use crate::{errors, help, out::print_text};

/// Prints a shell completion script.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout completions bash > /usr/share/bash-completion/completions/oci-layout")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Writes the man pages of the program and its commands.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout man /usr/share/man/man1")]
pub(crate) struct Man {
    /// The folder for the man pages. It is created if it does not exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Completions {
    pub(crate) fn run(self, program: Command) -> Result<()> {
        let names: Vec<_> = program.get_subcommands().map(|it| it.get_name().to_owned()).collect();
        let mut program = names.into_iter().fold(program.mut_args(completed), |program, name| {
            program.mut_subcommand(name, |command| command.mut_args(completed))
        });
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "oci-layout", &mut script);
        // clap_complete 4.6 uses two different names for a program with a hyphen in bash, so that
        // options of its commands are not completed.
        print_text(&String::from_utf8_lossy(&script).replace("oci__layout", "oci__subcmd__layout"))
    }
}

/// Lets shells complete the values of an argument by their form: those that are common, or paths.
fn completed(argument: Arg) -> Arg {
    let is_flag = !argument.get_action().takes_values()
        || argument.get_num_args().is_some_and(|number| !number.takes_values());
    if is_flag || !argument.get_possible_values().is_empty() {
        return argument;
    }
    let form = argument.get_value_names().and_then(<[_]>::first).cloned().unwrap_or_default();
    // clap_complete 4.6 does not escape colons in the names of values, where zsh ends the name.
    let argument = match form.contains(':') {
        true => argument.value_name("VALUE"),
        false => argument,
    };
    let common: &[&str] = match form.as_str() {
        form if form.starts_with("OS/ARCH") => &[
            "linux/amd64",
            "linux/arm64",
            "linux/arm/v7",
            "linux/386",
            "linux/ppc64le",
            "linux/riscv64",
            "linux/s390x",
        ],
        "CODEC[:LEVEL]" => &["gzip", "zstd", "none"],
        "TRANSPORT" => &["docker", "docker-daemon", "containers-storage", "dir"],
        "SIGNAL" => &["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL"],
        "BOOL" => &["true", "false"],
        form if form.ends_with("|keep") => &["keep"],
        _ => &[],
    };
    if !common.is_empty() {
        return argument.value_parser(PossibleValuesParser::new(common));
    }
    let hint = match form.as_str() {
        "DIR" | "LAYOUT" => ValueHint::DirPath,
        "FILE" | "GRAPH.json" => ValueHint::FilePath,
        "REGISTRY" => ValueHint::Hostname,
        "ARG" | "KEY" | "KEY=VALUE" | "N" | "NAME" | "TIME" | "USER" | "GLOB" => ValueHint::Other,
        _ => ValueHint::AnyPath,
    };
    argument.value_hint(hint)
}

impl Man {
    pub(crate) fn run(self, program: Command) -> Result<()> {
        fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(help::concise(program), &self.dir))
            .map_err(errors::write(&self.dir))
    }
}
