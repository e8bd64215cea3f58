//! Sections of the configuration: structs whose keys describe themselves.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use serde_json::Value;

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The name with those of its sections, such as `tls.cert`. A word in capital letters is a name
    /// that the operator chooses.
    pub name: String,
    /// The type.
    pub kind: &'static str,
    /// The default, `null` if there is none.
    pub default: Value,
    /// The option of the command line for the same.
    pub option: Option<&'static str>,
    /// What it means, without a period at the end.
    pub meaning: String,
}

/// The type of a value of the configuration.
pub trait Kind {
    /// The name of the type.
    const NAME: &'static str;
    /// What follows the name of a key of this type, if the operator chooses it.
    const CHOSEN: &'static str = "";

    /// The keys, if this is a section.
    fn keys() -> Vec<Key> {
        Vec::new()
    }
}

macro_rules! kinds {
    ($($kind:ty = $name:literal),+) => {
        $(impl Kind for $kind {
            const NAME: &'static str = $name;
        })+
    };
}

kinds!(bool = "boolean", String = "text", PathBuf = "path", Vec<String> = "list of texts");

impl<T: Kind> Kind for Option<T> {
    const NAME: &'static str = T::NAME;
}

impl Kind for BTreeMap<String, String> {
    const NAME: &'static str = "text";
    const CHOSEN: &'static str = ".NAME";
}

impl Kind for BTreeMap<String, PathBuf> {
    const NAME: &'static str = "path";
    const CHOSEN: &'static str = ".NAME";
}

/// The keys that a member of a section is or has.
pub(crate) fn keys_of<T: Kind + Serialize>(
    field: &str,
    default: &T,
    option: Option<&'static str>,
    lines: &[&str],
) -> Vec<Key> {
    let name = field.replace('_', "-");
    let inner = T::keys();
    if inner.is_empty() {
        let default = serde_json::to_value(default).unwrap_or_default();
        let is_empty = match &default {
            Value::Array(values) => values.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        let default = if is_empty { Value::Null } else { default };
        let meaning: Vec<_> = lines.iter().map(|line| line.trim()).collect();
        let (name, meaning) = (name + T::CHOSEN, meaning.join(" "));
        return vec![Key { name, kind: T::NAME, default, option, meaning }];
    }
    let nested = |key: Key| Key { name: format!("{name}.{}", key.name), ..key };
    inner.into_iter().map(nested).collect()
}

/// Declares a section: a struct with its defaults and its keys.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:ident {
            $(
                $(#[doc = $meaning:literal])+
                $(#[cfg($cfg:meta)])?
                $key:ident: $kind:ty = $default:expr $(, $option:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $section {
            $(
                $(#[doc = $meaning])+
                $(#[cfg($cfg)])?
                pub $key: $kind,
            )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($(#[cfg($cfg)])? $key: $default,)+ }
            }
        }

        impl $crate::serve_config::section::Kind for $section {
            const NAME: &'static str = "table";

            fn keys() -> Vec<$crate::serve_config::section::Key> {
                let section = Self::default();
                let mut keys = Vec::new();
                $(
                    $(#[cfg($cfg)])?
                    keys.extend($crate::serve_config::section::keys_of(
                        stringify!($key),
                        &section.$key,
                        [$($option)?].first().copied(),
                        &[$($meaning),+],
                    ));
                )+
                keys
            }
        }
    };
}

pub(crate) use section;
