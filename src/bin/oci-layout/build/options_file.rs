//! A file with the options of `build`: TOML or JSON whose members are the long names of options.

use std::{collections::BTreeMap, ffi::OsString, fmt, io, path::Path};

use clap::{Arg, ArgAction, Args, Command, builder::PossibleValue};
use oci_layout::{Error, Result};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, json};

use super::layers::LayerOrder;
use crate::{build::Build, errors, layer_args::Files};

/// The member for several layers: a list of objects with options that name files.
const LAYERS: &str = "layers";

/// Returns the arguments with the options of this file after the name of the subcommand, so that
/// those of the command line come later.
pub(crate) fn with_options_file(
    mut arguments: Vec<OsString>,
    path: &Path,
) -> Result<Vec<OsString>> {
    let build = &Build::augment_args(Command::new("build"));
    let takes_value = |option: &OsString| option == "--recipe-root" || option == "--threads";
    let is_build = |at: &usize| arguments[*at] == "build" && !takes_value(&arguments[at - 1]);
    let at = (1..arguments.len()).find(is_build).unwrap_or(0);
    let options = read(path, build)?;
    arguments.splice(at + 1..at + 1, options);
    Ok(arguments)
}

/// Lets each option that takes one value replace the same option before it.
pub(crate) fn overriding(build: Command) -> Command {
    build.mut_args(|option| match option.get_action() {
        ArgAction::Set | ArgAction::SetTrue => {
            let id = option.get_id().clone();
            option.overrides_with(id)
        }
        _ => option,
    })
}

/// Reads a file as arguments.
fn read(path: &Path, build: &Command) -> Result<Vec<OsString>> {
    let what = format!("{path:?}");
    let is_named = path.extension().is_some_and(|end| end == "toml" || end == "json");
    if path.is_dir() {
        let reason = format!(
            "is a folder, and not a file with options: to pack it, write -f {}:/DEST",
            path.display()
        );
        return Err(errors::invalid(what, reason));
    }
    if path.as_os_str() != "-" && !is_named && !path.exists() {
        let reason = "the file with options does not exist: name it image.toml or image.json, or give \
                      each file of the image its own -f";
        return Err(errors::invalid(what, reason));
    }
    let text = match path.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()),
        false => std::fs::read_to_string(path),
    };
    let text = text.map_err(errors::read(path))?;
    let file: Ordered = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text)
            .map_err(|error| errors::invalid(&what, format!("not JSON: {error}")))?,
        false => toml::from_str(&text)
            .map_err(|error| errors::invalid(&what, not_toml(&error, &text)))?,
    };
    let Ordered::Table(members) = file else {
        return Err(errors::invalid(what, "expected an object with options as members"));
    };
    let mut arguments = Vec::new();
    for (name, value) in members {
        if name == LAYERS {
            layers(&what, value, build, &mut arguments)?;
        } else {
            option(&what, &name, value, build, &mut arguments)?;
        }
    }
    Ok(arguments)
}

/// The line and the reason.
fn not_toml(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("not TOML, in line {line}: {}", error.message())
}

/// Adds the options of each layer after `--new-layer`.
fn layers(
    what: &str,
    value: Ordered,
    build: &Command,
    arguments: &mut Vec<OsString>,
) -> Result<()> {
    let refuse = || errors::invalid(what, "layers: expected a list of objects, one per layer");
    let Ordered::List(layers) = value else { return Err(refuse()) };
    let in_layers = in_layers();
    let known: Vec<_> = options(&in_layers).filter_map(Arg::get_long).collect();
    for (at, layer) in layers.into_iter().enumerate() {
        let Ordered::Table(members) = layer else { return Err(refuse()) };
        let what = format!("{what}, layers[{at}]");
        arguments.push("--new-layer".into());
        for (name, value) in members {
            if !known.contains(&&*name) {
                return Err(Error::unknown_member(what, &name, &known));
            }
            option(&what, &name, value, build, arguments)?;
        }
    }
    Ok(())
}

/// The options that a layer of the list may have.
fn in_layers() -> Command {
    LayerOrder::augment_args(Files::augment_args(Command::new("layers")))
}

