//! Package sets in folders of this machine, which can change at any moment.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use crate::{
    basics::digest::Digest,
    on_demand::source::{place::Place, tag::unknown_tag, tree},
    pool::lock,
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Busy, Internal, Stopped},
        Stop,
    },
};

/// Folders by their tags.
///
/// A revision is the digest of the contents. It is computed again only if the file system says that
/// a file changed, and an evaluation is thrown away if a file changed meanwhile.
pub(crate) struct Folders {
    tags: BTreeMap<String, PathBuf>,
    /// What was found in each folder last.
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

#[derive(Clone)]
struct Known {
    stamp: Digest,
    revision: String,
}

impl Folders {
    pub(crate) fn new(tags: BTreeMap<String, PathBuf>) -> Self {
        Self { tags, known: Mutex::default() }
    }

    pub(crate) fn revision(&self, tag: &str, stop: &Stop) -> Result<String, NamedImageError> {
        let Some(folder) = self.tags.get(tag) else {
            let tags: Vec<&str> = self.tags.keys().map(String::as_str).collect();
            return Err(unknown_tag(tag, &format!("this registry has {}", tags.join(", "))));
        };
        self.look(folder, stop)
    }

    pub(crate) fn place(&self, revision: &str, stop: &Stop) -> Result<Place, NamedImageError> {
        for folder in self.tags.values() {
            if self.look(folder, stop)? == revision {
                let folder = folder.canonicalize().map_err(|cause| unreadable(folder, &cause))?;
                return Place::folder(folder);
            }
        }
        Err(changed())
    }

    /// Checks that the folder of this revision has not changed since it was found.
    pub(crate) fn check(&self, revision: &str, stop: &Stop) -> Result<(), NamedImageError> {
        let known = lock(&self.known).clone();
        for (folder, known) in known.into_iter().filter(|(_, known)| known.revision == revision) {
            if stamp(&folder, stop)? == known.stamp {
                return Ok(());
            }
        }
        Err(changed())
    }

    /// The revision of a folder now.
    fn look(&self, folder: &Path, stop: &Stop) -> Result<String, NamedImageError> {
        let stamp = stamp(folder, stop)?;
        if let Some(known) = lock(&self.known).get(folder)
            && known.stamp == stamp
        {
            return Ok(known.revision.clone());
        }
        let digest = tree::contents(folder, stop);
        let digest = digest.map_err(|cause| unreadable(folder, &cause))?.ok_or_else(stopped)?;
        let revision = digest.to_string();
        // A change after the stamp was taken is noticed, because the next stamp differs.
        let known = Known { stamp, revision: revision.clone() };
        lock(&self.known).insert(folder.to_owned(), known);
        Ok(revision)
    }
}

fn stamp(folder: &Path, stop: &Stop) -> Result<Digest, NamedImageError> {
    let stamp = tree::stamp(folder, stop).map_err(|cause| unreadable(folder, &cause))?;
    stamp.ok_or_else(stopped)
}

fn changed() -> NamedImageError {
    let message = "the package set has just changed: pull again";
    NamedImageError::new(Busy(Duration::from_secs(1)), message)
}

fn stopped() -> NamedImageError {
    NamedImageError::new(Stopped, "reading the package set was stopped")
}

fn unreadable(folder: &Path, cause: &io::Error) -> NamedImageError {
    let message = "the registry cannot read its package set: ask its operator";
    NamedImageError::new(Internal, message).detail(format!("{}: {cause}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::registry::NamedImageErrorKind::TagUnknown;

    #[test]
    fn a_change_gives_another_revision_and_is_noticed() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("default.nix");
        fs::write(&file, "{ }").unwrap();
        let stop = Stop::default();
        let folders = Folders::new([("latest".to_owned(), dir.path().to_owned())].into());
        let first = folders.revision("latest", &stop).unwrap();
        assert_eq!(folders.revision("latest", &stop).unwrap(), first);
        let place = folders.place(&first, &stop).unwrap();
        assert_eq!(place.text(), dir.path().canonicalize().unwrap().to_str().unwrap());
        folders.check(&first, &stop).unwrap();

        fs::write(&file, "{  }").unwrap();
        assert_eq!(folders.check(&first, &stop).unwrap_err().kind, Busy(Duration::from_secs(1)));
        let error = folders.place(&first, &stop).unwrap_err();
        assert_eq!(error.kind, Busy(Duration::from_secs(1)));
        let second = folders.revision("latest", &stop).unwrap();
        assert_ne!(first, second);
        // The contents decide, so that another replica has the same revision.
        fs::write(&file, "{ }").unwrap();
        assert_eq!(folders.revision("latest", &stop).unwrap(), first);
        assert_eq!(folders.revision("main", &stop).unwrap_err().kind, TagUnknown);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_the_registrys_fault_and_not_named() {
        let folders = Folders::new([("latest".to_owned(), "/nonexistent/x".into())].into());
        let error = folders.revision("latest", &Stop::default()).unwrap_err();
        assert_eq!(error.kind, Internal);
        assert!(!error.message.contains("nonexistent"), "{error}");
        assert!(error.detail.unwrap().contains("/nonexistent/x"));
    }
}
