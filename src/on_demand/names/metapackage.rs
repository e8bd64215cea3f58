//! Metapackages: names that stand for several packages and for settings of the image.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::{
    basics::error::{Error, Result},
    document::descriptor::Platform,
    on_demand::{
        contents::{ImageContents, ImageFile},
        names::package_name::{self, split_optional},
    },
};

/// What a component of an image's name adds to the image. As JSON or TOML, all members are
/// optional.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Metapackage {
    /// Packages. One with a question mark is left out if the package set does not have it.
    pub packages: Vec<String>,
    /// The user: a name, or `UID[:GID]`.
    pub user: Option<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The command of the image.
    pub command: Vec<String>,
    /// Text files, by their absolute paths in the image.
    pub files: BTreeMap<String, ImageFile>,
}

impl Metapackage {
    /// Checks everything that an operator wrote.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        let place = format!("metapackage {name:?}");
        let refuse = |member: String, reason: &str| {
            Err(Error::invalid(format!("{place}, {member}"), reason))
        };
        for package in &self.packages {
            package_name::check(&format!("{place}, packages"), package)?;
        }
        if let Some(user) = &self.user {
            check_user(&format!("{place}, user {user:?}"), user)?;
        }
        for (variable, value) in &self.environment {
            if variable.is_empty() || variable.contains(['=', '\0']) || value.contains('\0') {
                let reason = "a name may not be empty or have `=`, and neither may have NUL";
                return refuse(format!("environment, {variable:?}"), reason);
            }
        }
        for path in self.files.keys() {
            check_path(&format!("{place}, files, {path:?}"), path)?;
        }
        Ok(())
    }
}

/// Checks the user of an image.
pub(crate) fn check_user(place: &str, user: &str) -> Result<()> {
    let mut parts = user.split(':');
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    match parts.by_ref().take(2).all(is_word) && parts.next().is_none() {
        true => Ok(()),
        false => Err(Error::invalid(place, "write a name, or UID[:GID]")),
    }
}

/// Checks the path of a file in an image.
pub(crate) fn check_path(place: &str, path: &str) -> Result<()> {
    let mut parts = path.split('/');
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    match path.len() > 1 && parts.next() == Some("") && parts.all(is_name) {
        true => Ok(()),
        false => Err(Error::invalid(place, "write an absolute path without `..`")),
    }
}

/// The metapackages that exist without a configuration. Only packages without which they would be
/// useless are required, so that they suit small package sets.
pub(crate) fn built_in() -> [(&'static str, Metapackage); 3] {
    let of = |packages: &[&str]| Metapackage {
        packages: packages.iter().map(|&name| name.to_owned()).collect(),
        ..Metapackage::default()
    };
    // nixpkgs' `bash` was without line editing for years.
    let shell = of(&[
        "bashInteractive",
        "coreutils",
        "diffutils?",
        "findutils?",
        "gawk?",
        "gnugrep?",
        "gnused?",
        "gnutar?",
        "gzip?",
        "less?",
        "nano?",
        "ncurses?",
        "procps?",
        "which?",
    ]);
    let network = of(&["cacert?", "curl", "dnsutils?", "iana-etc?", "iproute2?", "iputils?"]);
    let debug = of(&["file?", "gdb?", "lsof?", "ltrace?", "procps?", "strace"]);
    [("shell", shell), ("network", network), ("debug", debug)]
}

/// The contents of several components of a name. The order in which they are added does not matter.
#[derive(Default)]
pub(crate) struct Combined {
    pub(crate) packages: BTreeSet<String>,
    user: Option<(String, String)>,
    command: Option<(String, Vec<String>)>,
    environment: BTreeMap<String, (String, String)>,
    files: BTreeMap<String, (String, ImageFile)>,
}

impl Combined {
    /// Adds a metapackage. The error is a sentence that names two metapackages that contradict each
    /// other.
    pub(crate) fn add(&mut self, name: &str, metapackage: &Metapackage) -> Result<(), String> {
        let Metapackage { packages, user, environment, command, files } = metapackage;
        self.packages.extend(packages.iter().cloned());
        if let Some(user) = user {
            set(&mut self.user, name, user, || "the user".to_owned())?;
        }
        if !command.is_empty() {
            set(&mut self.command, name, command, || "the command".to_owned())?;
        }
        for (variable, value) in environment {
            let what = || format!("the variable {variable}");
            set_member(&mut self.environment, variable, name, value, what)?;
        }
        for (path, text) in files {
            set_member(&mut self.files, path, name, text, || format!("the file {path}"))?;
        }
        Ok(())
    }

    pub(crate) fn contents(self, platform: Platform) -> ImageContents {
        ImageContents {
            platform,
            packages: canonical(self.packages),
            user: self.user.map(|(_, user)| user),
            environment: without_names(self.environment),
            command: self.command.map(|(_, command)| command).unwrap_or_default(),
            files: without_names(self.files),
            config: Map::new(),
        }
    }
}

/// The members without the names of the metapackages that set them.
fn without_names<T>(members: BTreeMap<String, (String, T)>) -> BTreeMap<String, T> {
    members.into_iter().map(|(key, (_, value))| (key, value)).collect()
}

/// Sorts packages. A package that the image needs anyway is not optional.
fn canonical(packages: BTreeSet<String>) -> Vec<String> {
    let is_extra = |name: &String| {
        let (package, is_needed) = split_optional(name);
        is_needed || !packages.contains(package)
    };
    packages.iter().filter(|name| is_extra(name)).cloned().collect()
}

/// Sets a value, unless another metapackage has set a different one.
fn set<T: Clone + PartialEq>(
    place: &mut Option<(String, T)>,
    name: &str,
    value: &T,
    what: impl Fn() -> String,
) -> Result<(), String> {
    match place {
        Some((other, old)) if old != value => Err(format!(
            "{other} and {name} cannot be in one image, because they set {} differently",
            what()
        )),
        Some(_) => Ok(()),
        None => {
            *place = Some((name.to_owned(), value.clone()));
            Ok(())
        }
    }
}

/// The same for a member of a map.
fn set_member<T: Clone + PartialEq>(
    map: &mut BTreeMap<String, (String, T)>,
    key: &str,
    name: &str,
    value: &T,
    what: impl Fn() -> String,
) -> Result<(), String> {
    let mut place = map.remove(key);
    let result = set(&mut place, name, value, what);
    map.extend(place.map(|place| (key.to_owned(), place)));
    result
}
