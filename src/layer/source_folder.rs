//! Source folders: finds files in them and reads their metadata.

use std::{
    ffi::OsStr,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, open, stat, statat};
use walkdir::{DirEntry, IntoIter, WalkDir};

use crate::{
    basics::{Error, Result},
    layer::{
        attributes::Found,
        entry::{Content, Kind, SourceFile},
        glob::Wanted,
        own_store::OwnStore,
        warnings::Noticed,
    },
    recipe::{FileMapping, LayerOptions},
    tarfile::{LayerPath, xattrs},
};

/// A source folder.
#[derive(Clone)]
pub(crate) struct Folder<'a> {
    pub(crate) source: &'a Path,
    pub(crate) mapping: &'a FileMapping,
    /// The index of the mapping.
    pub(crate) index: usize,
    /// The path of its contents in the layer.
    pub(crate) place: LayerPath,
    /// The output folders, which must not be in it.
    pub(crate) own_store: Arc<OwnStore>,
    pub(crate) noticed: Arc<Noticed>,
}

/// Finds the files that a mapping includes from a folder, in the order of the layer. It finds them
/// in parts, so that other threads can inspect one part while the next is found.
pub(crate) struct Walk<'a> {
    pub(crate) folder: Folder<'a>,
    walk: IntoIter,
    wanted: Wanted,
    /// Parent folders of the current one that are only included if one of their files is.
    pending: Vec<DirEntry>,
    /// The depth of the folder that is included completely.
    taken: Option<usize>,
    /// Whether something could not be read, in which case later files do not matter.
    failed: bool,
    /// The error, which follows the files that were found before it.
    error: Option<Error>,
}

/// The number of files in a part.
const PART: usize = 256;

impl<'a> Walk<'a> {
    /// # Errors
    ///
    /// [`Error::Glob`] for an invalid glob. [`Error::Invalid`] if the layer would be stored in the
    /// part of the folder that it includes.
    pub(crate) fn new(folder: Folder<'a>, options: &LayerOptions, stat: &Stat) -> Result<Self> {
        let wanted = Wanted::new(folder.mapping, options)?;
        let takes = |path: &Path| !path.as_os_str().is_empty() && wanted.takes(path);
        if folder.own_store.in_folder(stat).any(|path| takes(path) || takes(&path.join("blobs"))) {
            return Err(holds_itself(folder.source));
        }
        let taken = wanted.include.is_empty().then_some(0);
        // Only names in the same folder are compared. Comparing whole paths is faster than finding
        // the name in each.
        let walk = WalkDir::new(folder.source)
            .sort_by(|a, b| a.path().as_os_str().cmp(b.path().as_os_str()))
            .into_iter();
        Ok(Self { folder, walk, wanted, pending: Vec::new(), taken, failed: false, error: None })
    }

    /// The next files, with folders before their contents. Empty at the end.
    fn part(&mut self) -> Vec<DirEntry> {
        let Wanted { include, exclude } = &self.wanted;
        let mut part = Vec::new();
        while part.len() < PART
            && !self.failed
            && let Some(next) = self.walk.next()
        {
            let found = match next {
                Ok(found) => found,
                Err(error) => {
                    (self.failed, self.error) = (true, Some(walk_error(self.folder.source, error)));
                    break;
                }
            };
            let relative = below(self.folder.source, &found);
            let depth = found.depth();
            self.pending.retain(|above| above.depth() < depth);
            self.taken = self.taken.filter(|&above| above == 0 || above < depth);
            let is_dir = found.file_type().is_dir() || depth == 0;
            if depth > 0 && exclude.excludes(relative) {
                if is_dir && exclude.takes_back_below(relative) {
                    self.pending.push(found);
                } else if is_dir {
                    exclude.pass_over(relative);
                    self.walk.skip_current_dir();
                }
                continue;
            }
            let asks =
                depth > 0 && !include.is_empty() && (self.taken.is_none() || include.is_learning());
            if asks && include.is_match(relative) && self.taken.is_none() {
                self.taken = is_dir.then_some(depth);
            } else if self.taken.is_none() && !is_dir {
                continue;
            }
            if is_dir && self.taken.is_none() {
                self.pending.push(found);
                continue;
            }
            part.append(&mut self.pending);
            part.push(found);
        }
        part
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Vec<DirEntry>>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.part();
        if !part.is_empty() {
            return Some(Ok(part));
        }
        if !self.failed {
            // Later calls find the end again.
            self.failed = true;
            self.folder.noticed.wanted(self.folder.index, self.folder.source, &self.wanted);
        }
        self.error.take().map(Err)
    }
}

/// Inspects the files that a walk found.
pub(crate) struct Looking<'a> {
    folder: &'a Folder<'a>,
    /// The folder of the previous file. Looking up a name by the handle of its folder is faster
    /// than by a long path.
    parent: Option<(PathBuf, OwnedFd)>,
}

impl<'a> Looking<'a> {
    pub(crate) fn new(folder: &'a Folder<'a>) -> Self {
        Self { folder, parent: None }
    }

