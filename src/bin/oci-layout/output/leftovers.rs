//! The files of an output that this program writes, recognised by path and kind. Nothing else is
//! ever removed.

use std::{
    fs::{self, FileType},
    path::{Path, PathBuf},
};

use super::AGAIN;

/// The file of a claim. It has the prefix of the library's temporary files, so that garbage
/// collection removes it too.
pub(super) const CLAIM: &str = ".oci-layout-output";

/// The files of a layout, or of a folder between the steps.
const FILES: [&str; 6] = [
    "oci-layout",
    "index.json",
    "media-descriptor.json",
    "DiffID",
    "history.json",
    "platform.json",
];

/// The prefix of the library's temporary files.
const TEMPORARY: &str = ".oci-layout-";

/// The contents of an output folder.
#[derive(Default)]
pub(super) struct Leftovers {
    /// Files that this program may have written, except for the claim.
    pub(super) files: Vec<PathBuf>,
    /// Their folders, nested ones first.
    folders: Vec<PathBuf>,
    /// Files of other origin.
    pub(super) others: Vec<PathBuf>,
}

impl Leftovers {
    /// Lists a folder. Anything unreadable counts as of other origin.
    pub(super) fn of(dir: &Path) -> Self {
        let mut found = Self::default();
        found.look(dir, |name, kind| match name {
            CLAIM if kind.is_file() => Kind::Claim,
            AGAIN | "blobs" | "recipes" if kind.is_dir() => Kind::Folder,
            name if kind.is_file() && (FILES.contains(&name) || name.starts_with(TEMPORARY)) => {
                Kind::File
            }
            _ => Kind::Other,
        });
        found
    }

    fn look(&mut self, dir: &Path, kind_of: fn(&str, FileType) -> Kind) {
        let Ok(entries) = fs::read_dir(dir) else { return self.others.push(dir.to_owned()) };
        for entry in entries {
            let Ok(entry) = entry else { return self.others.push(dir.to_owned()) };
            let path = entry.path();
            let kind = match (entry.file_name().to_str(), entry.file_type()) {
                (Some(name), Ok(kind)) => kind_of(name, kind),
                _ => Kind::Other,
            };
            match kind {
                Kind::File => self.files.push(path),
                Kind::Claim => {}
                Kind::Other => self.others.push(path),
                Kind::Folder => {
                    match entry.file_name().to_str() {
                        Some(AGAIN) => {
                            let again = Self::of(&path);
                            self.files.extend(again.files);
                            self.folders.extend(again.folders);
                            self.others.extend(again.others);
                        }
                        Some("sha256") => self.look(&path, |name, kind| {
                            let hex = name.strip_suffix(".json").unwrap_or(name);
                            let is_digest =
                                hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
                            match kind.is_file() && (is_digest || name.starts_with(TEMPORARY)) {
                                true => Kind::File,
                                false => Kind::Other,
                            }
                        }),
                        _ => {
                            self.look(&path, |name, kind| match name == "sha256" && kind.is_dir() {
                                true => Kind::Folder,
                                false => Kind::Other,
                            })
                        }
                    }
                    self.folders.push(path);
                }
            }
        }
    }

    /// Removes as much as possible of what this program wrote.
    pub(super) fn remove(&self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

enum Kind {
    File,
    Folder,
    Claim,
    Other,
}
