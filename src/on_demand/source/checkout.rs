//! The files of commits in folders of the state.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::registry::{NamedImageError, NamedImageErrorKind::Internal};

/// The number of folders that are kept. Each can have hundreds of megabytes.
const MOST: usize = 8;

/// Folders with the files of commits, below one folder.
pub(crate) struct Checkouts(PathBuf);

impl Checkouts {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder of a commit, if it is there.
    pub(crate) fn known(&self, commit: &str) -> Option<PathBuf> {
        // Every checkout has the same last name, because Nix can see it.
        let folder = self.0.join(commit).join("source");
        folder.exists().then_some(folder)
    }

    /// The folder of a commit. `write` writes its files into a new folder, and can use a file beside
    /// it. The folder gets its name when it is complete.
    pub(crate) fn get(
        &self,
        commit: &str,
        write: impl FnOnce(&Path, &Path) -> Result<(), NamedImageError>,
    ) -> Result<PathBuf, NamedImageError> {
        let internal = |cause: io::Error| {
            let message = "the registry cannot write its state: ask its operator";
            NamedImageError::new(Internal, message).detail(format!("{}: {cause}", self.0.display()))
        };
        if let Some(folder) = self.known(commit) {
            return Ok(folder);
        }
        fs::create_dir_all(&self.0).map_err(internal)?;
        let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.0);
        let scratch = scratch.map_err(internal)?;
        let new = scratch.path().join("commit");
        let source = new.join("source");
        fs::create_dir_all(&source).map_err(internal)?;
        write(&source, &scratch.path().join("index"))?;
        let place = self.0.join(commit);
        let moved = fs::rename(&new, &place);
        self.remove_old(&place);
        // If it cannot be moved, another process may have been faster.
        self.known(commit)
            .ok_or_else(|| internal(moved.err().unwrap_or_else(|| ErrorKind::NotFound.into())))
    }

    /// Removes the folders that were made first, if there are too many. An evaluation that still
    /// reads one of them fails, and its repetition makes the folder again.
    fn remove_old(&self, newest: &Path) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut folders: Vec<_> = entries
            .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .filter(|(_, path)| path != newest)
            .collect();
        folders.sort();
        let surplus = (folders.len() + 1).saturating_sub(MOST);
        for (_, path) in folders.into_iter().take(surplus) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::registry::NamedImageErrorKind::Failed;

    #[test]
    fn a_checkout_is_made_once_and_old_ones_are_removed() {
        let dir = TempDir::new().unwrap();
        let checkouts = Checkouts::new(dir.path().join("checkouts"));
        let write = |folder: &Path, _: &Path| {
            fs::write(folder.join("file"), "x").unwrap();
            Ok(())
        };
        let first = checkouts.get("0", write).unwrap();
        assert!(first.join("file").exists());
        assert_eq!(checkouts.get("0", |_, _| panic!("it is made already")).unwrap(), first);
        for commit in 1..20 {
            checkouts.get(&commit.to_string(), write).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path().join("checkouts")).unwrap().count(), MOST);
    }

    #[test]
    fn an_incomplete_checkout_leaves_nothing() {
        let dir = TempDir::new().unwrap();
        let checkouts = Checkouts::new(dir.path().to_owned());
        let failed = checkouts.get("0", |folder, _| {
            fs::write(folder.join("file"), "x").unwrap();
            Err(NamedImageError::new(Failed, "no"))
        });
        assert_eq!(failed.unwrap_err().kind, Failed);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
