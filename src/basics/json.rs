//! JSON of documents: merging, checking and writing. The bytes are a function of the value.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::basics::error::{Error, Result};

/// The bytes of a document: members in the order of its fields, maps sorted, no white space except
/// in raw JSON that is copied.
pub(crate) fn to_bytes(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect(ALWAYS_JSON)
}

/// The same with each member on its own line, for people.
#[cfg(feature = "cli")]
pub(crate) fn to_text(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect(ALWAYS_JSON)
}

pub(crate) fn to_value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect(ALWAYS_JSON)
}

/// The same text as [`to_bytes`], for embedding in another document.
pub(crate) fn to_raw(document: &impl Serialize) -> Box<RawValue> {
    to_raw_value(document).expect(ALWAYS_JSON)
}

const ALWAYS_JSON: &str = "documents are made of strings, numbers, lists and maps with string keys";

/// Reads a document from JSON that a user gave. Errors name `what` and the member.
pub(crate) fn from_value<T: DeserializeOwned>(what: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = match error.path().to_string() {
            path if path == "." => what.to_owned(),
            path => format!("{what}, {path}"),
        };
        Error::invalid(place, format!("{}: correct the JSON given for it", error.inner()))
    })
}

/// Reads a document from its bytes, within the bounds for documents. Errors name the member that
/// cannot be read.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    Bounds::DOCUMENT.check(bytes, Counted::Known)?;
    serde_json::from_slice(bytes).map_err(|error| {
        // Tracking paths of members is slow, and an index may have thousands of them, so only a
        // failed read is repeated with it.
        let again: Result<T, _> =
            serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(bytes));
        // Where the JSON itself breaks off, the member is not known: `?`.
        let path = again.err().map_or(String::new(), |error| error.path().to_string());
        match path.trim_end_matches(['?', '.']) {
            "" => error.to_string(),
            path => format!("{path}: {error}"),
        }
    })
}

/// Parses untrusted JSON as a value, within the bounds for documents.
pub(crate) fn value(bytes: &[u8]) -> Result<Value, String> {
    Bounds::DOCUMENT.check(bytes, Counted::All)?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// The largest number of values in a document. A limit on its size in bytes is not enough: `{}` in
/// a list takes three bytes of text, but hundreds in memory.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) values: usize,
    /// Objects take the most memory, because each may have many members.
    pub(crate) objects: usize,
}

/// Which values count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    All,
    /// The values in lists and objects that this library parses. All others stay text.
    Known,
}

impl Bounds {
    /// An index of sixty thousand images has at most three objects and nine values for each.
    pub(crate) const DOCUMENT: Self = Self { values: 1 << 19, objects: 200_000 };

    /// Checks that the document stays within these bounds, without parsing it into memory. The
    /// error names the exceeded bound, or says why the document is not JSON.
    pub(crate) fn check(self, bytes: &[u8], counted: Counted) -> Result<(), String> {
        /// A smaller document cannot exceed the bounds by much.
        const SMALL: usize = 256 << 10;
        if bytes.len() <= SMALL {
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        Counter(&mut Count::new(self), counted)
            .deserialize(&mut json)
            .map_err(|error| error.to_string())
    }
}

/// The number of values so far, with their bounds.
struct Count {
    most: Bounds,
    values: usize,
    objects: usize,
}

impl Count {
    fn new(most: Bounds) -> Self {
        Self { most, values: 0, objects: 0 }
    }

    /// Counts a value.
    fn value<E: de::Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        match self.values > self.most.values {
            true => Err(E::custom(format_args!("it has more than {} values", self.most.values))),
            false => Ok(()),
        }
    }

    /// Counts an object, in addition to its value.
    fn object<E: de::Error>(&mut self) -> Result<(), E> {
        self.objects += 1;
        match self.objects > self.most.objects {
            true => Err(E::custom(format_args!("it has more than {} objects", self.most.objects))),
            false => Ok(()),
        }
    }
}

