//! What an image on demand contains: the result of parsing its name, or its declaration.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use crate::{
    document::descriptor::Platform,
    recipe::spec::values::{from_mode, mode, string},
};

/// What an image contains, before its packages are resolved. Equal values at one revision of a
/// package set give equal images.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageContents {
    /// The platform of the image.
    pub platform: Platform,
    /// The packages, as a client names them, sorted by bytes, each once. A package with a question
    /// mark, which only operators can add, is left out if the package set does not have it.
    pub packages: Vec<String>,
    /// The user: a name, or `UID[:GID]`. Without it, an unprivileged user.
    #[serde(default)]
    pub user: Option<String>,
    /// Environment variables, besides those that every image has.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The command of the image.
    #[serde(default)]
    pub command: Vec<String>,
    /// Text files, by their absolute paths in the image.
    #[serde(default)]
    pub files: BTreeMap<String, ImageFile>,
    /// The member `config` of the image configuration, merged over everything else. `Env` is merged
    /// by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
}

/// A text file in an image. As JSON: the text, or an object with `text` and `mode`, such as
/// `"0640"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ImageFile {
    /// The text.
    pub text: String,
    /// The mode. Without it, 0755 for a script, which begins with `#!`, and 0644 for others.
    pub mode: Option<u32>,
}

impl ImageFile {
    /// Sets the mode, such as `0o640`.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        Self { mode: Some(mode), ..self }
    }

    pub(crate) fn from_value(value: Value) -> Result<Self, String> {
        let mut members = match value {
            Value::String(text) => return Ok(text.into()),
            Value::Object(members) => members,
            other => return Err(format!("expected a text or an object with text, found {other}")),
        };
        let text = members.remove("text").ok_or("the member text is missing")?;
        let mode = members.remove("mode").map(mode).transpose();
        if let Some(name) = members.keys().next() {
            return Err(format!("unknown member {name:?}: a file has text and mode"));
        }
        Ok(Self { text: string(text)?, mode: mode.map_err(|reason| format!("mode: {reason}"))? })
    }
}

impl From<String> for ImageFile {
    fn from(text: String) -> Self {
        Self { text, mode: None }
    }
}

impl From<&str> for ImageFile {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Serialize for ImageFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.mode {
            None => self.text.serialize(serializer),
            Some(mode) => {
                json!({ "text": self.text, "mode": from_mode(mode) }).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for ImageFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
