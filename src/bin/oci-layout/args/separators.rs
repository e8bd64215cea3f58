//! Separators in values, which a backslash escapes.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Splits the text at the first separator that is not escaped by a backslash.
pub(super) fn split(text: &OsStr, separator: u8) -> (&OsStr, Option<&OsStr>) {
    let bytes = text.as_bytes();
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == separator && !escaped {
            return (OsStr::from_bytes(&bytes[..at]), Some(OsStr::from_bytes(&bytes[at + 1..])));
        }
        escaped = byte == b'\\' && !escaped;
    }
    (text, None)
}

/// Removes backslashes that escape a colon, an equals sign or a backslash; others are kept.
pub(crate) fn unescape(text: &OsStr) -> OsString {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && b":=\\".contains(next));
        plain.push(escaped.unwrap_or(byte));
    }
    OsString::from_vec(plain)
}

pub(crate) fn utf8(text: OsString) -> Result<String, String> {
    text.into_string().map_err(|text| format!("the name {text:?} is not UTF-8"))
}
