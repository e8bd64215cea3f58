//! Parsers for command-line values, by what the values mean.

mod environment;
mod files;
mod folders;
mod json;
mod separators;
mod values;

use std::ffi::OsStr;

use clap::{
    Args, Command, Id,
    builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser},
};
use oci_layout::Result;

#[cfg(feature = "registry")]
pub(crate) use self::folders::NamedFolder;
pub(crate) use self::{
    environment::{created, pool},
    files::{directory, mapping, symlink, tar, text, with_standard_input},
    folders::{LayoutTag, named},
    json::{Json, read_json},
    separators::{unescape, utf8},
    values::{name, pair, paths, ports, threads, time, variable_name},
};

/// Returns a parser of values that may not be UTF-8.
pub(crate) fn os<T: Clone + Send + Sync + 'static>(
    parse: fn(&OsStr) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> {
    OsStringValueParser::new().try_map(move |text| parse(&text))
}

/// Returns a parser of words, each of which has a value and a meaning for the help.
pub(crate) fn one_of<T: Clone + Send + Sync + 'static>(
    words: &'static [(&'static str, T, &'static str)],
) -> impl TypedValueParser<Value = T> {
    let values = words.iter().map(|(word, _, help)| PossibleValue::new(*word).help(*help));
    PossibleValuesParser::new(values).try_map(|text| {
        let word = words.iter().find(|(word, ..)| *word == text);
        word.map(|(_, value, _)| value.clone()).ok_or("no such word")
    })
}

/// Returns the ids of a set of arguments, for rules about all of them.
pub(crate) fn ids_of<A: Args>() -> Vec<Id> {
    A::augment_args(Command::new("")).get_arguments().map(|arg| arg.get_id().clone()).collect()
}
