//! Policies: the members of their files.

use std::{fmt, fs::File, io::Read, path::Path};

use serde::{Deserialize, Deserializer, de};

use crate::{
    basics::{Error, Result, size::Size, text, yaml},
    check::{
        globs::Glob,
        go_regex::GoRegex,
        structure_tests::{
            FileContentTest, FileExistenceTest, MetadataTest, Variable, no_commands, no_licenses,
            no_options,
        },
    },
};

/// The maximum size of a policy.
const MOST_BYTES: u64 = 1 << 20;

/// The maximum number of values in a policy, after aliases are replaced.
const MOST_VALUES: usize = 20_000;

/// What images must have, and must not have: tests of container-structure-test, and members of this
/// library, which [the manual](https://docs.rs/crate/oci-layout/latest/source/docs/policy.md)
/// describes.
#[derive(Clone, Debug)]
pub struct Policy {
    name: String,
    pub(crate) members: Members,
}

/// The members of a policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Members {
    schema_version: Option<SchemaVersion>,
    pub(crate) global_env_vars: Option<Vec<Variable>>,
    pub(crate) file_existence_tests: Option<Vec<FileExistenceTest>>,
    pub(crate) file_content_tests: Option<Vec<FileContentTest>>,
    pub(crate) metadata_test: Option<MetadataTest>,
    #[serde(default, deserialize_with = "no_commands", rename = "commandTests")]
    _command_tests: (),
    #[serde(default, deserialize_with = "no_licenses", rename = "licenseTests")]
    _license_tests: (),
    #[serde(default, deserialize_with = "no_options", rename = "containerRunOptions")]
    _container_run_options: (),
    pub(crate) sizes: Option<Sizes>,
    pub(crate) required_files: Option<Vec<Glob>>,
    pub(crate) forbidden_files: Option<Vec<Glob>>,
    pub(crate) root_user: Option<Forbidden>,
    pub(crate) setuid_files: Option<ForbiddenExcept>,
    pub(crate) world_writable_files: Option<ForbiddenExcept>,
    pub(crate) private_keys: Option<ForbiddenExcept>,
    pub(crate) required_labels: Option<Vec<RequiredLabel>>,
}

/// The version of the tests of container-structure-test.
#[derive(Clone, Copy, Debug)]
struct SchemaVersion;

/// The size budget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Sizes {
    pub(crate) compressed: Option<Size>,
    pub(crate) unpacked: Option<Size>,
    pub(crate) layer: Option<Size>,
    pub(crate) layers: Option<u64>,
}

/// The word `forbidden`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forbidden;

/// What is forbidden, except for some paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForbiddenExcept {
    pub(crate) allow: Vec<Glob>,
}

/// A label that the image must have.
#[derive(Clone, Debug)]
pub(crate) struct RequiredLabel {
    pub(crate) key: String,
    pub(crate) value: Option<GoRegex>,
}

impl Policy {
    /// Reads a policy from YAML, of which JSON is a subset. The name is that of findings and errors.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the line for a text that is larger than 1 MiB, is not YAML, or has
    /// members that are not those of a policy, `commandTests` among them, and for a policy that
    /// checks nothing.
    pub fn from_yaml(name: impl Into<String>, text: &str) -> Result<Self> {
        let name = name.into();
        let refuse = |reason: String| Error::invalid(format!("policy {name:?}"), reason);
        if text.len() as u64 > MOST_BYTES {
            return Err(refuse("it has more than 1 MiB: divide it into several policies".into()));
        }
        let members = serde_saphyr::from_str_with_options(text, yaml::options(MOST_VALUES));
        let members: Members = members.map_err(|error| refuse(reason(&error)))?;
        members.check().map_err(refuse)?;
        Ok(Self { name, members })
    }

