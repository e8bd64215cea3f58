//! What could not be unpacked.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::{basics::printable::Printable, pool::lock};

/// Something that [`unpack`](crate::rootfs::unpack) left out, for one reason. Displayed, it is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Skipped {
    /// The first path that it happened to.
    pub path: PathBuf,
    /// How many paths it happened to.
    pub count: u64,
    /// What happened, in words that follow the path.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.path, Printable(&self.reason))?;
        match self.count {
            1 => Ok(()),
            count => write!(f, " (and {} more)", count - 1),
        }
    }
}

/// Collects what is left out: for each reason its first path, and at most this many reasons.
#[derive(Debug, Default)]
pub(crate) struct SkippedList(Mutex<BTreeMap<String, (PathBuf, u64)>>);

const MAX_REASONS: usize = 1000;

impl SkippedList {
    pub(crate) fn add(&self, path: &Path, reason: String) {
        let mut all = lock(&self.0);
        if all.len() >= MAX_REASONS && !all.contains_key(&reason) {
            return;
        }
        all.entry(reason).or_insert_with(|| (path.to_owned(), 0)).1 += 1;
    }

    pub(crate) fn into_list(self) -> Vec<Skipped> {
        let all = std::mem::take(&mut *lock(&self.0));
        let list = all.into_iter();
        list.map(|(reason, (path, count))| Skipped { path, count, reason }).collect()
    }
}
