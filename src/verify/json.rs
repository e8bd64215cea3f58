//! Parses untrusted JSON: reports duplicate members and limits the number of values.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{
    basics::json::{Bounds, Counted},
    verify::finding::shown,
};

/// The maximum number of duplicate members that are reported.
const MAX_TWICE: usize = 100;

/// A document, and the places of duplicate members.
pub(crate) struct Parsed {
    pub(crate) value: Value,
    pub(crate) twice: Vec<String>,
}

/// Parses a document. The error is a message about it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    Bounds::DOCUMENT.check(bytes, Counted::All)?;
    let mut state = State { place: String::new(), twice: Vec::new() };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = AnyValue(&mut state).deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    Ok(Parsed { value, twice: state.twice })
}

struct State {
    place: String,
    twice: Vec<String>,
}

struct AnyValue<'a>(&'a mut State);

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let here = self.0.place.len();
        let mut values = Vec::new();
        loop {
            self.0.place.push_str(&format!("[{}]", values.len()));
            let value = list.next_element_seed(AnyValue(self.0))?;
            self.0.place.truncate(here);
            match value {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let here = self.0.place.len();
        let mut values = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.0.place.push_str(if here == 0 { "" } else { "." });
            self.0.place.push_str(&shown(&key));
            if values.contains_key(&key) && self.0.twice.len() < MAX_TWICE {
                self.0.twice.push(self.0.place.clone());
            }
            values.insert(key, members.next_value_seed(AnyValue(self.0))?);
            self.0.place.truncate(here);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn duplicate_members_are_recorded() {
        let parsed = parse(br#"{"a":1,"b":[{"c":{"d":-1,"e":1.5,"d":null}}],"a":"x"}"#).unwrap();
        assert_eq!(parsed.value, json!({ "a": "x", "b": [{ "c": { "d": null, "e": 1.5 } }] }));
        assert_eq!(parsed.twice, ["b[0].c.d", "a"]);
    }

    #[test]
    fn json_with_too_many_values_is_refused() {
        let many = format!("[{}0]", "0,".repeat(Bounds::DOCUMENT.values));
        assert!(parse(many.as_bytes()).err().unwrap().contains("more than 524288 values"));
        let objects = format!("[{}0]", r#"{"":0},"#.repeat(Bounds::DOCUMENT.objects + 1));
        assert!(parse(objects.as_bytes()).err().unwrap().contains("more than 200000 objects"));
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes()).err().unwrap().contains("recursion limit"));
        assert!(parse(b"{} x").err().unwrap().contains("trailing"));
    }
}
