//! JSON of documents: merged, checked, and written as bytes that are a function of the value.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, Visitor},
};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::error::{Error, Result};

/// The bytes of a document: members in the order of its fields, maps sorted, no white space but
/// in what is taken over as text.
pub(crate) fn to_bytes(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect(ALWAYS_JSON)
}

pub(crate) fn to_value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect(ALWAYS_JSON)
}

/// The same text as [`to_bytes`], as a part of another document.
pub(crate) fn to_raw(document: &impl Serialize) -> Box<RawValue> {
    to_raw_value(document).expect(ALWAYS_JSON)
}

const ALWAYS_JSON: &str = "documents are made of strings, numbers, lists and maps with string keys";

/// A document from what a user gave; `what` names it in the error, which names the member too.
pub(crate) fn from_value<T: DeserializeOwned>(what: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = match error.path().to_string() {
            path if path == "." => what.to_owned(),
            path => format!("{what}, {path}"),
        };
        Error::invalid(place, format!("{}: correct the JSON given for it", error.inner()))
    })
}

/// A document from its bytes; the error names the member that cannot be read.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The way to a member is kept only where it is asked for: an index may have thousands.
        let again: Result<T, _> = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(bytes));
        match again.map_err(|error| error.path().to_string()) {
            Err(path) if path != "." => format!("{path}: {error}"),
            _ => error.to_string(),
        }
    })
}

/// A value that is written as text, which is looked at where it lies: an index may have thousands.
pub(crate) fn from_text<'de, D, T>(
    deserializer: D,
    what: &str,
    parse: impl Fn(&str) -> Result<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Text<'a, F>(&'a str, F);

    impl<T, F: Fn(&str) -> Result<T>> Visitor<'_> for Text<'_, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            self.1(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(what, parse))
}

/// Merges `over` into `under`: objects member by member, `null` removes, everything else replaces.
pub(crate) fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match value {
                    Value::Null => {
                        under.remove(&key);
                    }
                    value => merge(under.entry(key).or_insert(Value::Null), value),
                }
            }
        }
        (under, Value::Object(over)) => {
            // `null` removes, also where there is nothing to remove.
            *under = Value::Object(Map::new());
            merge(under, Value::Object(over));
        }
        (under, over) => *under = over,
    }
}

/// The members of a user's object with the keys written as in `known`; a key that is none of them in any case is an
/// error that names it.
pub(crate) fn with_known_keys(what: &str, extra: Value, known: &[&str]) -> Result<Map<String, Value>> {
    let members = object(what, extra)?;
    if let Some(key) = members.keys().find(|key| !known.iter().any(|known| known.eq_ignore_ascii_case(key))) {
        return Err(Error::invalid(what, format!("there is no member {key:?}; there are {}", known.join(", "))));
    }
    normalise_keys(what, members, known)
}

/// The members with those keys that differ from one of `known` in case alone written as there.
pub(crate) fn normalise_keys(what: &str, members: Map<String, Value>, known: &[&str]) -> Result<Map<String, Value>> {
    let mut normal = Map::new();
    for (key, value) in members {
        let name = known.iter().find(|known| known.eq_ignore_ascii_case(&key)).map_or(key, |known| (*known).to_owned());
        if normal.insert(name.clone(), value).is_some() {
            return Err(Error::invalid(what, format!("member {name:?} is there twice, in two cases: keep one")));
        }
    }
    Ok(normal)
}

/// The members of a JSON object that a user gave; nothing given is none.
pub(crate) fn object(what: &str, value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        other => Err(Error::invalid(what, format!("it is a JSON object, and this is not: {other}"))),
    }
}

/// A value as a sentence can have it.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// A text of unknown origin and length as it may stand on a line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut short = String::new();
    for character in text.chars().take(LONGEST) {
        match character {
            '\'' => short.push(character),
            _ => short.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_and_the_rest_replaces() {
        let mut value = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1, "e": 1 });
        merge(&mut value, json!({ "a": { "c": [3], "x": { "y": null } }, "d": null, "e": { "f": 2 }, "g": null }));
        assert_eq!(value, json!({ "a": { "b": 1, "c": [3], "x": {} }, "e": { "f": 2 } }));
    }

    #[test]
    fn keys_are_written_as_the_specification_does() {
        let known = ["Entrypoint", "Cmd"];
        let members = with_known_keys("config", json!({ "entrypoint": 1, "Cmd": 2 }), &known).unwrap();
        assert_eq!(Value::Object(members), json!({ "Entrypoint": 1, "Cmd": 2 }));
        let message = |value| with_known_keys("config", value, &known).unwrap_err().to_string();
        assert_eq!(
            message(json!({ "Entripoint": 1 })),
            "config: there is no member \"Entripoint\"; there are Entrypoint, Cmd"
        );
        assert!(message(json!({ "cmd": 1, "Cmd": 2 })).contains("twice"));
        assert!(message(json!([1])).contains("a JSON object"));
    }
}
