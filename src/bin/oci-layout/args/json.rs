//! JSON, as a value or in a file.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use oci_layout::Result;
use serde_json::Value;

use crate::errors;

/// `JSON|@FILE`.
#[derive(Clone, Debug)]
pub(crate) struct Json(OsString);

impl Json {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn read(&self) -> Result<Value> {
        match self.0.as_bytes() {
            [b'@', file @ ..] => read_json(Path::new(OsStr::from_bytes(file))),
            json => parse_json(json, || format!("{:?}", self.0)),
        }
    }

    /// Reads the JSON of an optional argument; without it, returns `null`.
    pub(crate) fn read_or_null(json: Option<&Self>) -> Result<Value> {
        json.map_or(Ok(Value::Null), Self::read)
    }
}

/// Reads the JSON in a file; `-` is standard input.
pub(crate) fn read_json(path: &Path) -> Result<Value> {
    let json = match path.as_os_str().as_bytes() {
        b"-" => io::read_to_string(io::stdin()).map(String::into_bytes),
        _ => fs::read(path),
    };
    let json = json.map_err(errors::read(path))?;
    parse_json(&json, || format!("{path:?}"))
}

fn parse_json(json: &[u8], what: impl Fn() -> String) -> Result<Value> {
    serde_json::from_slice(json)
        .map_err(|error| errors::invalid(what(), format!("not JSON: {error}")))
}
