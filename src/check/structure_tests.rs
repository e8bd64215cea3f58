//! The tests of [container-structure-test](https://github.com/GoogleContainerTools/container-structure-test),
//! as its files have them.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny},
};

use crate::check::{go_regex::GoRegex, go_values};

/// Whether a file exists, and its mode and owner.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileExistenceTest {
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(default = "yes", deserialize_with = "go_values::boolean")]
    pub(crate) should_exist: bool,
    /// Empty for any.
    pub(crate) permissions: Option<String>,
    #[serde(default, deserialize_with = "go_values::id")]
    pub(crate) uid: Option<u64>,
    #[serde(default, deserialize_with = "go_values::id")]
    pub(crate) gid: Option<u64>,
    #[serde(default, deserialize_with = "go_values::word")]
    pub(crate) is_executable_by: Option<ExecutableBy>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExecutableBy {
    Any,
    Owner,
    Group,
    Other,
}

impl ExecutableBy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Owner => "owner",
            Self::Group => "group",
            Self::Other => "other",
        }
    }

    /// The bits of a mode, of which one must be set.
    pub(crate) fn bits(self) -> u16 {
        match self {
            Self::Any => 0o111,
            Self::Owner => 0o100,
            Self::Group => 0o010,
            Self::Other => 0o001,
        }
    }
}

/// What a file contains.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileContentTest {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) expected_contents: Option<Vec<GoRegex>>,
    pub(crate) excluded_contents: Option<Vec<GoRegex>>,
}

/// What the configuration contains.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MetadataTest {
    #[serde(alias = "env")]
    pub(crate) env_vars: Option<Vec<Variable>>,
    pub(crate) unbound_env_vars: Option<Vec<Variable>>,
    pub(crate) labels: Option<Vec<Variable>>,
    pub(crate) exposed_ports: Option<Vec<String>>,
    pub(crate) unexposed_ports: Option<Vec<String>>,
    pub(crate) volumes: Option<Vec<String>>,
    pub(crate) unmounted_volumes: Option<Vec<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) workdir: Option<String>,
    pub(crate) user: Option<String>,
}

impl MetadataTest {
    pub(crate) fn is_empty(&self) -> bool {
        let has = |list: &Option<Vec<Variable>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let has_text =
            |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        !([&self.env_vars, &self.unbound_env_vars, &self.labels].into_iter().any(has)
            || [&self.exposed_ports, &self.unexposed_ports, &self.volumes, &self.unmounted_volumes]
                .into_iter()
                .any(has_text)
            || self.entrypoint.is_some()
            || self.cmd.is_some()
            || [&self.workdir, &self.user].into_iter().any(is_set))
    }
}

/// A variable or a label.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) key: String,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Matching(GoRegex),
}

impl Value {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(value) => value == text,
            Self::Matching(regex) => regex.is_match(text),
        }
    }

    /// The value or the expression, for messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(value) => format!("{value:?}"),
            Self::Matching(regex) => format!("a match for {:?}", regex.text()),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(value) => value,
            Self::Matching(regex) => regex.text(),
        }
    }
}

impl<'de> Deserialize<'de> for Variable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Members {
            key: String,
            value: Option<String>,
            #[serde(default, deserialize_with = "go_values::boolean")]
            is_regex: bool,
        }
        let Members { key, value, is_regex } = Members::deserialize(deserializer)?;
        if key.is_empty() {
            return Err(D::Error::custom("the key is empty"));
        }
        let value = value.unwrap_or_default();
        let value = match is_regex {
            true => Value::Matching(GoRegex::new(&value).map_err(D::Error::custom)?),
            false => Value::Text(value),
        };
        Ok(Self { key, value })
    }
}

/// Refuses `commandTests`: a test that is left out would look as if it passed.
pub(crate) fn no_commands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    none_of(
        deserializer,
        "these tests run programs, which this check does not: test the image with \
        ociTestImage in Nix or with container-structure-test, and remove the member here",
    )
}

/// Refuses `licenseTests`.
pub(crate) fn no_licenses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    none_of(
        deserializer,
        "these tests are not supported: look for licences in the bill of \
        materials that `oci-layout sbom` prints, and remove the member here",
    )
}

fn none_of<'de, D: Deserializer<'de>>(deserializer: D, reason: &str) -> Result<(), D::Error> {
    match Option::<Vec<IgnoredAny>>::deserialize(deserializer)? {
        Some(list) if !list.is_empty() => Err(D::Error::custom(reason)),
        _ => Ok(()),
    }
}

/// Refuses options of containers.
pub(crate) fn no_options<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<BTreeMap<String, IgnoredAny>>::deserialize(deserializer)? {
        Some(options) if !options.is_empty() => Err(D::Error::custom(
            "these options are for tests that run containers, and this check runs none: \
             remove the member here",
        )),
        _ => Ok(()),
    }
}
