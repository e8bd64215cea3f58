//! The way out: all that the program says and prints, without a character of others that acts on a terminal.
//!
//! Names and texts come from layouts, archives, registries and folders that anybody may have made. What is a line here
//! stays one. Programs that read the output get it escaped too: no name that images may have needs that.

use std::{
    ffi::OsString,
    fmt::Display,
    io::{self, Write},
    path::Path,
};

use clap::Parser;
use oci_layout::{Error, Printable, PrintableJson, Result};
use serde::Serialize;

/// Says something in a line on standard error. Whoever stops reading that has had enough, and the work goes on.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", Printable(line));
}

/// Prints a line of what the user asked for.
/// That nobody reads to the end is the reader's choice and no error.
pub(crate) fn print(line: impl Display) -> Result<()> {
    match writeln!(io::stdout(), "{}", Printable(line)) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Write { path: Path::new("standard output").to_owned(), cause })
        }
        _ => Ok(()),
    }
}

/// Prints lines, which hold no line feed of others.
pub(crate) fn print_lines(lines: impl Display) -> Result<()> {
    lines.to_string().lines().try_for_each(print)
}

/// Prints JSON with the members on lines of their own.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print_lines(PrintableJson(serde_json::to_string_pretty(value).expect("its keys are strings")))
}

/// The arguments, read. If they are wrong, clap says so and quotes them, and a glob may have found them in a folder of
/// others: they are quoted as they may be shown.
pub(crate) fn parse<P: Parser>(arguments: Vec<OsString>) -> P {
    P::try_parse_from(&arguments).unwrap_or_else(|error| {
        let shown = arguments.iter().map(|argument| Printable(argument.to_string_lossy()).to_string());
        P::try_parse_from(shown).err().unwrap_or(error).exit()
    })
}
