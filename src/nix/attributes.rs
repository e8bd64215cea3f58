//! The attributes of a derivation, and the path of its output.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    document::descriptor::Platform,
    recipe::trust::RecipeTrust,
};

/// The attributes that Nix passes to the builder of a derivation with [structured
/// attributes](https://nix.dev/manual/nix/latest/language/advanced-attributes#adv-attr-structuredAttrs).
#[derive(Clone, Debug)]
pub struct Attributes {
    members: Map<String, Value>,
    output: PathBuf,
}

impl Attributes {
    /// Reads the file that Nix writes.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and [`Error::Invalid`] if the file is not that of a derivation with one
    /// output, `out`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = fs::read(path).map_err(Error::read(path))?;
        let value = serde_json::from_slice(&json)
            .map_err(|error| Error::invalid(format!("{path:?}"), format!("not JSON: {error}")))?;
        Self::from_value(value)
    }

    /// Parses attributes that were already read as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the JSON is not that of a derivation with one output, `out`.
    pub fn from_value(attributes: Value) -> Result<Self> {
        let output = attributes
            .get("outputs")
            .and_then(|outputs| outputs.get("out")?.as_str())
            .map(PathBuf::from);
        match (attributes, output) {
            (Value::Object(members), Some(output)) => Ok(Self { members, output }),
            _ => Err(Error::invalid(
                "derivation",
                "its attributes have no outputs.out: this is a builder for Nix",
            )),
        }
    }

    /// Returns the path of the output, which does not exist yet.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Trusts the store of the output: recipes and links may lead into it.
    pub(crate) fn trust(&self) -> RecipeTrust {
        self.output.parent().into_iter().fold(RecipeTrust::default(), RecipeTrust::root)
    }

    /// Returns an attribute. A missing one is read as `null`.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.members.get(name).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(|error| Error::invalid(name, error.to_string()))
    }

    /// Returns the attribute `platform`.
    pub(crate) fn platform(&self) -> Result<Option<Platform>> {
        let platform = match self.get("platform")? {
            Value::Null => return Ok(None),
            platform => json::with_known_keys("platform", platform, Platform::MEMBERS)?,
        };
        json::from_value("platform", platform.into()).map(Some)
    }

    /// Returns the graph of references that Nix writes. A missing one is empty.
    pub(crate) fn graph(&self) -> Result<Value> {
        Ok(self.get::<Option<_>>("graph")?.unwrap_or_else(|| Value::Array(Vec::new())))
    }

    /// Returns a list. A missing one is empty.
    pub(crate) fn list<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        Ok(self.get::<Option<_>>(name)?.unwrap_or_default())
    }
}
