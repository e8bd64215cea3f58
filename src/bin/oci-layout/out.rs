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

/// Says why the program fails. An error escapes the line feeds of others, and has some of its own.
pub(crate) fn say_error(error: &Error) {
    format!("oci-layout: error: {error}").lines().for_each(say);
}

/// Prints a line of what the user asked for.
pub(crate) fn print(line: impl Display) -> Result<()> {
    wanted(writeln!(io::stdout(), "{}", Printable(line)))
}

/// Prints a text of our own, which may have any number of lines.
pub(crate) fn print_text(text: &str) -> Result<()> {
    wanted(io::stdout().write_all(text.as_bytes()))
}

/// That nobody reads to the end is the reader's choice and no error.
fn wanted(written: io::Result<()>) -> Result<()> {
    match written {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Write { path: Path::new("standard output").to_owned(), cause })
        }
        _ => Ok(()),
    }
}

/// Prints JSON with the members on lines of their own, while it is made.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = JsonText(Vec::new());
    let written = serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from);
    wanted(written.and_then(|()| out.flush()))?;
    print("")
}

/// Prints JSON text as it may be shown.
#[cfg(feature = "registry")]
pub(crate) fn print_json_text(text: &[u8]) -> Result<()> {
    let mut out = JsonText(text.to_vec());
    wanted(out.flush())?;
    print("")
}

/// JSON on its way to standard output.
struct JsonText(Vec<u8>);

impl Write for JsonText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const MOST: usize = 64 << 10;
        self.0.extend_from_slice(bytes);
        if self.0.len() >= MOST {
            // The rest of a character may come later.
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

/// The arguments, read. If they are wrong, clap says so and quotes them, and a glob may have found them in a folder of
/// others: they are quoted as they may be shown.
pub(crate) fn parse<P: Parser>(arguments: Vec<OsString>) -> P {
    P::try_parse_from(&arguments).unwrap_or_else(|error| {
        let shown = arguments.iter().map(|argument| Printable(argument.to_string_lossy()).to_string());
        P::try_parse_from(shown).err().unwrap_or(error).exit()
    })
}