    /// The path of a file in the layer, its kind and its attributes.
    pub(crate) fn at(&mut self, found: DirEntry) -> Result<(LayerPath, Kind, Found)> {
        let refuse = |reason| Error::Destination { destination: found.path().into(), reason };
        let Folder { source, mapping, index, place, own_store, noticed } = self.folder;
        let path = place.join_all(below(source, &found)).map_err(refuse)?;
        let is_source = found.depth() == 0;
        let stat =
            if is_source { stat(*source).map_err(io::Error::from) } else { self.stat(&found) };
        let stat = stat.map_err(|cause| Error::source(found.path(), cause))?;
        let (now, then) = (FileType::from_raw_mode(stat.st_mode), found.file_type());
        // Only folders were entered. The source itself may be a link to a folder.
        let then = (is_source || then.is_dir(), !is_source && then.is_symlink());
        if (now.is_dir(), now.is_symlink()) != then {
            return Err(Error::SourceChanged { path: found.into_path(), change: "changed" });
        }
        // Because of mounts, an output folder may be here although no ancestor of it is an ancestor
        // of this one.
        if now.is_dir() && !is_source && own_store.is(&stat) {
            return Err(holds_itself(found.path()));
        }
        let mut attributes = Found::in_folder(found.path(), &stat, mapping, is_source)?;
        if let Some(mark) = xattrs::without_the_machine(&mut attributes.xattrs) {
            noticed.overlay_mark(*index, found.path(), mark);
        }
        if now.is_file() {
            noticed.file(*index, source, found.path(), &stat);
            noticed.mode(mapping, found.path(), &path, attributes.mode);
        }
        Ok((path, kind(found.into_path(), &stat)?, attributes))
    }

    fn stat(&mut self, found: &DirEntry) -> io::Result<Stat> {
        let parent = found.path().parent().unwrap_or(Path::new("/"));
        let parent = match &mut self.parent {
            Some((path, folder)) if path == parent => folder,
            other => {
                // The file may have been replaced by a FIFO, and opening that would wait.
                let folder = open(parent, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
                &mut other.insert((parent.to_owned(), folder)).1
            }
        };
        Ok(statat(parent, found.file_name(), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// The kind of the file at this path.
pub(crate) fn kind(path: PathBuf, stat: &Stat) -> Result<Kind> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => return Ok(Kind::Directory),
        FileType::RegularFile => {
            return Ok(Kind::File(Content::File(SourceFile::new(path, stat).into())));
        }
        FileType::Symlink => {
            let target = fs::read_link(&path).map_err(|cause| Error::source(&path, cause))?;
            return Ok(Kind::Symlink(target.into_os_string().into_vec()));
        }
        FileType::Socket => "socket",
        FileType::Fifo => "fifo",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Unknown => "file of an unknown type",
    };
    Err(Error::SourceKind { path, kind })
}

fn holds_itself(source: &Path) -> Error {
    Error::SourceHoldsOutput { path: source.to_owned() }
}

/// The path of a file relative to the source, which is a prefix of it.
fn below<'a>(source: &Path, found: &'a DirEntry) -> &'a Path {
    let rest = &found.path().as_os_str().as_bytes()[source.as_os_str().len()..];
    Path::new(OsStr::from_bytes(rest.strip_prefix(b"/").unwrap_or(rest)))
}

fn walk_error(source: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(source).to_owned();
    let cause = error
        .into_io_error()
        .unwrap_or_else(|| io::Error::other("a symbolic link leads to a parent folder"));
    Error::source(path, cause)
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::fs::symlink};

    use super::*;

    /// The names of the files that are refused because they changed after they were found.
    fn changed(source: &Path, change: impl FnOnce()) -> Vec<OsString> {
        let mapping = FileMapping::new(source, "/");
        let (place, own_store, noticed) = (LayerPath::root(), Arc::default(), Arc::default());
        let folder = Folder { source, mapping: &mapping, index: 0, place, own_store, noticed };
        let walk =
            Walk::new(folder.clone(), &LayerOptions::default(), &stat(source).unwrap()).unwrap();
        let found = walk.collect::<Result<Vec<_>>>().unwrap().concat();
        change();
        let mut looking = Looking::new(&folder);
        let looks = found.into_iter().map(|found| looking.at(found));
        let mut changed: Vec<_> = looks
            .filter_map(|look| match look {
                Err(Error::SourceChanged { path, .. }) => path.file_name().map(OsStr::to_owned),
                _ => None,
            })
            .collect();
        changed.sort();
        changed
    }

    #[test]
    fn a_source_whose_type_changes_after_listing_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        for name in ["file", "other", "folder/inside"] {
            fs::write(at(name), "").unwrap();
        }
        let change = || {
            fs::remove_file(at("file")).unwrap();
            fs::create_dir(at("file")).unwrap();
            fs::rename(at("folder"), at("elsewhere")).unwrap();
            symlink("elsewhere", at("folder")).unwrap();
        };
        assert_eq!(changed(dir.path(), change), ["file", "folder"]);
    }

    #[test]
    fn a_source_is_a_folder_or_a_link_to_one_or_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        let (folder, link) = (dir.path().join("folder"), dir.path().join("link"));
        fs::create_dir(&folder).unwrap();
        symlink("folder", &link).unwrap();
        assert_eq!(changed(&link, || ()), [""; 0]);
        let change = || {
            fs::remove_dir(&folder).unwrap();
            fs::write(&folder, "").unwrap();
        };
        assert_eq!(changed(&folder, change), ["folder"]);
    }
}
