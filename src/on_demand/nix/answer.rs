//! The answers of `resolver.nix`, and what they say about names that mean no package.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use crate::{
    basics::text,
    on_demand::package_source::Package,
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, NameUnknown},
    },
};

/// The maximum number of candidates for a name.
const CANDIDATES: usize = 5;

/// Everything that the resolver returns.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answers {
    pub(crate) store_dir: PathBuf,
    pub(crate) results: Vec<Answer>,
}

/// What a name means.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    #[serde(rename_all = "camelCase")]
    Found {
        attribute: Vec<String>,
        name: String,
        version: Option<String>,
        derivation: PathBuf,
        output: String,
        path: PathBuf,
        main_program: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Unknown {
        unknown: Vec<String>,
        at: Vec<String>,
        #[serde(default)]
        is_output: bool,
    },
    Ambiguous {
        ambiguous: Vec<String>,
        at: Vec<String>,
    },
    Refused {
        refused: String,
        #[serde(default)]
        at: Vec<String>,
    },
    /// It throws, and does not say why.
    Failed {
        failed: bool,
    },
}

/// Why a name means no package, in one sentence. Returns `None` for a package.
pub(crate) fn trouble(name: &str, answer: &Answer) -> Option<String> {
    Some(match answer {
        Answer::Found { .. } => return None,
        Answer::Failed { .. } => format!("{name} cannot be evaluated"),
        Answer::Unknown { unknown, at, is_output: true } => format!(
            "{name} is not an output of the package {}, which has {}",
            at.join("."),
            text::list(unknown)
        ),
        Answer::Unknown { unknown, at, .. } => {
            let word = name.split('.').nth(at.len()).unwrap_or(name);
            let set = if at.is_empty() { "the package set".to_owned() } else { at.join(".") };
            match &candidates(word, unknown)[..] {
                [] => format!("{name} is unknown, because {set} has no {word:?}"),
                similar => format!(
                    "{name} is unknown, because {set} has no {word:?}; similar names are {}",
                    similar.join(", ")
                ),
            }
        }
        Answer::Ambiguous { ambiguous, at } => {
            let full = ambiguous.iter().take(CANDIDATES).map(|name| {
                at.iter().chain([name]).map(String::as_str).collect::<Vec<_>>().join(".")
            });
            let full: Vec<_> = full.collect();
            format!("{name} can mean {}: ask the operator for an alias", full.join(" or "))
        }
        Answer::Refused { refused, at } if at.is_empty() => {
            format!("{name} is {refused}, and not a package")
        }
        Answer::Refused { refused, at } => {
            format!("{name} is not a package, because {} is {refused}", at.join("."))
        }
    })
}

/// Names that are similar to one that does not exist.
fn candidates(word: &str, names: &[String]) -> Vec<String> {
    let lower = word.to_ascii_lowercase();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let closest = text::closest(word, &all);
    // Short words are part of too many names.
    let mut parts: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| lower.len() >= 3 && name.to_ascii_lowercase().contains(&lower))
        .filter(|name| Some(*name) != closest)
        .collect();
    parts.sort_by_key(|name| (name.len(), *name));
    closest.into_iter().chain(parts).take(CANDIDATES).map(str::to_owned).collect()
}

/// The packages that answers found, sorted by attribute. A derivation that was found several times
/// is one package with its shortest attribute.
pub(crate) fn packages(
    store: &std::path::Path,
    found: impl IntoIterator<Item = Answer>,
) -> Result<Vec<Package>, NamedImageError> {
    let mut packages: BTreeMap<PathBuf, Package> = BTreeMap::new();
    for answer in found {
        let Answer::Found { attribute, name, version, derivation, output, path, main_program } =
            answer
        else {
            continue;
        };
        let attribute = attribute.join(".");
        // The outputs of content-addressed derivations have no path before they are built.
        if path.parent() != Some(store) || derivation.parent() != Some(store) {
            return Err(NamedImageError::new(
                Failed,
                format!(
                    "{attribute} is content-addressed, so that its path is unknown before it is \
                     built: this registry cannot contain it"
                ),
            ));
        }
        let new = Package {
            attribute,
            name,
            version,
            derivation: derivation.clone(),
            outputs: Vec::new(),
            main_program,
        };
        let package = packages.entry(derivation).or_insert_with(|| new.clone());
        let order = |attribute: &str| (attribute.len(), attribute.to_owned());
        if order(&new.attribute) < order(&package.attribute) {
            package.attribute = new.attribute;
        }
        if !package.outputs.iter().any(|(name, _)| *name == output) {
            package.outputs.push((output, path));
        }
    }
    let mut packages: Vec<Package> = packages.into_values().collect();
    packages.sort_by(|one, other| one.attribute.cmp(&other.attribute));
    Ok(packages)
}

/// The error about all names that mean no package.
pub(crate) fn unknown(troubles: &[String]) -> NamedImageError {
    NamedImageError::new(NameUnknown, troubles.join("; "))
}
