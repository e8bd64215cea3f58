//! Where package sets come from, and what a tag means for each kind of source.
//!
//! | source | tag `latest` | other tags | revision |
//! |---|---|---|---|
//! | `path:DIR` | the folder | those in [`SourceOptions::tags`], which are folders | the digest of the folder's contents |
//! | `git:URL` | the branch of the repository's `HEAD` | those in [`SourceOptions::tags`], which are branches; branches; tags; commits that an allowed branch contains | the commit |
//! | `channel:NAME` | the channel | those in [`SourceOptions::tags`], which are channels | the store path of the channel's expressions |
//! | `flake:REF` | the flake | those in [`SourceOptions::tags`], which are references | the store path of the flake |
//!
//! What a tag means is remembered for some minutes, so that a client that asks twice gets one
//! answer. Exception: a folder, whose earlier state cannot be read.

pub(crate) mod channel;
pub(crate) mod checkout;
pub(crate) mod flake;
pub(crate) mod git;
pub(crate) mod kind;
pub(crate) mod path;
pub(crate) mod place;
pub(crate) mod store_source;
pub(crate) mod tag;
pub(crate) mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, TryLockError},
    time::{Duration, Instant},
};

use crate::{
    on_demand::{
        nix::programs::Programs,
        source::{git::Git, path::Folders, place::Place, store_source::StoreSources, tag::LATEST},
    },
    pool::lock,
    registry::{NamedImageError, NamedImageErrorKind::Stopped, Stop},
};

pub use crate::on_demand::source::kind::SourceKind;

/// The number of tags that are remembered.
const MOST_TAGS: usize = 1000;

/// What tags of a source mean.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Folders, branches, channels or flakes by their tags.
    pub tags: BTreeMap<String, String>,
    /// The branches of a git repository that may be used. Without any, all may be. Tags of the
    /// repository may always be used.
    pub branches: Vec<String>,
    /// For how long the revision of a tag is remembered.
    pub remember: Duration,
    /// The address below which channels are.
    pub channels: String,
}

/// No tags but `latest` and those of a repository, each remembered for two minutes.
impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            tags: BTreeMap::new(),
            branches: Vec::new(),
            remember: Duration::from_secs(120),
            channels: "https://channels.nixos.org".to_owned(),
        }
    }
}

/// A source, and what is known of its tags.
pub(crate) struct Source {
    places: Places,
    options: SourceOptions,
    remembered: Mutex<BTreeMap<String, (String, Instant)>>,
    /// Only one thread at a time asks the source.
    turn: Mutex<()>,
}

enum Places {
    Folders(Folders),
    Git(Git),
    Store(StoreSources),
}

impl Source {
    /// A source that keeps its clones and links in the folder `state`.
    pub(crate) fn new(kind: &SourceKind, options: SourceOptions, state: &Path) -> Self {
        let state = state.join("sources");
        let mut tags = options.tags.clone();
        let places = match kind {
            SourceKind::Path(folder) => {
                let mut folders: BTreeMap<String, PathBuf> =
                    tags.into_iter().map(|(tag, folder)| (tag, folder.into())).collect();
                folders.entry(LATEST.to_owned()).or_insert_with(|| folder.clone());
                Places::Folders(Folders::new(folders))
            }
            SourceKind::Git(url) => {
                Places::Git(Git::new(url.clone(), tags, options.branches.clone(), state))
            }
            SourceKind::Channel(name) => {
                tags.entry(LATEST.to_owned()).or_insert_with(|| name.clone());
                let channels = options.channels.clone();
                Places::Store(StoreSources::channels(channels, tags, state))
            }
            SourceKind::Flake(reference) => {
                tags.entry(LATEST.to_owned()).or_insert_with(|| reference.clone());
                Places::Store(StoreSources::flakes(tags, state))
            }
        };
        Self { places, options, remembered: Mutex::default(), turn: Mutex::default() }
    }

    /// As [`PackageSource::tags`](crate::on_demand::PackageSource::tags).
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags: BTreeSet<String> = self.options.tags.keys().cloned().collect();
        tags.insert(LATEST.to_owned());
        if let Places::Git(git) = &self.places {
            tags.extend(git.known_tags());
        }
        tags.into_iter().collect()
    }

    /// As [`PackageSource::revision`](crate::on_demand::PackageSource::revision).
    pub(crate) fn revision(
        &self,
        programs: &Programs,
        tag: &str,
        stop: &Stop,
    ) -> Result<String, NamedImageError> {
        if let Some(revision) = self.remembered(tag) {
            return Ok(revision);
        }
        let _turn = self.turn(stop)?;
        // Another thread may have asked meanwhile.
        if let Some(revision) = self.remembered(tag) {
            return Ok(revision);
        }
        let revision = match &self.places {
            // The earlier state of a folder cannot be read, so that it is not worth remembering.
            Places::Folders(folders) => return folders.revision(tag, stop),
            Places::Git(git) => git.revision(programs, tag, self.options.remember, stop)?,
            Places::Store(sources) => sources.revision(programs, tag, stop)?,
        };
        let mut remembered = lock(&self.remembered);
        remembered.retain(|_, (_, since)| since.elapsed() < self.options.remember);
        if remembered.len() < MOST_TAGS {
            remembered.insert(tag.to_owned(), (revision.clone(), Instant::now()));
        }
        Ok(revision)
    }

    /// The place of a revision, where Nix can read it.
    pub(crate) fn place(
        &self,
        programs: &Programs,
        revision: &str,
        stop: &Stop,
    ) -> Result<Place, NamedImageError> {
        // A fetch can take minutes, which a known commit does not wait for.
        if let Places::Git(git) = &self.places
            && let Some(place) = git.known_place(revision)
        {
            return Ok(place);
        }
        let _turn = self.turn(stop)?;
        match &self.places {
            Places::Folders(folders) => folders.place(revision, stop),
            Places::Git(git) => git.place(programs, revision, stop),
            Places::Store(sources) => sources.place(programs, revision, stop),
        }
    }

    /// Checks that the place of a revision has not changed since [`place`](Self::place) returned it.
    pub(crate) fn check(&self, revision: &str, stop: &Stop) -> Result<(), NamedImageError> {
        match &self.places {
            Places::Folders(folders) => folders.check(revision, stop),
            Places::Git(_) | Places::Store(_) => Ok(()),
        }
    }

    fn remembered(&self, tag: &str) -> Option<String> {
        let remembered = lock(&self.remembered);
        let (revision, since) = remembered.get(tag)?;
        (since.elapsed() < self.options.remember).then(|| revision.clone())
    }

    /// Waits until no other thread asks the source.
    fn turn(&self, stop: &Stop) -> Result<MutexGuard<'_, ()>, NamedImageError> {
        loop {
            match self.turn.try_lock() {
                Ok(turn) => return Ok(turn),
                Err(TryLockError::Poisoned(turn)) => return Ok(turn.into_inner()),
                Err(TryLockError::WouldBlock) if stop.wait(Duration::from_millis(10)) => {
                    let message = "the source of the packages was not asked, because of a stop";
                    return Err(NamedImageError::new(Stopped, message));
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
    }
}
