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
    #[serde(default, deserialize_with = "given")]
    pub(crate) sizes: Option<Sizes>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) required_files: Option<Vec<Glob>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) forbidden_files: Option<Vec<Glob>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) root_user: Option<Forbidden>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) setuid_files: Option<ForbiddenExcept>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) world_writable_files: Option<ForbiddenExcept>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) private_keys: Option<ForbiddenExcept>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) required_labels: Option<Vec<RequiredLabel>>,
}

/// The version of the tests of container-structure-test.
#[derive(Clone, Copy, Debug)]
struct SchemaVersion;

/// The size budget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Sizes {
    #[serde(default, deserialize_with = "given")]
    pub(crate) compressed: Option<Size>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) unpacked: Option<Size>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) layer: Option<Size>,
    #[serde(default, deserialize_with = "given")]
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
        let members: Members = members.map_err(|error| refuse(reason(&error, text)))?;
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

/// What is wrong with YAML, in which member, and where.
fn reason(error: &serde_saphyr::Error, text: &str) -> String {
    use serde_saphyr::Error;
    let at = |location: &serde_saphyr::Location| {
        format!("at line {}, column {}", location.line(), location.column())
    };
    let reason = match error {
        Error::DuplicateMappingKey { key: Some(key), location } => {
            return format!("the member {key} is given twice {}", at(location));
        }
        Error::MultipleDocuments { location, .. } => {
            return format!(
                "a second document begins {}: put it into a file of its own",
                at(location)
            );
        }
        Error::NullIntoString { location } => format!("{NO_VALUE} {}", at(location)),
        Error::InvalidScalar { ty, location } => {
            let kind = if ty.starts_with('u') { " that is not negative" } else { "" };
            format!("expected a number{kind} {}", at(location))
        }
        Error::Unexpected { expected: "sequence start", location } => {
            format!("expected a list {}", at(location))
        }
        Error::Unexpected { expected: "mapping start", location } => {
            format!("expected an object {}", at(location))
        }
        error => error.to_string(),
    };
    match member(text) {
        member if member.is_empty() => reason,
        member => format!("{member}: {reason}"),
    }
}

const NO_VALUE: &str = "it has no value: write one, or remove it";

/// The member that cannot be read, such as `sizes.layers`. Tracking members is slow, so that only a
/// read that failed is repeated with it.
fn member(text: &str) -> String {
    let mut member = String::new();
    let options = yaml::options(MOST_VALUES);
    // The error is known.
    let _ = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        if let Err(error) = serde_path_to_error::deserialize::<_, Members>(deserializer) {
            member = error.path().to_string();
        }
        Ok(())
    });
    member.trim_end_matches(['?', '.']).to_owned()
}

/// A value that is not empty: an empty one would check nothing, and look as if it passed.
fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer)?.ok_or_else(|| de::Error::custom(NO_VALUE))
}

/// The same for a member that may be absent.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    value(deserializer).map(Some)
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
            #[serde(deserialize_with = "value")]
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
            #[serde(default, deserialize_with = "given")]
            value: Option<GoRegex>,
        }
        fn label<E: de::Error>(key: String, value: Option<GoRegex>) -> Result<RequiredLabel, E> {
            match key.is_empty() {
                true => Err(E::custom("the key is empty")),
                false => Ok(RequiredLabel { key, value }),
            }
        }
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = RequiredLabel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the key of a label, or an object with key and value")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
                label(key.to_owned(), None)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                let Object { key, value } = Object::deserialize(map)?;
                label(key, value)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
