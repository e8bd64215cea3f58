//! What of an output this program writes, told by its place and its kind: nothing else is ever removed.

use std::{
    fs::{self, FileType},
    path::{Path, PathBuf},
};

use super::AGAIN;

/// The file of a claim, named as the library names temporary files: collecting garbage removes it too.
pub(super) const CLAIM: &str = ".oci-layout-output";

/// The files that are in a layout or in a folder between the steps.
const FILES: [&str; 6] =
    ["oci-layout", "index.json", "media-descriptor.json", "DiffID", "history.json", "platform.json"];

/// What the names of the library's temporary files begin with.
const TEMPORARY: &str = ".oci-layout-";

/// What lies in the folder of an output.
#[derive(Default)]
pub(super) struct Leftovers {
    /// What may be this program's, but for the claim.
    pub(super) files: Vec<PathBuf>,
    /// Its folders, those within others first.
    folders: Vec<PathBuf>,
    /// What is somebody else's.
    pub(super) others: Vec<PathBuf>,
}

impl Leftovers {
    /// Looks at a folder. What cannot be read is somebody else's.
    pub(super) fn of(dir: &Path) -> Self {
        let mut found = Self::default();
        found.look(dir, |name, kind| match name {
            CLAIM if kind.is_file() => Kind::Claim,
            AGAIN | "blobs" | "recipes" if kind.is_dir() => Kind::Folder,
            name if kind.is_file() && (FILES.contains(&name) || name.starts_with(TEMPORARY)) => Kind::File,
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
                            let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
                            match kind.is_file() && (is_digest || name.starts_with(TEMPORARY)) {
                                true => Kind::File,
                                false => Kind::Other,
                            }
                        }),
                        _ => self.look(&path, |name, kind| match name == "sha256" && kind.is_dir() {
                            true => Kind::Folder,
                            false => Kind::Other,
                        }),
                    }
                    self.folders.push(path);
                }
            }
        }
    }

    /// Removes what can be removed of this program's.
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
