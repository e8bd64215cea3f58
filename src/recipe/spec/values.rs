//! The values of a specification, each with a reader and a writer. Errors are sentences about the
//! value.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::recipe::options::{HardLinks, OnConflict};

pub(crate) fn string(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("expected a string, found {other}")),
    }
}

pub(crate) fn boolean(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("expected true or false, found {value}"))
}

pub(crate) fn number(value: Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("expected a number of at least 0, found {value}"))
}

pub(crate) fn seconds(value: Value) -> Result<i64, String> {
    value
        .as_i64()
        .ok_or_else(|| format!("expected a whole number of seconds since 1970, found {value}"))
}

pub(crate) fn list(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(format!("expected a list, found {other}")),
    }
}

pub(crate) fn strings(value: Value) -> Result<Vec<String>, String> {
    list(value)?.into_iter().map(string).collect()
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, String> {
    let text = string(value)?;
    STANDARD.decode(&text).map_err(|error| format!("expected base64, found {text:?} ({error})"))
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

pub(crate) fn path(value: Value) -> Result<PathBuf, String> {
    match value {
        Value::String(text) => Ok(text.into()),
        Value::Object(mut members) if members.len() == 1 && members.contains_key("base64") => {
            bytes(members.remove("base64").unwrap_or_default())
                .map(|bytes| OsString::from_vec(bytes).into())
        }
        other => {
            Err(format!("expected a path, as a string or {{ \"base64\": STRING }}, found {other}"))
        }
    }
}

pub(crate) fn os_path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

pub(crate) fn from_path(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => text.into(),
        None => json!({ "base64": from_bytes(path.as_os_str().as_bytes()) }),
    }
}

/// Octal digits as a string, never a JSON number: `755` would silently be read as decimal.
pub(crate) fn mode(value: Value) -> Result<u32, String> {
    if value.is_number() {
        return Err(format!(
            "write the octal digits as a string, as in \"0755\", instead of {value}"
        ));
    }
    let octal = |text: &str| (text.len() <= 4).then(|| u32::from_str_radix(text, 8).ok()).flatten();
    // `from_str_radix` also accepts a sign.
    let mode = value.as_str().filter(|text| !text.starts_with('+')).and_then(octal);
    mode.ok_or_else(|| {
        format!("expected a string of up to four octal digits, as in \"0755\", found {value}")
    })
}

pub(crate) fn from_mode(mode: u32) -> Value {
    format!("{mode:04o}").into()
}

pub(crate) fn xattrs(value: Value) -> Result<BTreeMap<OsString, Vec<u8>>, String> {
    let Value::Object(members) = value else {
        return Err(format!(
            "expected an object of names and their values in base64, found {value}"
        ));
    };
    let read = |(name, value)| match bytes(value) {
        Ok(value) => Ok((OsString::from(&name), value)),
        Err(reason) => Err(format!("{name}: {reason}")),
    };
    members.into_iter().map(read).collect()
}

/// # Errors
///
/// A sentence about a name that is not UTF-8, which this form cannot represent.
pub(crate) fn from_xattrs(xattrs: &BTreeMap<OsString, Vec<u8>>) -> Result<Value, String> {
    let write = |(name, value): (&OsString, &Vec<u8>)| match name.to_str() {
        Some(name) => Ok((name.to_owned(), from_bytes(value))),
        None => Err(format!(
            "the extended attribute {name:?} has a name that is not UTF-8, which JSON cannot \
             represent"
        )),
    };
    xattrs.iter().map(write).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

pub(crate) fn on_conflict(value: Value) -> Result<OnConflict, String> {
    match value.as_str() {
        Some("error") => Ok(OnConflict::Error),
        Some("first") => Ok(OnConflict::FirstWins),
        Some("last") => Ok(OnConflict::LastWins),
        _ => Err(format!("expected \"error\", \"first\" or \"last\", found {value}")),
    }
}

pub(crate) fn from_on_conflict(on_conflict: OnConflict) -> Value {
    match on_conflict {
        OnConflict::Error => "error",
        OnConflict::FirstWins => "first",
        OnConflict::LastWins => "last",
    }
    .into()
}

pub(crate) fn hard_links(value: Value) -> Result<HardLinks, String> {
    match value {
        Value::Bool(false) => return Ok(HardLinks::Copy),
        Value::Bool(true) => return Ok(HardLinks::Merge),
        _ => {}
    }
    match value.as_str() {
        Some("copy") => Ok(HardLinks::Copy),
        Some("keep") => Ok(HardLinks::Keep),
        Some("merge") => Ok(HardLinks::Merge),
        _ => Err(format!("expected \"copy\", \"keep\" or \"merge\", found {value}")),
    }
}

pub(crate) fn from_hard_links(hard_links: HardLinks) -> Value {
    match hard_links {
        HardLinks::Copy => "copy",
        HardLinks::Keep => "keep",
        HardLinks::Merge => "merge",
    }
    .into()
}
