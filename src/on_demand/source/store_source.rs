//! Package sets that Nix fetches into its store: channels and flakes. A revision is the name of the
//! store path, which contains a hash of the files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::{
    on_demand::{
        nix::programs::Programs,
        source::{channel, flake, place::Place, tag::unknown_tag},
    },
    pool::lock,
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Internal},
        Stop,
    },
};

/// Channels or flakes by their tags.
pub(crate) struct StoreSources {
    kind: Kind,
    tags: BTreeMap<String, String>,
    /// The folder of the links that keep the paths.
    roots: PathBuf,
    /// Paths by their revisions.
    known: Mutex<BTreeMap<String, PathBuf>>,
}

enum Kind {
    /// Channels below an address.
    Channels(String),
    Flakes,
}

impl StoreSources {
    pub(crate) fn channels(
        address: String,
        tags: BTreeMap<String, String>,
        state: PathBuf,
    ) -> Self {
        Self::new(Kind::Channels(address), tags, state)
    }

    pub(crate) fn flakes(tags: BTreeMap<String, String>, state: PathBuf) -> Self {
        Self::new(Kind::Flakes, tags, state)
    }

    fn new(kind: Kind, tags: BTreeMap<String, String>, state: PathBuf) -> Self {
        Self { kind, tags, roots: state.join("roots"), known: Mutex::default() }
    }

    pub(crate) fn revision(
        &self,
        programs: &Programs,
        tag: &str,
        stop: &Stop,
    ) -> Result<String, NamedImageError> {
        let Some(name) = self.tags.get(tag) else {
            let tags: Vec<&str> = self.tags.keys().map(String::as_str).collect();
            return Err(unknown_tag(tag, &format!("this registry has {}", tags.join(", "))));
        };
        let path = match &self.kind {
            Kind::Channels(address) => channel::fetch(programs, address, name, stop)?,
            Kind::Flakes => flake::fetch(programs, name, stop)?,
        };
        let revision = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let revision = revision.to_owned();
        self.keep(programs, &path, &revision, stop)?;
        lock(&self.known).insert(revision.clone(), path);
        Ok(revision)
    }

    pub(crate) fn place(
        &self,
        programs: &Programs,
        revision: &str,
        stop: &Stop,
    ) -> Result<Place, NamedImageError> {
        let known = || lock(&self.known).get(revision).filter(|path| path.exists()).cloned();
        let mut path = known().or_else(|| self.kept(revision));
        // After a restart, or if the path is gone, the source may still be the same.
        for tag in self.tags.keys() {
            if path.is_some() {
                break;
            }
            self.revision(programs, tag, stop)?;
            path = known();
        }
        let Some(path) = path else {
            let message = "the package set has changed, and its earlier state is gone: pull again";
            return Err(NamedImageError::new(Failed, message));
        };
        let Place::Folder(text) = Place::folder(path)? else { unreachable!("it is a folder") };
        Ok(match self.kind {
            Kind::Channels(_) => Place::Folder(text),
            Kind::Flakes => Place::Flake(text),
        })
    }

    /// Keeps a path until its link is removed.
    fn keep(
        &self,
        programs: &Programs,
        path: &Path,
        revision: &str,
        stop: &Stop,
    ) -> Result<(), NamedImageError> {
        let root = std::path::absolute(self.roots.join(revision)).and_then(|root| {
            fs::create_dir_all(&self.roots)?;
            Ok(root)
        });
        let root = root.map_err(|cause| {
            let message = "the registry cannot write its state: ask its operator";
            let detail = format!("{}: {cause}", self.roots.display());
            NamedImageError::new(Internal, message).detail(detail)
        })?;
        let mut command = programs.nix("nix-store");
        command.args(["--option", "max-jobs", "0", "--realise"]).arg(path);
        command.arg("--add-root").arg(root);
        let kept = programs.run(&mut command, "keeping the package set", stop);
        kept.map(|_| ()).map_err(|failure| {
            failure.because(|reason| format!("the package set cannot be kept: {reason}"))
        })
    }

    /// The path that an earlier process kept.
    fn kept(&self, revision: &str) -> Option<PathBuf> {
        let path = fs::read_link(self.roots.join(revision)).ok()?;
        (path.file_name()? == revision && path.exists()).then_some(path)
    }
}
