//! Small files that a command reads whole.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use oci_layout::Result;

use crate::errors;

/// Whether the path means standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a file, or standard input for `-`. `advice` says what to do about one with more bytes than
/// allowed.
pub(crate) fn read_input(path: &Path, most: u64, advice: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match is_standard_input(path) {
        true => io::stdin().take(most + 1).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)),
    };
    read.map_err(errors::read(path))?;
    if bytes.len() as u64 > most {
        let reason = format!("it has more than {most} bytes: {advice}");
        return Err(errors::invalid(format!("file {path:?}"), reason));
    }
    Ok(bytes)
}