/// The members of documents that this library parses, directly or in their lists and objects.
const KNOWN: [&str; 15] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "Labels",
    "annotations",
    "config",
    "diff_ids",
    "history",
    "layers",
    "manifests",
    "os.features",
    "platform",
    "rootfs",
    "subject",
    "urls",
];

struct Counter<'a>(&'a mut Count, Counted);

impl<'de> DeserializeSeed<'de> for Counter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.value()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Counter(self.0, self.1))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.object()?;
        while let Some(is_known) = members.next_key_seed(IsKnown)? {
            match is_known || self.1 == Counted::All {
                true => members.next_value_seed(Counter(self.0, self.1))?,
                false => {
                    self.0.value()?;
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a key is one of [`KNOWN`].
struct IsKnown;

impl<'de> DeserializeSeed<'de> for IsKnown {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKnown {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(KNOWN.contains(&key))
    }
}

/// Merges `over` into `under`: objects are merged member by member, `null` removes, and everything
/// else replaces.
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
            // `null` also removes from an object that was no object before.
            *under = Value::Object(Map::new());
            merge(under, Value::Object(over));
        }
        (under, over) => *under = over,
    }
}

/// The members of a user's object, with keys in the case of `known`. A key that differs from all of
/// them by more than case is an error that names it.
pub(crate) fn with_known_keys(
    what: &str,
    extra: Value,
    known: &[&str],
) -> Result<Map<String, Value>> {
    let mut normal = Map::new();
    for (key, value) in object(what, extra)? {
        let Some(name) = known.iter().find(|known| known.eq_ignore_ascii_case(&key)) else {
            return Err(Error::unknown_member(what, &key, known));
        };
        if normal.insert((*name).to_owned(), value).is_some() {
            return Err(Error::invalid(
                what,
                format!("member {name:?} is given twice, in different cases: keep one"),
            ));
        }
    }
    Ok(normal)
}

/// The members of a JSON object from a user. `null` stands for an empty object.
pub(crate) fn object(what: &str, value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        other => Err(Error::invalid(what, format!("expected a JSON object, found {other}"))),
    }
}

/// A short form of a value for a message.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// Escapes and shortens text of unknown origin for one line of a message.
pub(crate) fn shown(text: &str) -> String {
    let mut escaped = String::new();
    for character in shortened(text).chars() {
        match character {
            '\'' => escaped.push(character),
            _ => escaped.extend(character.escape_debug()),
        }
    }
    escaped
}

/// Shortens text of unknown origin.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_and_the_rest_replaces() {
        let mut value = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1, "e": 1 });
        merge(
            &mut value,
            json!({ "a": { "c": [3], "x": { "y": null } }, "d": null, "e": { "f": 2 }, "g": null }),
        );
        assert_eq!(value, json!({ "a": { "b": 1, "c": [3], "x": {} }, "e": { "f": 2 } }));
    }

    #[test]
    fn errors_name_the_member_if_there_is_one() {
        let message = |json: &str| from_slice::<Vec<Vec<u8>>>(json.as_bytes()).unwrap_err();
        assert!(message("[[1], [2, -1]]").starts_with("[1][1]: invalid value"));
        for broken in ["", "{", "[[1], [2"] {
            assert!(!message(broken).contains('?'), "{}", message(broken));
        }
    }

    #[test]
    fn keys_get_the_case_of_the_specification() {
        let known = ["Entrypoint", "Cmd"];
        let members =
            with_known_keys("config", json!({ "entrypoint": 1, "Cmd": 2 }), &known).unwrap();
        assert_eq!(Value::Object(members), json!({ "Entrypoint": 1, "Cmd": 2 }));
        let message = |value| with_known_keys("config", value, &known).unwrap_err().to_string();
        assert_eq!(
            message(json!({ "Entripoint": 1 })),
            "config: unknown member \"Entripoint\"; did you mean \"Entrypoint\"?"
        );
        assert!(message(json!({ "cmd": 1, "Cmd": 2 })).contains("twice"));
        assert!(message(json!([1])).contains("a JSON object"));
    }
}
