//! Shell completions and man pages, generated from the arguments of the program.

use std::{fs, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use oci_layout::Result;

use crate::{errors, out::print_text};

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
    pub(crate) fn run(self, mut program: Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "oci-layout", &mut script);
        // clap_complete 4.6 uses two different names for a program with a hyphen in bash, so that
        // options of its commands are not completed.
        print_text(&String::from_utf8_lossy(&script).replace("oci__layout", "oci__subcmd__layout"))
    }
}

impl Man {
    pub(crate) fn run(self, program: Command) -> Result<()> {
        fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(program, &self.dir))
            .map_err(errors::write(&self.dir))
    }
}
