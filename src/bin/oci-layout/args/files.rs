//! Files of a layer: a source, a destination, or both.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use oci_layout::{FileMapping, Source};

use super::separators::{split, unescape};

/// Parses `SRC[:DEST]`; `-` is standard input, and `./-` is a file of that name.
pub(crate) fn mapping(text: &OsStr) -> Result<FileMapping, String> {
    let (source, destination) = split(text, b':');
    let source = match (source.as_bytes(), destination) {
        (b"-", None) => {
            return Err("standard input needs a destination: use -:DEST".to_owned());
        }
        (b"-", Some(_)) => "/dev/stdin".into(),
        _ => unescape(source),
    };
    let Some(destination) = destination else {
        return if source.is_empty() {
            Err("the source is empty".to_owned())
        } else {
            Ok(FileMapping::at_source(source))
        };
    };
    if split(destination, b':').1.is_some() {
        return Err(r"expected SRC[:DEST]; write a colon in a path as \:".to_owned());
    }
    match (source.is_empty(), destination.is_empty()) {
        (true, _) => Err("the source before the colon is empty".to_owned()),
        (_, true) => Err("the destination after the colon is empty".to_owned()),
        _ => Ok(FileMapping::new(source, unescape(destination))),
    }
}

/// Parses `DEST=TEXT`.
pub(crate) fn text(text: &OsStr) -> Result<FileMapping, String> {
    let (destination, text) = destination("DEST=TEXT", text)?;
    Ok(FileMapping::bytes(text.as_bytes(), destination))
}

/// Parses `DEST=TARGET`.
pub(crate) fn symlink(text: &OsStr) -> Result<FileMapping, String> {
    let (destination, target) = destination("DEST=TARGET", text)?;
    match target.is_empty() {
        true => Err("the target after the equals sign is empty".to_owned()),
        false => Ok(FileMapping::symlink(target, destination)),
    }
}

/// Splits a destination from what is after the first equals sign.
fn destination<'a>(form: &str, text: &'a OsStr) -> Result<(OsString, &'a OsStr), String> {
    match split(text, b'=') {
        (_, None) => Err(format!("expected {form}")),
        (destination, _) if destination.is_empty() => {
            Err("the destination before the equals sign is empty".to_owned())
        }
        (destination, Some(rest)) => Ok((unescape(destination), rest)),
    }
}

/// Parses `DEST`.
pub(crate) fn directory(text: &OsStr) -> Result<FileMapping, String> {
    match text.is_empty() {
        true => Err("the destination is empty".to_owned()),
        false => Ok(FileMapping::directory(text)),
    }
}

/// Parses `FILE[:DEST]`.
pub(crate) fn tar(text: &OsStr) -> Result<FileMapping, String> {
    let has_destination = split(text, b':').1.is_some();
    let FileMapping { source, destination, .. } = mapping(text)?;
    let Source::Path(tar) = source else { return Err("expected FILE[:DEST]".to_owned()) };
    Ok(FileMapping::tar(tar, if has_destination { destination } else { "/".into() }))
}

/// Replaces the `-` of `-f -:DEST` in the arguments by the path of standard input, because clap
/// takes a value that begins with a hyphen for an option where several values may follow.
pub(crate) fn with_standard_input(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.into_iter().collect();
    for at in 1..args.len() {
        if let ([.., option], [value, ..]) = args.split_at_mut(at)
            && (option == "-f" || option == "--file")
            && let Some(destination) = value.as_bytes().strip_prefix(b"-:")
        {
            *value = OsString::from_vec([&b"/dev/stdin:"[..], destination].concat());
        }
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_escape_separators() {
        for (text, source, destination) in [
            (r"a", "a", "a"),
            (r"a:/b", "a", "/b"),
            (r"a\:b:/c\:d", "a:b", "/c:d"),
            (r"a\\:/b", r"a\", "/b"),
            (r"a\\\:b", r"a\:b", r"a\:b"),
            (r"a\b\=c:/d", r"a\b=c", "/d"),
            (r"a=b:/c=d", "a=b", "/c=d"),
        ] {
            assert_eq!(mapping(text.as_ref()), Ok(FileMapping::new(source, destination)), "{text}");
        }
        for (text, reason) in [
            ("", "empty"),
            (":/b", "empty"),
            ("a:", "empty"),
            ("a:/b:/c", r"\:"),
            (r"a:/b\:c:", r"\:"),
        ] {
            assert!(mapping(text.as_ref()).unwrap_err().contains(reason), "{text}");
        }
    }
}
