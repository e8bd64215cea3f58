//! All output of the program, with control characters of untrusted text escaped.
//!
//! Names and texts come from untrusted layouts, archives, registries and folders. Here, one line of
//! text stays one line. Output for programs is escaped too: valid image names do not need escapes.

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    process,
};

use clap::{Command, FromArgMatches, error::ErrorKind};
use oci_layout::{Printable, PrintableJson, Result};
use rustix::termios::tcgetwinsize;
use serde::{Serialize, Serializer};

use crate::{errors, hints};

/// Prints a line on standard error. A failure to write is ignored, so that the work continues.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", Printable(line));
}

/// Prints an object as one line of JSON on standard error. A failure to write is ignored.
#[cfg(feature = "registry")]
pub(crate) fn say_json(object: &serde_json::Value) {
    let _ = writeln!(io::stderr(), "{}", PrintableJson(object));
}

/// Prints the error that ends the program, as [`advice`](crate::advice) writes it. Its own line feeds are kept; those of
/// untrusted text are already escaped.
pub(crate) fn say_error(text: &str) {
    let lines: Vec<_> = text.lines().map(|line| Printable(line).to_string()).collect();
    let _ = writeln!(io::stderr(), "{}{}", error_prefix(), lines.join("\n"));
}

/// The beginning of every error, red on a terminal.
fn error_prefix() -> &'static str {
    match is_coloured() {
        true => "oci-layout: \u{1b}[1m\u{1b}[31merror:\u{1b}[0m ",
        false => "oci-layout: error: ",
    }
}

/// The number of columns of a terminal.
pub(crate) fn columns(terminal: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether standard error is a terminal whose user [wants colours](https://no-color.org).
fn is_coloured() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Prints a line of the requested output.
pub(crate) fn print(line: impl Display) -> Result<()> {
    wanted(writeln!(io::stdout(), "{}", Printable(line)))
}

/// Prints text of this program, which may have several lines.
pub(crate) fn print_text(text: &str) -> Result<()> {
    wanted(io::stdout().write_all(text.as_bytes()))
}

/// A reader may stop early; that is not an error.
fn wanted(written: io::Result<()>) -> Result<()> {
    match written {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(errors::write("standard output")(cause))
        }
        _ => Ok(()),
    }
}

/// Prints JSON with each member on its own line, while it is serialised.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = JsonText(Vec::new());
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from);
    wanted(written.and_then(|()| out.flush()))?;
    print("")
}

/// The same of a list, of which only one value is in memory at a time.
pub(crate) fn print_json_list<T: Serialize>(values: impl Iterator<Item = T>) -> Result<()> {
    let mut out = JsonText(Vec::new());
    let mut json = serde_json::Serializer::pretty(&mut out);
    let written = json.collect_seq(values).map_err(io::Error::from);
    wanted(written.and_then(|()| out.flush()))?;
    print("")
}

/// Prints the exact bytes of a document, which its digest covers. A terminal does not need them,
/// and would interpret control characters: there, they are escaped.
pub(crate) fn print_document(bytes: &[u8]) -> Result<()> {
    if !io::stdout().is_terminal() {
        return wanted(io::stdout().write_all(bytes));
    }
    let mut out = JsonText(bytes.to_vec());
    wanted(out.flush())?;
    print("")
}

/// A writer that escapes JSON on its way to standard output.
struct JsonText(Vec<u8>);

impl Write for JsonText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const MOST: usize = 64 << 10;
        self.0.extend_from_slice(bytes);
        if self.0.len() >= MOST {
            // The rest of a character may come with the next write.
            let whole = match str::from_utf8(&self.0) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => self.0.len(),
            };
            let rest = self.0.split_off(whole);
            self.flush()?;
            self.0 = rest;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        write!(io::stdout(), "{}", PrintableJson(String::from_utf8_lossy(&self.0)))?;
        self.0.clear();
        Ok(())
    }
}

/// Parses the arguments of this command. clap quotes wrong arguments in its error, and a glob may
/// have found them in an untrusted folder, so they are escaped.
pub(crate) fn parse<P: FromArgMatches>(command: Command, arguments: Vec<OsString>) -> P {
    let parse = |arguments: Vec<OsString>| {
        let mut command = command.clone();
        let matches = command.try_get_matches_from_mut(&arguments).map_err(|mut error| {
            hints::advise(&mut error, &command, &arguments);
            error
        })?;
        P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    };
    parse(arguments.clone()).unwrap_or_else(|error| {
        let shown =
            arguments.iter().map(|argument| Printable(argument.to_string_lossy()).to_string());
        refuse(parse(shown.map(OsString::from).collect()).err().unwrap_or(error))
    })
}

/// Ends the program because of arguments that do not belong together.
pub(crate) fn usage_error(reason: &str) -> ! {
    refuse(clap::Error::raw(ErrorKind::ArgumentConflict, format!("{reason}\n")))
}

/// Prints what clap says about the arguments, in the form of all errors, and ends the program.
fn refuse(error: clap::Error) -> ! {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help || !error.use_stderr() {
        error.exit();
    }
    let text = error.render();
    let mut out = io::stderr();
    let _ = match is_coloured() {
        true => write!(out, "oci-layout: {}", text.ansi()),
        false => write!(out, "oci-layout: {text}"),
    };
    process::exit(error.exit_code());
}
