//! The seam between images and Nix: names become packages, packages become store paths.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::registry::{NamedImageError, Stop};

/// A set of packages, from which images are made. Every function blocks, and ends soon after `stop`
/// is set.
pub trait PackageSource: Send + Sync {
    /// Returns the revision that a tag means now: text that identifies the contents of the package
    /// set, such as a commit.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if there is no such tag, or if the source cannot be reached.
    fn revision(&self, tag: &str, stop: &Stop) -> Result<String, NamedImageError>;

    /// Returns the tags that are known, sorted by bytes.
    fn tags(&self) -> Vec<String>;

    /// Finds the packages with these names in a revision, for a Nix system such as `x86_64-linux`.
    /// A name with a question mark is left out if there is no such package. Nothing is built.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] that names each unknown or ambiguous name with its candidates, or says
    /// why the evaluation failed.
    fn resolve(
        &self,
        revision: &str,
        system: &str,
        names: &[String],
        stop: &Stop,
    ) -> Result<Resolved, NamedImageError>;

    /// Substitutes or builds the outputs of the packages, and keeps the garbage collector away from
    /// them until the link `root` and the links that begin with its name are removed.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if a build fails, takes too long, or is not allowed.
    fn realise(&self, resolved: &Resolved, root: &Path, stop: &Stop)
    -> Result<(), NamedImageError>;

    /// Returns the closure of store paths that exist, sorted by path.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if one does not exist, or the closure is larger than the operator allows.
    fn closure(&self, paths: &[PathBuf], stop: &Stop) -> Result<Vec<ClosurePath>, NamedImageError>;

    /// Returns those of the store paths that were built on this machine, so that a new build may
    /// give other contents. By default none: all paths can be had again as they are.
    ///
    /// # Errors
    ///
    /// [`NamedImageError`] if that is not known. The paths then count as built.
    fn built(&self, paths: &[PathBuf], stop: &Stop) -> Result<BTreeSet<PathBuf>, NamedImageError> {
        let _ = (paths, stop);
        Ok(BTreeSet::new())
    }
}

/// Packages that were found in a revision.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The revision.
    pub revision: String,
    /// The Nix system, such as `x86_64-linux`.
    pub system: String,
    /// The packages, sorted by attribute, each once.
    pub packages: Vec<Package>,
}

/// A package: some outputs of one derivation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Package {
    /// The attribute path in the package set, with dots, such as `perlPackages.DBI`.
    pub attribute: String,
    /// The name without the version, such as `perl-DBI`.
    pub name: String,
    /// The version, if the name has one.
    pub version: Option<String>,
    /// The derivation, a path in the store.
    pub derivation: PathBuf,
    /// The names of the outputs and their store paths, in the order in which they are requested.
    pub outputs: Vec<(String, PathBuf)>,
    /// The program that the package says is its main one (`meta.mainProgram`).
    pub main_program: Option<String>,
}

/// A store path with what Nix knows of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ClosurePath {
    /// The path.
    pub path: PathBuf,
    /// The SHA-256 of its Nix archive, as 64 hexadecimal digits.
    pub nar_hash: String,
    /// The size of its Nix archive in bytes.
    pub nar_size: u64,
    /// The paths that it refers to, possibly including itself.
    pub references: BTreeSet<PathBuf>,
}
