//! Unknown members of JSON objects, kept as text. As values they would take fifty times as much
//! memory.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Write},
    hash::{Hash, Hasher},
    marker::PhantomData,
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
    ser::{self, SerializeSeq},
};
use serde_json::{Value, value::RawValue};

/// The maximum nesting of objects and lists, which is that of serde_json.
const MAX_DEPTH: usize = 127;

/// Members that this library does not know. They stay as they were read, and are written sorted by
/// key at every depth. A clone shares the text. Only serde_json can deserialize them.
#[derive(Clone, Default)]
pub struct Extra(Option<Arc<str>>);

impl Extra {
    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.raw().into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value_of(value))
    }

    /// Whether a member of this name exists.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw().iter().any(|(key, _)| key == name)
    }

    /// All members as values.
    pub fn members(&self) -> BTreeMap<String, Value> {
        self.raw().into_iter().map(|(key, value)| (key.into_owned(), value_of(value))).collect()
    }

    /// Returns the members as text that is the same for equal values.
    fn sorted(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn raw(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        self.0.as_deref().map(members).unwrap_or_default()
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Extra {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        let mut text = Text::default();
        for (key, value) in members {
            text.push(&key.into(), &value.to_string());
        }
        text.into()
    }
}

impl PartialEq for Extra {
    /// Compares values, regardless of the order of members and of white space.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.sorted() == other.sorted()
    }
}

impl Eq for Extra {}

impl Hash for Extra {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("{}"))
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(sorted(self.raw()))
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Nothing {}

        split(deserializer, "an object").map(|(Nothing {}, extra)| extra)
    }
}

/// The text of an object that is being written.
#[derive(Default)]
struct Text(String);

impl Text {
    fn push(&mut self, key: &str, value: &str) {
        let separator = if self.0.is_empty() { '{' } else { ',' };
        let key = Value::from(key);
        write!(self.0, "{separator}{key}:{value}").expect("memory takes all that is written");
    }
}

impl From<Text> for Extra {
    fn from(Text(mut text): Text) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        text.push('}');
        Self(Some(text.into()))
    }
}

/// The members of an object, in their order.
fn members(text: &str) -> Vec<(Cow<'_, str>, &RawValue)> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            #[derive(Deserialize)]
            struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

            let mut members = Vec::new();
            while let Some((Key(key), value)) = map.next_entry()? {
                members.push((key, value));
            }
            Ok(members)
        }
    }

    serde_json::Deserializer::from_str(text).deserialize_map(Members).unwrap_or_default()
}

/// Parses text that was validated when it was read.
fn value_of(text: &RawValue) -> Value {
    serde_json::from_str(text.get()).unwrap_or_default()
}

/// The members to write, sorted by key. For duplicate keys, the last one counts.
fn sorted<'a>(
    mut members: Vec<(Cow<'a, str>, &'a RawValue)>,
) -> impl Iterator<Item = (Cow<'a, str>, Sorted<'a>)> {
    members.reverse();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    members.dedup_by(|(later, _), (first, _)| later == first);
    members.into_iter().map(|(key, value)| (key, Sorted(value)))
}

/// A value that is written with the members of its objects sorted.
struct Sorted<'a>(&'a RawValue);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.get();
        match text.as_bytes().first() {
            Some(b'{') => serializer.collect_map(sorted(members(text))),
            Some(b'[') => serde_json::Deserializer::from_str(text)
                .deserialize_seq(List(serializer))
                .map_err(ser::Error::custom),
            _ => value_of(self.0).serialize(serializer),
        }
    }
}

/// Passes a list on while it is being read.
struct List<S>(S);

impl<'de, S: Serializer> Visitor<'de> for List<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<S::Ok, A::Error> {
        let mut out = self.0.serialize_seq(None).map_err(de::Error::custom)?;
        while let Some(value) = list.next_element::<&RawValue>()? {
            out.serialize_element(&Sorted(value)).map_err(de::Error::custom)?;
        }
        out.end().map_err(de::Error::custom)
    }
}

/// Reads an object and separates the members of `T` from the others.
pub(crate) fn split<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<(T, Extra), D::Error> {
    deserializer.deserialize_map(Split { expected, known: PhantomData })
}

struct Split<T> {
    expected: &'static str,
    known: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Split<T> {
    type Value = (T, Extra);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut extra = Text::default();
        let known = T::deserialize(Object { map, extra: &mut extra })?;
        Ok((known, extra.into()))
    }
}

