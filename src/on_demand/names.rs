//! The names of images on demand: `shell/git/htop` is an image of these packages.
//!
//! Each component of a name is a package, an alias or a metapackage. The order and repetitions do
//! not matter. The first component can be a platform instead: `arm64/git`. Dots lead into nested
//! sets and to outputs: `perlpackages.dbi`, `openssl.dev`. Registries allow only lower-case
//! letters, so the resolver ignores the case of letters where this is unambiguous. An alias stands
//! for a name that clients cannot spell, such as `gtk+3`.

pub(crate) mod metapackage;
pub(crate) mod package_name;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    basics::error::{Error, Result},
    document::{descriptor::Platform, name::is_repository},
    on_demand::{
        contents::ImageContents,
        names::{
            metapackage::Combined,
            package_name::{is_package, split_optional},
        },
        systems,
    },
    registry::{NamedImageError, NamedImageErrorKind::NameInvalid},
};

pub use crate::on_demand::names::metapackage::Metapackage;

/// The maximum number of packages in an image, except for those that the operator adds.
const MOST_NAMES: usize = 32;

/// The same for an image that the operator declares. All names together fit into an argument of a
/// program, which has 128 KiB.
const MOST_DECLARED: usize = 400;

/// How names are read. As JSON or TOML, all members are optional.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NameOptions {
    /// The platform of images whose names begin with no platform.
    pub platform: Platform,
    /// Packages that every image contains. A package with a question mark is left out if the
    /// package set does not have it: `cacert?`.
    pub always: Vec<String>,
    /// Metapackages by their names, besides `shell`, `network` and `debug`. A metapackage with one
    /// of these names replaces it.
    pub metapackages: BTreeMap<String, Metapackage>,
    /// Packages by other names.
    pub aliases: BTreeMap<String, String>,
}

/// `linux/amd64`, and in every image the certificates of `cacert`, if the package set has it.
impl Default for NameOptions {
    fn default() -> Self {
        Self {
            platform: Platform::default(),
            always: vec!["cacert?".to_owned()],
            metapackages: BTreeMap::new(),
            aliases: BTreeMap::new(),
        }
    }
}

/// Reads the names of images.
///
/// ```
/// use oci_layout::on_demand::{NameOptions, Names};
/// let names = Names::new(NameOptions::default())?;
/// let image = names.contents("arm64/git/htop/git")?;
/// assert_eq!(image.platform.to_string(), "linux/arm64");
/// assert_eq!(image.packages, ["cacert?", "git", "htop"]);
/// assert_eq!(image, names.contents("arm64/htop/git")?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(NameOptions);

impl Names {
    /// Checks the options, and adds the metapackages that they do not replace.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a platform is unknown; if the name of a metapackage or alias is not a
    /// component of a repository's name, is a platform, or is given twice; if a package's name is
    /// malformed; or if a metapackage has a malformed variable, user or path.
    pub fn new(mut options: NameOptions) -> Result<Self> {
        if systems::nix_system(&options.platform).is_none() {
            let reason = "no packages are known for it: choose linux/amd64 or linux/arm64";
            return Err(Error::invalid(format!("platform {}", options.platform), reason));
        }
        for name in &options.always {
            package_name::check("always", name)?;
        }
        for (name, package) in &options.aliases {
            check_component("alias", name)?;
            package_name::check(&format!("alias {name:?}"), package)?;
            if options.metapackages.contains_key(name) {
                let reason = "a metapackage has the same name: rename one of them";
                return Err(Error::invalid(format!("alias {name:?}"), reason));
            }
        }
        for (name, metapackage) in &options.metapackages {
            check_component("metapackage", name)?;
            metapackage.check(name)?;
        }
        for (name, metapackage) in metapackage::built_in() {
            if !options.aliases.contains_key(name) {
                options.metapackages.entry(name.to_owned()).or_insert(metapackage);
            }
        }
        Ok(Self(options))
    }

    /// Returns the contents that the name of an image means. Names that mean the same have equal
    /// contents.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] of the kind `NameInvalid` if the name is not a repository's name of at
    /// most 255 bytes; if it has no package, more than 32 packages, or a package with more than
    /// four components; if a platform is not its first component; or if two of its metapackages
    /// contradict each other.
    pub fn contents(&self, name: &str) -> Result<ImageContents, NamedImageError> {
        let invalid = |message: String| NamedImageError::new(NameInvalid, message);
        if !is_repository(name) {
            return Err(invalid(
                "the name is not a repository's name of at most 255 bytes: write packages in \
                 lower case, separated by slashes, as in shell/git"
                    .to_owned(),
            ));
        }
        let (first, others) = name.split_once('/').unwrap_or((name, ""));
        let (platform, packages) = match systems::of_prefix(first) {
            Some(platform) => (platform, others),
            None => (self.0.platform.clone(), name),
        };
        // A set, so that the result does not depend on the order.
        let components: BTreeSet<&str> = packages.split('/').filter(|c| !c.is_empty()).collect();
        if components.is_empty() {
            return Err(invalid(format!(
                "the name {name:?} has only a platform: add packages, as in {name}/shell"
            )));
        }

        if let Some(component) = components.iter().find(|name| systems::of_prefix(name).is_some()) {
            return Err(invalid(format!(
                "{component} is a platform: write it first, as in {component}/shell"
            )));
        }
        self.combined(components, platform, MOST_NAMES).map_err(invalid)
    }

    /// Returns the contents of an image that an operator declares: packages, metapackages and
    /// aliases. The error is a sentence.
    pub(crate) fn declared<'a>(
        &self,
        components: impl IntoIterator<Item = &'a str>,
        platform: Option<Platform>,
    ) -> Result<ImageContents, String> {
        let platform = platform.unwrap_or_else(|| self.0.platform.clone());
        self.combined(components.into_iter().collect(), platform, MOST_DECLARED)
    }

    fn combined(
        &self,
        components: BTreeSet<&str>,
        platform: Platform,
        most: usize,
    ) -> Result<ImageContents, String> {
        let mut combined = Combined::default();
        for component in components {
            if let Some(metapackage) = self.0.metapackages.get(component) {
                combined.add(component, metapackage)?;
                continue;
            }
            let package = self.0.aliases.get(component).map_or(component, String::as_str);
            if !is_package(split_optional(package).0) {
                let depth = package_name::DEPTH;
                return Err(format!(
                    "{component:?} is not a package's name, which has at most {depth} parts \
                     between dots"
                ));
            }
            combined.packages.insert(package.to_owned());
        }
        if combined.packages.len() > most {
            let count = combined.packages.len();
            return Err(format!("the image would have {count} packages: choose at most {most}"));
        }
        combined.packages.extend(self.0.always.iter().cloned());
        Ok(combined.contents(platform))
    }

    /// Returns the names of all metapackages and aliases, sorted by bytes.
    pub fn words(&self) -> Vec<String> {
        let words = self.0.metapackages.keys().chain(self.0.aliases.keys());
        words.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Checks the name of a metapackage or alias.
fn check_component(kind: &str, name: &str) -> Result<()> {
    let refuse = |reason: &str| Err(Error::invalid(format!("{kind} {name:?}"), reason));
    if !is_repository(name) || name.contains('/') {
        return refuse(
            "clients cannot write this name: it may have lower-case letters and digits, with \
             single `.`, `_` and `-` between them",
        );
    }
    match systems::of_prefix(name) {
        Some(_) => refuse("this is the name of a platform: choose another one"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
