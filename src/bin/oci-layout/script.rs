//! Scripts: files whose first line names this program and whose remaining lines are arguments.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use oci_layout::Result;

use crate::errors;

/// The maximum size of a script. A script holds command-line arguments, and the kernel limits their
/// total size to little more than this.
const MAX_SCRIPT: u64 = 1 << 20;

/// Returns the arguments of the program. If the first one is a script, its arguments replace it.
///
/// The kernel runs a script `copy` whose first line is `#!/bin/oci-layout` as `/bin/oci-layout copy
/// …`. The rest of the script is a JSON list of strings, which can hold any argument. The name of a
/// subcommand is never taken for a file.
pub(crate) fn arguments(
    given: impl IntoIterator<Item = OsString>,
    is_subcommand: impl Fn(&OsStr) -> bool,
) -> Result<Vec<OsString>> {
    let mut given = given.into_iter();
    let mut all: Vec<OsString> = given.by_ref().take(2).collect();
    // Opening a fifo would wait for its writer.
    if let Some(first) =
        all.get(1).filter(|first| Path::new(first).is_file() && !is_subcommand(first))
        && let Some(script) = read(Path::new(first))?
    {
        all.pop();
        all.extend(script.into_iter().map(OsString::from));
    }
    all.extend(given);
    Ok(all)
}

/// Returns the arguments in a script; `None` if the file is not a script.
fn read(path: &Path) -> Result<Option<Vec<String>>> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SCRIPT).read_to_end(&mut text));
    let end = text.iter().position(|&byte| byte == b'\n');
    // An unreadable file is not a script, so the parser reports it as an unknown subcommand.
    let (Ok(_), Some(end)) = (read, end) else { return Ok(None) };
    if !text.strip_prefix(b"#!").is_some_and(|_| names_us(&text[2..end])) {
        return Ok(None);
    }
    serde_json::from_slice(&text[end..]).map(Some).map_err(|error| {
        let reason = format!(
            "expected a JSON list of strings, the arguments, after the first line: {error}"
        );
        errors::invalid(format!("script {path:?}"), reason)
    })
}

/// Whether the interpreter is this program, directly or through `env`.
fn names_us(interpreter: &[u8]) -> bool {
    let words = interpreter.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut names = words.map(|word| Path::new(OsStr::from_bytes(word)).file_name());
    let ours = Some(OsStr::new("oci-layout"));
    match names.next() {
        Some(name) if name == Some(OsStr::new("env")) => names.next() == Some(ours),
        name => name == Some(ours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreter_lines_are_recognised() {
        for ours in ["/nix/store/x/bin/oci-layout", " oci-layout", "/usr/bin/env oci-layout"] {
            assert!(names_us(ours.as_bytes()), "{ours}");
        }
        for other in ["", "/bin/sh", "/bin/sh oci-layout", "/bin/oci-layouts", "/usr/bin/env"] {
            assert!(!names_us(other.as_bytes()), "{other}");
        }
    }
}