/// Adds an option with its values.
fn option(
    what: &str,
    name: &str,
    value: Ordered,
    build: &Command,
    arguments: &mut Vec<OsString>,
) -> Result<()> {
    let Some(option) = options(build).find(|option| option.get_long() == Some(name)) else {
        let known: Vec<_> = options(build).filter_map(Arg::get_long).chain([LAYERS]).collect();
        return Err(Error::unknown_member(what, name, &known));
    };
    let refuse = |expected: &str| errors::invalid(format!("{what}, {name}"), expected);
    let takes_values = option.get_action().takes_values();
    let mut add = |value: String| arguments.push(format!("--{name}={value}").into());
    let text = |value: Ordered, key: Option<&str>| match value {
        Ordered::Text(text) => Ok(text),
        // 0o644 would arrive as a decimal number.
        Ordered::Number(number) if !is_mode(option) => Ok(number),
        _ => {
            let member = key.map_or(String::new(), |key| format!(".{key}"));
            let reason = "expected a text: write the value in quotes";
            Err(errors::invalid(format!("{what}, {name}{member}"), reason))
        }
    };
    match value {
        Ordered::Bool(given) if !takes_values => {
            if given {
                arguments.push(format!("--{name}").into());
            }
        }
        _ if !takes_values => return Err(refuse("expected true or false")),
        Ordered::Bool(given) => add(given.to_string()),
        value @ (Ordered::Text(_) | Ordered::Number(_)) => add(text(value, None)?),
        Ordered::List(_) | Ordered::Table(_) if !is_repeated(option) => {
            return Err(refuse("expected one text or number"));
        }
        Ordered::List(values) => {
            for value in values {
                add(text(value, None)?);
            }
        }
        Ordered::Table(pairs) => {
            let (separator, is_path) =
                separator(option).ok_or_else(|| refuse("expected a list of texts"))?;
            for (key, value) in pairs {
                let text = text(value, Some(&key))?;
                // Only paths can have an escaped separator.
                let escape = |text: String| match is_path {
                    true => text.replace('\\', r"\\").replace(separator, &format!(r"\{separator}")),
                    false => text,
                };
                let text = if separator == ":" { escape(text) } else { text };
                let key = escape(key);
                add(format!("{key}{separator}{text}"));
            }
        }
    }
    Ok(())
}

/// What separates key and value in the values of this option, if they have both, and whether the
/// key is a path.
fn separator(option: &Arg) -> Option<(&'static str, bool)> {
    let [form] = option.get_value_names()? else { return None };
    match form.as_str() {
        "SRC[:DEST]" | "FILE[:DEST]" => Some((":", true)),
        form if form.starts_with("DEST=") => Some(("=", true)),
        form if form.contains('=') => Some(("=", false)),
        _ => None,
    }
}

/// Whether the values are octal modes, for which TOML and JSON have no literals.
fn is_mode(option: &Arg) -> bool {
    option.get_value_names().is_some_and(|form| form[0].contains("MODE"))
}

fn is_repeated(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

/// The options that a file may have.
fn options(build: &Command) -> impl Iterator<Item = &Arg> {
    let is_option = |option: &&Arg| {
        !matches!(option.get_long(), None | Some("help" | "version" | "schema" | "new-layer"))
    };
    build.get_arguments().filter(is_option)
}

/// The [JSON schema](https://json-schema.org/draft/2020-12) of a file with options.
pub(super) fn schema() -> Value {
    let build = &Build::augment_args(Command::new("build"));
    let mut members: BTreeMap<&str, Value> =
        options(build).filter_map(|option| Some((option.get_long()?, schema_of(option)))).collect();
    let in_layers = in_layers();
    let in_layers: BTreeMap<_, _> = options(&in_layers)
        .filter_map(|option| Some((option.get_long()?, schema_of(option))))
        .collect();
    let layers = json!({
        "description": "The layers, lowest first",
        "type": "array",
        "items": { "type": "object", "properties": in_layers, "additionalProperties": false },
    });
    members.insert(LAYERS, layers);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Options of oci-layout build",
        "type": "object",
        "properties": members,
        "additionalProperties": false,
    })
}

fn schema_of(option: &Arg) -> Value {
    let text = match is_mode(option) {
        true => json!({ "type": "string" }),
        false => json!({ "type": ["string", "number"] }),
    };
    let types = match (option.get_action().takes_values(), is_repeated(option)) {
        (false, _) => json!([{ "type": "boolean" }]),
        (true, false) => match option.get_possible_values() {
            values if values.is_empty() => json!([{ "type": ["string", "number", "boolean"] }]),
            values => {
                let names: Vec<_> = values.iter().map(PossibleValue::get_name).collect();
                json!([{ "enum": names }])
            }
        },
        (true, true) => {
            let mut types = vec![text.clone(), json!({ "type": "array", "items": text })];
            if separator(option).is_some() {
                types.push(json!({ "type": "object", "additionalProperties": text }));
            }
            types.into()
        }
    };
    let help = option.get_long_help().or(option.get_help()).map(ToString::to_string);
    json!({ "description": help.unwrap_or_default(), "anyOf": types })
}

/// A value of TOML or JSON. Members keep their order, because a variable can refer to earlier ones.
enum Ordered {
    Bool(bool),
    /// A text or a time.
    Text(String),
    Number(String),
    List(Vec<Ordered>),
    Table(Vec<(String, Ordered)>),
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderedVisitor)
    }
}

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, a list or an object")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Ordered, E> {
        Ok(Ordered::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Ordered, E> {
        Ok(Ordered::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ordered, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Ordered::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        /// The member by which the crate `toml` passes a date.
        const DATE: &str = "$__toml_private_datetime";
        let mut members: Vec<(String, Ordered)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Ordered>()? {
            if members.iter().any(|(other, _)| *other == name) {
                return Err(serde::de::Error::custom(format!("{name:?} is set twice")));
            }
            members.push((name, value));
        }
        match &mut members[..] {
            [(name, Ordered::Text(date))] if name == DATE => Ok(Ordered::Text(date.clone())),
            _ => Ok(Ordered::Table(members)),
        }
    }
}
