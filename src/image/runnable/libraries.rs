//! Libraries of this machine for an image that lacks them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::image::runnable::elf::Elf;

/// The libraries that were found, by their path in the image and on this machine.
#[derive(Default)]
pub(crate) struct Libraries {
    found: BTreeMap<PathBuf, Elf>,
    dirs: Vec<PathBuf>,
}

impl Libraries {
    /// Looks in the folders of the system's loader.
    pub(crate) fn new() -> Self {
        let mut dirs = Vec::new();
        configured("/etc/ld.so.conf".as_ref(), 0, &mut dirs);
        Self { found: BTreeMap::new(), dirs }
    }

    /// Finds a library, or a loader by its path, for a file that needs it. Returns its path, and
    /// what it needs itself unless it was found before.
    pub(crate) fn find(&mut self, library: &str, user: &Elf) -> Option<(PathBuf, bool)> {
        let candidates: Vec<PathBuf> = match library.contains('/') {
            true => vec![library.into()],
            false => {
                let dirs = user.default_dirs().chain(self.dirs.iter().cloned());
                dirs.map(|dir| dir.join(library)).collect()
            }
        };
        for path in candidates {
            if self.found.contains_key(&path) {
                return Some((path, false));
            }
            let Some(elf) = File::open(&path).ok().and_then(Elf::read) else { continue };
            if elf.architecture == user.architecture {
                self.found.insert(path.clone(), elf);
                return Some((path, true));
            }
        }
        None
    }

    /// What a library that was found needs.
    pub(crate) fn elf(&self, path: &Path) -> Option<&Elf> {
        self.found.get(path)
    }

    /// The paths of all libraries, in order.
    pub(crate) fn into_paths(self) -> Vec<PathBuf> {
        self.found.into_keys().collect()
    }
}

/// Adds the folders of a file in the format of
/// [ld.so.conf](https://man7.org/linux/man-pages/man8/ldconfig.8.html).
fn configured(file: &Path, depth: usize, dirs: &mut Vec<PathBuf>) {
    const MOST_DEPTH: usize = 8;
    let Ok(text) = fs::read_to_string(file) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include ") {
            Some(glob) if depth < MOST_DEPTH => {
                included(glob.trim()).iter().for_each(|file| configured(file, depth + 1, dirs));
            }
            Some(_) => {}
            None if line.starts_with('/') => dirs.push(line.into()),
            None => {}
        }
    }
}

/// The files of an `include` line: systems use it only as `/etc/ld.so.conf.d/*.conf`.
fn included(glob: &str) -> Vec<PathBuf> {
    let Some((dir, "*.conf")) = glob.rsplit_once('/') else { return Vec::new() };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    files.sort();
    files
}