    /// Reads a policy from a file. Its name is the path.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and those of [`Policy::from_yaml`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(Error::read(path))?;
        // One more byte than a policy may have.
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(Error::read(path))?;
        if bytes.len() as u64 > MOST_BYTES {
            let reason = "it has more than 1 MiB: divide it into several policies";
            return Err(Error::invalid(format!("policy {name:?}"), reason));
        }
        let text = String::from_utf8(bytes);
        let text =
            text.map_err(|_| Error::invalid(format!("policy {name:?}"), "it is not UTF-8"))?;
        Self::from_yaml(name, &text)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What is wrong with YAML, and where.
fn reason(error: &serde_saphyr::Error) -> String {
    let at = |location: &serde_saphyr::Location| {
        format!("at line {}, column {}", location.line(), location.column())
    };
    match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), location } => {
            format!("the member {key} is given twice {}", at(location))
        }
        serde_saphyr::Error::MultipleDocuments { location, .. } => {
            format!("a second document begins {}: put it into a file of its own", at(location))
        }
        error => error.to_string(),
    }
}

impl Members {
    /// Checks what types cannot. The error is a message.
    fn check(&self) -> Result<(), String> {
        let tests = self.file_existence_tests.iter().flatten().map(|test| (&test.name, &test.path));
        let contents = self.file_content_tests.iter().flatten();
        let contents = contents.map(|test| (&test.name, &test.path));
        for (name, path) in tests.clone().chain(contents.clone()) {
            if name.is_empty() || path.is_empty() {
                return Err("every test of files needs a name and a path".into());
            }
        }
        let is_structure_test = self.metadata_test.is_some()
            || self.global_env_vars.is_some()
            || tests.chain(contents).next().is_some();
        if is_structure_test && self.schema_version.is_none() {
            let reason = "tests of container-structure-test need the member schemaVersion: 2.0.0";
            return Err(reason.into());
        }
        match self.is_empty() {
            true => {
                Err("it checks nothing: remove it, or add a member such as rootUser: forbidden"
                    .into())
            }
            false => Ok(()),
        }
    }

    fn is_empty(&self) -> bool {
        let has_any = [
            self.file_existence_tests.as_ref().is_some_and(|list| !list.is_empty()),
            self.file_content_tests.as_ref().is_some_and(|list| !list.is_empty()),
            self.metadata_test.as_ref().is_some_and(|test| !test.is_empty()),
            self.sizes.as_ref().is_some_and(|sizes| !sizes.is_empty()),
            self.required_files.as_ref().is_some_and(|list| !list.is_empty()),
            self.forbidden_files.as_ref().is_some_and(|list| !list.is_empty()),
            self.root_user.is_some(),
            self.setuid_files.is_some(),
            self.world_writable_files.is_some(),
            self.private_keys.is_some(),
            self.required_labels.as_ref().is_some_and(|list| !list.is_empty()),
        ];
        !has_any.contains(&true)
    }
}

impl Sizes {
    fn is_empty(&self) -> bool {
        let Self { compressed, unpacked, layer, layers } = self;
        compressed.or(*unpacked).or(*layer).is_none() && layers.is_none()
    }
}

impl<'de> Deserialize<'de> for SchemaVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, "2.0.0", |version| match version {
            "2.0.0" => Ok(Self),
            _ => Err(format!("the schemaVersion is {version:?}, and only 2.0.0 is supported")),
        })
    }
}

const FORBIDDEN: &str = "forbidden";

impl<'de> Deserialize<'de> for Forbidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, "the word forbidden", |word| match word {
            FORBIDDEN => Ok(Self),
            _ => Err(format!("expected the word forbidden, found {word:?}")),
        })
    }
}

impl<'de> Deserialize<'de> for ForbiddenExcept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Allow {
            allow: Vec<Glob>,
        }
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = ForbiddenExcept;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the word forbidden, or an object with allow, a list of globs")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                match word {
                    FORBIDDEN => Ok(ForbiddenExcept::default()),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                let Allow { allow } = Allow::deserialize(map)?;
                Ok(ForbiddenExcept { allow })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for RequiredLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Object {
            key: String,
            value: Option<GoRegex>,
        }
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = RequiredLabel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the key of a label, or an object with key and value")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
                Ok(RequiredLabel { key: key.to_owned(), value: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                let Object { key, value } = Object::deserialize(map)?;
                Ok(RequiredLabel { key, value })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
