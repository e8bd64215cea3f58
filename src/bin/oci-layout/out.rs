//! All output of the program, with control characters of untrusted text escaped.
//!
//! Names and texts come from untrusted layouts, archives, registries and folders. Here, one line of
//! text stays one line. Output for programs is escaped too: valid image names do not need escapes.

use std::{
    ffi::OsString,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use clap::Parser;
use oci_layout::{Error, Printable, PrintableJson, Report, Result};
use serde::Serialize;

use crate::errors;

/// Prints a line on standard error. A failure to write is ignored, so that the work continues.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", Printable(line));
}

/// Prints the error that ends the program, with its causes. Its own line feeds are kept; those of
/// untrusted text are already escaped.
pub(crate) fn say_error(error: &Error) {
    format!("oci-layout: error: {}", Report(error)).lines().for_each(say);
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

/// Parses the arguments. clap quotes wrong arguments in its error, and a glob may have found them
/// in an untrusted folder, so they are escaped.
pub(crate) fn parse<P: Parser>(arguments: Vec<OsString>) -> P {
    P::try_parse_from(&arguments).unwrap_or_else(|error| {
        let shown =
            arguments.iter().map(|argument| Printable(argument.to_string_lossy()).to_string());
        P::try_parse_from(shown).err().unwrap_or(error).exit()
    })
}
