//! Questions on the terminal.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use oci_layout::Result;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::errors;

/// Asks for a line of text.
#[cfg(feature = "registry")]
pub(crate) fn line(question: &str) -> Result<String> {
    ask(|terminal| {
        write!(terminal, "{question}")?;
        read(terminal, |_| {})
    })
}

/// Asks for a line of text that is not shown.
pub(crate) fn secret(question: &str) -> Result<String> {
    ask(|terminal| {
        let before = tcgetattr(&*terminal)?;
        let mut hidden = before.clone();
        // Signals are off too: one of them would leave the terminal without an echo.
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        // Discards what was typed so far. The question comes later, so that no answer is lost.
        tcsetattr(&*terminal, OptionalActions::Flush, &hidden)?;
        let said = write!(terminal, "{question}").and_then(|()| {
            read(terminal, |line| {
                line.pop();
            })
        });
        tcsetattr(&*terminal, OptionalActions::Drain, &before)?;
        writeln!(terminal)?;
        said
    })
}

fn ask(answer: impl FnOnce(&mut File) -> io::Result<String>) -> Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.map_err(|_| {
        let reason = "there is no terminal to ask for it: give it in a file, or to login with \
                      --username and --password-stdin";
        errors::invalid("password", reason)
    })?;
    answer(&mut terminal).map_err(errors::read("/dev/tty"))
}

/// Reads bytes up to the end of a line. `erase` handles the backspace key, where the terminal does
/// not.
fn read(terminal: &mut File, erase: impl Fn(&mut Vec<u8>)) -> io::Result<String> {
    const CANCEL: u8 = 3;
    const END: u8 = 4;
    let mut line = Vec::new();
    let mut byte = [0];
    while terminal.read(&mut byte)? > 0 {
        match byte[0] {
            b'\n' | b'\r' | END => break,
            CANCEL => return Err(io::Error::other("interrupted")),
            8 | 127 => erase(&mut line),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| io::Error::other("it is not UTF-8"))
}
