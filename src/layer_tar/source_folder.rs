//! A source that is a folder: what is in it, found and looked at.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Stat, stat, statat};
use walkdir::{DirEntry, IntoIter, WalkDir};

use crate::{
    error::{Error, Result},
    layer_tar::{
        attributes::Found,
        entry::{Content, Kind, SourceFile},
        glob::Globs,
        mapping::FileMapping,
        path::LayerPath,
    },
};

/// What a mapping takes of a folder, found in parts, so that others can look at one while the next is found.
pub(crate) struct Walk<'a> {
    source: &'a Path,
    walk: IntoIter,
    include: Globs,
    exclude: Globs,
    /// Folders on the way to the current one that are in the layer only if something in them is.
    pending: Vec<DirEntry>,
    /// The depth of the folder all of which is taken.
    taken: Option<usize>,
}

/// How many entries are found before somebody looks at them.
const PART: usize = 256;

impl<'a> Walk<'a> {
    pub(crate) fn new(source: &'a Path, mapping: &FileMapping) -> Result<Self> {
        let (include, exclude) = (Globs::new(&mapping.include)?, Globs::new(&mapping.exclude)?);
        let taken = include.is_empty().then_some(0);
        Ok(Self { source, walk: WalkDir::new(source).into_iter(), include, exclude, pending: Vec::new(), taken })
    }

    /// The next entries, a folder before what is in it; nothing at the end.
    fn part(&mut self) -> Result<Vec<DirEntry>> {
        let mut chosen = Vec::new();
        while chosen.len() < PART
            && let Some(next) = self.walk.next()
        {
            let found = next.map_err(|error| walk_error(self.source, error))?;
            let relative = below(self.source, &found);
            let depth = found.depth();
            self.pending.retain(|above| above.depth() < depth);
            self.taken = self.taken.filter(|&above| above == 0 || above < depth);
            let is_dir = found.file_type().is_dir() || depth == 0;
            if depth > 0 && self.exclude.is_match(relative) {
                if is_dir {
                    self.walk.skip_current_dir();
                }
                continue;
            }
            if self.taken.is_none() && depth > 0 && self.include.is_match(relative) && !self.include.is_empty() {
                self.taken = is_dir.then_some(depth);
            } else if self.taken.is_none() && !is_dir {
                continue;
            }
            if is_dir && self.taken.is_none() {
                self.pending.push(found);
                continue;
            }
            chosen.append(&mut self.pending);
            chosen.push(found);
        }
        Ok(chosen)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Vec<DirEntry>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.part().map(|part| Some(part).filter(|part| !part.is_empty())).transpose()
    }
}

/// Looks at what a walk found.
pub(crate) struct Looking<'a> {
    source: &'a Path,
    mapping: &'a FileMapping,
    /// Where the source comes to be.
    path: &'a LayerPath,
    /// The folder that the entry before was in. Its handle and a name need less of the system than a long path.
    parent: Option<(PathBuf, File)>,
}

impl<'a> Looking<'a> {
    pub(crate) fn new(source: &'a Path, mapping: &'a FileMapping, path: &'a LayerPath) -> Self {
        Self { source, mapping, path, parent: None }
    }

    /// Where this comes to be, and what it is.
    pub(crate) fn at(&mut self, found: &DirEntry) -> Result<(LayerPath, Kind, Found)> {
        let refuse = |reason| Error::Destination { destination: found.path().into(), reason };
        let path = self.path.join_all(below(self.source, found)).map_err(refuse)?;
        let is_source = found.depth() == 0;
        let stat = if is_source { stat(self.source).map_err(io::Error::from) } else { self.stat(found) };
        let stat = stat.map_err(|cause| Error::source(found.path(), cause))?;
        let kind = kind(found.path(), &stat)?;
        Ok((path, kind, Found::in_folder(found.path(), &stat, self.mapping, is_source)?))
    }

    fn stat(&mut self, found: &DirEntry) -> io::Result<Stat> {
        let parent = found.path().parent().unwrap_or(Path::new("/"));
        let parent = match &mut self.parent {
            Some((path, folder)) if path == parent => folder,
            other => &mut other.insert((parent.to_owned(), File::open(parent)?)).1,
        };
        Ok(statat(parent, found.file_name(), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// What lies at this path.
pub(crate) fn kind(path: &Path, stat: &Stat) -> Result<Kind> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => return Ok(Kind::Directory),
        FileType::RegularFile => return Ok(Kind::File(Content::File(SourceFile::new(path.to_owned(), stat)))),
        FileType::Symlink => {
            let target = fs::read_link(path).map_err(|cause| Error::source(path, cause))?;
            return Ok(Kind::Symlink(target.into_os_string().into_vec()));
        }
        FileType::Socket => "socket",
        FileType::Fifo => "fifo",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Unknown => "file of an unknown kind",
    };
    Err(Error::SourceKind { path: path.to_owned(), kind })
}

/// The path of something found, as seen from the source, by whose path it begins.
fn below<'a>(source: &Path, found: &'a DirEntry) -> &'a Path {
    let rest = &found.path().as_os_str().as_bytes()[source.as_os_str().len()..];
    Path::new(OsStr::from_bytes(rest.strip_prefix(b"/").unwrap_or(rest)))
}

fn walk_error(source: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(source).to_owned();
    let cause = error.into_io_error().unwrap_or_else(|| io::Error::other("a link leads back to a folder above it"));
    Error::source(path, cause)
}
