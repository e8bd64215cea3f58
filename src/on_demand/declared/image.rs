//! A declared image: what an operator wrote down.

use std::{collections::BTreeMap, mem};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::{
    basics::{
        error::{Error, Result},
        json::with_known_keys,
    },
    document::{
        descriptor::Platform,
        name::{is_repository, is_tag},
    },
    image::config_options::ConfigOptions,
    on_demand::{
        contents::{ImageContents, ImageFile},
        names::{
            Names,
            metapackage::{check_path, check_user},
        },
        source::tag::LATEST,
        systems::{nix_system, of_prefix},
    },
    recipe::spec::{
        members::Members,
        values::{list, string},
    },
};

/// An image that an operator declares by a name of its own. `docs/on-demand.md` describes the
/// members, of which `name` and `contents` are required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeclaredImage {
    /// The name of the repository.
    pub name: String,
    /// The tags: `latest`, unless others are given.
    pub tags: Vec<String>,
    /// Packages, metapackages and aliases.
    pub contents: Vec<String>,
    /// The tag of the package set.
    pub source: String,
    /// The platform. Without it, that of all images whose names begin with no platform.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_platform")]
    pub platform: Option<Platform>,
    /// The user: a name, or `UID[:GID]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Members of `config` in the image configuration.
    pub config: Map<String, Value>,
    /// Text files, by their absolute paths in the image.
    pub files: BTreeMap<String, ImageFile>,
}

/// The members of a declaration.
pub(crate) const MEMBERS: [&str; 8] =
    ["name", "tags", "contents", "source", "platform", "user", "config", "files"];

/// The members of `config` that can be declared. The user is a member of the declaration.
pub(crate) const CONFIG: [&str; 8] =
    ["Env", "Cmd", "Entrypoint", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal"];

impl DeclaredImage {
    /// Reads a declaration from JSON. `place` is where it is, for errors.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the place, the image and the member.
    /// [`Error::UnknownMember`] with the known ones.
    pub fn from_value(place: &str, value: Value) -> Result<Self> {
        let name = value.get("name").and_then(Value::as_str);
        let place = name.map_or(place.to_owned(), |name| format!("{place} ({name})"));
        let mut members = Members::new(place.clone(), value, &[&MEMBERS])?;
        let at = |member: &str| format!("{place}, {member}");
        let required = |member| Error::invalid(&place, format!("the member {member} is missing"));
        let image = Self {
            name: members.take("name", text)?.ok_or_else(|| required("name"))?,
            tags: members.take("tags", texts)?.unwrap_or_else(|| vec![LATEST.to_owned()]),
            contents: members.take("contents", texts)?.ok_or_else(|| required("contents"))?,
            source: members.take("source", text)?.unwrap_or_else(|| LATEST.to_owned()),
            platform: members.take("platform", platform)?,
            user: members.take("user", text)?,
            config: match members.take("config", Ok)? {
                Some(config) => with_known_keys(&at("config"), config, &CONFIG)?,
                None => Map::new(),
            },
            files: files(&at("files"), members.take("files", Ok)?)?,
        };
        image.check(&place)?;
        Ok(image)
    }

    fn check(&self, place: &str) -> Result<()> {
        let refuse = |member: String, reason: &str| {
            Err(Error::invalid(format!("{place}, {member}"), reason))
        };
        if !is_repository(&self.name) {
            let reason = "a repository's name has at most 255 bytes: lower-case letters and \
                          digits, separated by `/`, `.`, `_`, `__` or any number of `-`";
            return refuse(format!("name {:?}", self.name), reason);
        }
        if self.tags.is_empty() {
            return refuse("tags".to_owned(), "the list is empty: leave it out for latest");
        }
        let source = [("source", &self.source)];
        for (member, tag) in self.tags.iter().map(|tag| ("tags", tag)).chain(source) {
            if !is_tag(tag) {
                let reason = "a tag has up to 128 letters, digits, `_`, `.` and `-`, and does not \
                              start with `.` or `-`";
                return refuse(format!("{member}, {tag:?}"), reason);
            }
        }
        if self.contents.is_empty() {
            return refuse("contents".to_owned(), "the list is empty: name at least one package");
        }
        if let Some(name) = self.contents.iter().find(|name| of_prefix(name).is_some()) {
            let reason = "this is a platform: write it in the member platform, as in linux/arm64";
            return refuse(format!("contents, {name:?}"), reason);
        }
        if let Some(user) = &self.user {
            check_user(&format!("{place}, user {user:?}"), user)?;
        }
        self.files
            .keys()
            .try_for_each(|path| check_path(&format!("{place}, files, {path:?}"), path))?;
        let config = json!({ "config": self.config });
        ConfigOptions::default().merge_json_from(place, config).check().map(drop)
    }

    /// The contents of the image. Its own settings replace those of metapackages.
    pub(crate) fn image_contents(&self, place: &str, names: &Names) -> Result<ImageContents> {
        let components = self.contents.iter().map(String::as_str);
        let contents = names.declared(components, self.platform.clone());
        let mut contents = contents.map_err(|reason| {
            Error::invalid(format!("{place} ({}), contents", self.name), reason)
        })?;
        contents.user = self.user.clone().or(mem::take(&mut contents.user));
        contents.files.extend(self.files.clone());
        contents.config = self.config.clone();
        Ok(contents)
    }
}

/// A number is often a version that lost its quotes, and with them zeros at its end.
fn text(value: Value) -> Result<String, String> {
    match value {
        Value::Number(number) => {
            Err(format!("expected a string, found the number {number}: put it in quotes"))
        }
        other => string(other),
    }
}

fn texts(value: Value) -> Result<Vec<String>, String> {
    list(value)?.into_iter().map(text).collect()
}

fn platform(value: Value) -> Result<Platform, String> {
    let text = string(value)?;
    let platform = text.parse::<Platform>().map_err(|error| error.to_string())?;
    match nix_system(&platform) {
        Some(_) => Ok(platform),
        None => Err(format!("no packages are known for {text:?}: write, for example, linux/arm64")),
    }
}

fn write_platform<S: Serializer>(
    platform: &Option<Platform>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    platform.as_ref().map(Platform::to_string).serialize(serializer)
}

fn files(place: &str, value: Option<Value>) -> Result<BTreeMap<String, ImageFile>> {
    let members = match value {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(members)) => members,
        Some(other) => {
            let reason = format!("expected an object of paths and their texts, found {other}");
            return Err(Error::invalid(place, reason));
        }
    };
    let file = |(path, value)| match ImageFile::from_value(value) {
        Ok(file) => Ok((path, file)),
        Err(reason) => Err(Error::invalid(format!("{place}, {path:?}"), reason)),
    };
    members.into_iter().map(file).collect()
}
