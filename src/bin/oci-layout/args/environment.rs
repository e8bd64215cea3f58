//! Values of environment variables.

use std::{env, ffi::OsStr, thread};

use oci_layout::{Pool, Result};

use super::values::{seconds, threads};
use crate::errors;

/// Creates a pool with the number of threads from the option, from Nix, or else of all CPUs.
pub(crate) fn pool(option: Option<usize>) -> Result<Pool> {
    let said = match (option, env::var_os("NIX_BUILD_CORES")) {
        (None, Some(cores)) => Some(variable("NIX_BUILD_CORES", &cores, threads)?),
        (option, _) => option,
    };
    let available = || thread::available_parallelism().map_or(1, usize::from);
    Ok(Pool::new(said.filter(|&threads| threads > 0).unwrap_or_else(available)))
}

/// Returns the creation time from `SOURCE_DATE_EPOCH` in the format of RFC 3339.
pub(crate) fn created() -> Result<Option<String>> {
    let time = |text: &str| {
        seconds(text).ok_or_else(|| "expected a number of seconds since 1970".to_owned())
    };
    // In a shell, a variable that should be unset is often empty.
    let text = env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty());
    text.map(|text| Ok(variable("SOURCE_DATE_EPOCH", &text, time)?.to_string())).transpose()
}

/// Parses the value of an environment variable.
fn variable<T>(name: &str, text: &OsStr, parse: impl Fn(&str) -> Result<T, String>) -> Result<T> {
    let value = text.to_str().ok_or_else(String::new).and_then(parse);
    value.map_err(|reason| errors::invalid(format!("environment variable {name}={text:?}"), reason))
}