/// An object that passes known members to a struct and collects the others.
struct Object<'a, A> {
    map: A,
    extra: &'a mut Text,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Object<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Known { map: self.map, fields, extra: self.extra })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Known<'a, A> {
    map: A,
    fields: &'static [&'static str],
    extra: &'a mut Text,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Known<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key_seed(Field(self.fields))? {
            let key = match key {
                Ok(field) => return seed.deserialize(field.into_deserializer()).map(Some),
                Err(key) => key,
            };
            let value: Box<RawValue> = self.map.next_value()?;
            if !is_shallow(value.get()) {
                return Err(de::Error::custom("recursion limit exceeded"));
            }
            self.extra.push(&key, value.get());
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The key of a JSON member: `Ok` if it is in the list of known keys, `Err` otherwise.
struct Field(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Field {
    type Value = Result<&'static str, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Field {
    type Value = Result<&'static str, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|field| **field == key).copied().ok_or_else(|| key.to_owned()))
    }
}

/// Whether lists and objects are nested within the limit, which the reader of raw text does not
/// check.
fn is_shallow(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

/// Defines a JSON object as a struct with these members, and with `extra` for all others.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$parameter:ident = $default:ty>)? {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        #[derive(serde::Serialize)]
        $(#[$meta])*
        pub struct $name $(<$parameter = $default>)? {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Members that this library does not know.
            #[serde(flatten)]
            pub extra: $crate::document::extra::Extra,
        }

        impl<'de $(, $parameter: serde::Deserialize<'de>)?> serde::Deserialize<'de> for $name $(<$parameter>)? {
            fn deserialize<Source: serde::Deserializer<'de>>(deserializer: Source) -> Result<Self, Source::Error> {
                #[derive(serde::Deserialize)]
                $(#[$meta])*
                struct Known $(<$parameter>)? {
                    $($(#[$field_meta])* $field: $type,)*
                }

                let expected = concat!("struct ", stringify!($name));
                let (known, extra) = $crate::document::extra::split(deserializer, expected)?;
                let Known { $($field,)* } = known;
                Ok(Self { $($field,)* extra })
            }
        }
    };
}

pub(crate) use object;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    object! {
        /// Something.
        #[derive(Debug, PartialEq)]
        #[serde(rename_all = "camelCase")]
        pub struct Thing {
            pub some_name: u8,
            #[serde(default)]
            pub list: Vec<Thing>,
        }
    }

    #[test]
    fn unknown_members_are_kept_and_written_sorted() {
        let text = r#" {"z": {"b": [1, {"d": 1E2, "c": "\u0041"}], "a": null}, "someName": 1, "x" :2, "list": [{"y":[ ],"someName":2}], "x": 3} "#;
        let thing: Thing = serde_json::from_str(text).unwrap();
        assert_eq!(thing.some_name, 1);
        assert_eq!(thing.extra.get("x"), Some(json!(3)));
        assert_eq!(thing.extra.get("someName"), None);
        assert_eq!(thing.list[0].extra.members(), [("y".to_owned(), json!([]))].into());
        // The same text as when all members were values.
        let written = r#"{"someName":1,"list":[{"someName":2,"list":[],"y":[]}],"x":3,"z":{"a":null,"b":[1,{"c":"A","d":100.0}]}}"#;
        assert_eq!(serde_json::to_string(&thing).unwrap(), written);
        let by_value: Thing = serde_json::from_value(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(by_value, thing);
        let extra: Extra =
            [("b", json!(1)), ("a", json!({ "d": 1, "c": 2 }))].into_iter().collect();
        assert_eq!(serde_json::to_string(&extra).unwrap(), r#"{"a":{"c":2,"d":1},"b":1}"#);
        assert_eq!(serde_json::from_str::<Extra>("{}").unwrap(), Extra::default());
    }

    #[test]
    fn errors_match_those_of_serde() {
        for (text, expected) in [
            ("[]", "expected struct Thing"),
            ("{}", "missing field `someName`"),
            (r#"{"someName":1,"someName":2}"#, "duplicate field `someName`"),
            (r#"{"someName":"x"}"#, "expected u8"),
            (
                &format!(r#"{{"x":{}{}}}"#, "[".repeat(130), "]".repeat(130)),
                "recursion limit exceeded",
            ),
        ] {
            let error = serde_json::from_str::<Thing>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let mut json = serde_json::Deserializer::from_str(
            r#"{"x":[1],"someName":1,"list":[{"y":2,"someName":[]}]}"#,
        );
        let error = serde_path_to_error::deserialize::<_, Thing>(&mut json).unwrap_err();
        assert_eq!(error.path().to_string(), "list[0].someName");
    }
}
