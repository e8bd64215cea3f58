//! Takes the members of a JSON object one by one.

use serde_json::{Map, Value, json};

use crate::{
    basics::{Error, Result},
    recipe::mapping::Attribute,
};

/// Creates an object from the members that have a value; an empty list is none.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let given = members.into_iter().filter(|(_, value)| !value.is_null() && *value != json!([]));
    given.map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn each<T>(
    list: Option<Vec<Value>>,
    read: impl Fn(usize, Value) -> Result<T>,
) -> Result<Vec<T>> {
    list.into_iter().flatten().enumerate().map(|(index, value)| read(index, value)).collect()
}

/// The members of an object that were not read yet, and the name of the object in messages.
pub(crate) struct Members {
    pub(crate) what: String,
    pub(crate) members: Map<String, Value>,
}

impl Members {
    pub(crate) fn new(what: String, value: Value, known: &[&[&str]]) -> Result<Self> {
        let Value::Object(mut members) = value else {
            return Err(Error::invalid(what, format!("expected a JSON object, found {value}")));
        };
        let known = known.concat();
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Error::unknown_member(what, name, &known));
        }
        members.retain(|_, value| !value.is_null());
        Ok(Self { what, members })
    }

    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Result<Option<T>> {
        let value = self.members.remove(name).map(read).transpose();
        value.map_err(|reason| Error::invalid(format!("{}, {name}", self.what), reason))
    }

    pub(crate) fn attribute<T>(
        &mut self,
        name: &str,
        read: fn(Value) -> Result<T, String>,
    ) -> Result<Attribute<T>> {
        let read = |value| match value {
            Value::String(keep) if keep == "keep" => Ok(Attribute::Keep),
            value => read(value)
                .map(Attribute::Set)
                .map_err(|reason| reason + "; \"keep\" is also valid"),
        };
        Ok(self.take(name, read)?.unwrap_or_default())
    }

    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::invalid(&self.what, reason)
    }
}
