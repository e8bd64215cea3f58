//! Package sets that Nix evaluates, substitutes and builds, by its classic programs.
//!
//! What clients write reaches Nix only as values in one JSON text, for a fixed resolver. Evaluations
//! are restricted: they read the package set and the store, fetch nothing and build nothing. Every
//! program has a deadline and is ended with all that it started.

pub(crate) mod answer;
pub(crate) mod built;
pub(crate) mod check;
pub(crate) mod database;
pub(crate) mod messages;
pub(crate) mod options;
pub(crate) mod programs;
pub(crate) mod realise;
pub(crate) mod resolve;

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::{
    basics::error::{Error, Result},
    on_demand::{
        nix::{programs::Programs, programs::Unsuccessful},
        package_source::{ClosurePath, PackageSource, Resolved},
        source::{Source, SourceKind, SourceOptions},
    },
    registry::{NamedImageError, NamedImageErrorKind::Failed, Stop},
};

pub use crate::on_demand::nix::options::NixOptions;

/// A package set that Nix evaluates.
pub struct NixPackages {
    programs: Programs,
    source: Source,
}

impl fmt::Debug for NixPackages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NixPackages").field("programs", &self.programs).finish_non_exhaustive()
    }
}

impl NixPackages {
    /// Creates a package set from a source. Clones, caches and links are in the folder `state`,
    /// which processes can share.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder cannot be made.
    pub fn new(
        source: &SourceKind,
        source_options: SourceOptions,
        options: NixOptions,
        state: impl AsRef<Path>,
    ) -> Result<Self> {
        let state = state.as_ref();
        fs::create_dir_all(state.join("home")).map_err(Error::write(state))?;
        // Nix and git run elsewhere.
        let state = state.canonicalize().map_err(Error::write(state))?;
        let programs = Programs::new(options, &state);
        Ok(Self { programs, source: Source::new(source, source_options, &state) })
    }

    /// Checks that Nix can be used safely: its sandbox is on, and this process is neither root,
    /// unless that is allowed, nor a user whom Nix's daemon trusts. Builds fail where the system has
    /// no sandbox, except if a daemon builds that has `sandbox-fallback`, which is its default.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that says what is unsafe, or why Nix cannot be asked.
    pub fn check(&self, allow_root: bool) -> Result<()> {
        check::check(&self.programs, allow_root)
    }

    /// Evaluates packages again, because their derivations are gone.
    fn again(&self, resolved: &Resolved, stop: &Stop) -> Result<(), NamedImageError> {
        let names = resolved.packages.iter().flat_map(|package| {
            let outputs = package.outputs.iter();
            outputs.map(|(output, _)| format!("{}.{output}", package.attribute))
        });
        let names: Vec<String> = names.collect();
        let new = self.resolve(&resolved.revision, &resolved.system, &names, stop)?;
        let derivations = |resolved: &Resolved| -> Vec<PathBuf> {
            resolved.packages.iter().map(|package| package.derivation.clone()).collect()
        };
        if derivations(&new) != derivations(resolved) {
            let message = "the packages mean something else than before: pull again";
            return Err(NamedImageError::new(Failed, message));
        }
        Ok(())
    }
}

impl PackageSource for NixPackages {
    fn revision(&self, tag: &str, stop: &Stop) -> Result<String, NamedImageError> {
        self.source.revision(&self.programs, tag, stop)
    }

    fn tags(&self) -> Vec<String> {
        self.source.tags()
    }

    fn resolve(
        &self,
        revision: &str,
        system: &str,
        names: &[String],
        stop: &Stop,
    ) -> Result<Resolved, NamedImageError> {
        let place = self.source.place(&self.programs, revision, stop)?;
        let resolved = resolve::resolve(&self.programs, &place, revision, system, names, stop);
        self.source.check(revision, stop)?;
        resolved
    }

    fn realise(
        &self,
        resolved: &Resolved,
        root: &Path,
        stop: &Stop,
    ) -> Result<(), NamedImageError> {
        // The garbage collector may remove a derivation at any moment before it is built.
        let is_gone = || {
            self.programs.options.allow_builds
                && resolved.packages.iter().any(|package| !package.derivation.exists())
        };
        if is_gone() {
            self.again(resolved, stop)?;
        }
        match realise::realise(&self.programs, resolved, root, stop) {
            Err(Unsuccessful::Refused(_)) if is_gone() => {
                self.again(resolved, stop)?;
                realise::realise(&self.programs, resolved, root, stop)
            }
            realised => realised,
        }
        .map_err(|failure| realise::error(&self.programs, failure))
    }

    fn closure(&self, paths: &[PathBuf], stop: &Stop) -> Result<Vec<ClosurePath>, NamedImageError> {
        database::closure(&self.programs, paths, stop)
    }

    fn built(&self, paths: &[PathBuf], stop: &Stop) -> Result<BTreeSet<PathBuf>, NamedImageError> {
        built::built(&self.programs, paths, stop)
    }
}
