//! What goes with the program: completions for shells, and man pages. Both are made from its arguments.

use std::{fs, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use oci_layout::{Error, Result};

use crate::out::print_text;

/// Prints a script that completes the program's arguments in a shell.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout completions bash > /usr/share/bash-completion/completions/oci-layout")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Writes the man pages of the program and of its commands.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout man /usr/share/man/man1")]
pub(crate) struct Man {
    /// The folder, which is created if it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Completions {
    pub(crate) fn run(self, mut program: Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "oci-layout", &mut script);
        // clap_complete 4.6 has two names for a program with a hyphen in bash, and finds no option of its commands.
        print_text(&String::from_utf8_lossy(&script).replace("oci__layout", "oci__subcmd__layout"))
    }
}

impl Man {
    pub(crate) fn run(self, program: Command) -> Result<()> {
        fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(program, &self.dir))
            .map_err(|cause| Error::Write { path: self.dir, cause })
    }
}
