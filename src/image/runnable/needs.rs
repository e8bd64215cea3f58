//! What a file needs to be started.

use std::io::{self, Read, Seek};

use serde::{Deserialize, Serialize};

use crate::image::runnable::elf::Elf;

/// What a script, program or library needs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Needs {
    /// The interpreter of a script, and the program that `env` starts.
    Interpreters(Vec<String>),
    Elf(Elf),
}

/// The longest first line of a script that Linux reads.
const HEAD: u64 = 256;

impl Needs {
    /// Reads the contents of a file. `None` if it is of another kind, or damaged.
    ///
    /// # Errors
    ///
    /// Those of reading the first bytes.
    pub(crate) fn read(mut file: impl Read + Seek) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head)?;
        Ok(match &*head {
            [b'#', b'!', line @ ..] => interpreters(line).map(Self::Interpreters),
            [0x7f, b'E', b'L', b'F', ..] => Elf::read(file).map(Self::Elf),
            _ => None,
        })
    }
}

fn interpreters(line: &[u8]) -> Option<Vec<String>> {
    let line = line.split(|&byte| byte == b'\n').next()?;
    let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let interpreter = words.next()?;
    let mut needed = vec![interpreter.to_owned()];
    if interpreter.ends_with("/env") {
        // `env -S` splits its argument; other options and variables come before the program.
        let program = words.find(|word| !word.starts_with('-') && !word.contains('='));
        needed.extend(program.map(str::to_owned));
    }
    Some(needed)
}
