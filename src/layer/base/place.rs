//! Finds the final paths of files above the layers below.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use crate::{
    basics::{Digest, Error, Result, Warning},
    layer::base::stack::{Lookup, Lower, Stack},
    pool::Pool,
    recipe::{BaseDirectory, BaseEntry, BaseFiles, BaseIndex, Outside},
    tarfile::{LayerPath, LinkFault, follow},
};

/// Finds the final paths of a layer's files above a base.
///
/// If a parent directory is a symbolic link in the base, the file lands in the target of the link,
/// and the link stays. A path that a whiteout of the layer removes does not exist for its other
/// files.
#[derive(Debug)]
pub(crate) struct Places {
    stack: Stack,
    lookup: Lookup,
    /// Whether files may replace directories, and directories may replace files.
    replace: bool,
    /// The final paths of directories.
    directories: HashMap<LayerPath, LayerPath>,
    removed: BTreeSet<LayerPath>,
    emptied: BTreeSet<LayerPath>,
    /// The destinations of the mappings. A link to one of them is not broken.
    provided: BTreeSet<LayerPath>,
    /// The parts of the base on which the layer depends: directories, links and removed files.
    used: BTreeMap<LayerPath, BaseEntry>,
    /// The links through which destinations pass.
    followed: BTreeMap<LayerPath, Vec<u8>>,
}

/// A symbolic link of the base, and its target.
type Link = (LayerPath, Vec<u8>);

/// The kind of entry at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Directory,
    Symlink,
    /// Anything else without files below it.
    File,
}

/// The effect of a whiteout above a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It removes or empties something.
    Something,
    /// Another whiteout of the layer removes more.
    Covered,
    /// The base has nothing at that path.
    Nothing,
}

/// Why a link does not lead to a directory.
enum Fault {
    Broken,
    TooManyLinks,
    Escapes,
    /// It leads to a file, or passes through one.
    File,
}

impl From<LinkFault> for Fault {
    fn from(fault: LinkFault) -> Self {
        match fault {
            LinkFault::TooMany => Self::TooManyLinks,
            LinkFault::Escapes | LinkFault::Outside(_) => Self::Escapes,
            // No file has a name that a layer cannot contain.
            LinkFault::Name(_) => Self::Broken,
        }
    }
}

impl Places {
    pub(crate) fn new(
        base: &BaseFiles,
        replace: bool,
        provided: BTreeSet<LayerPath>,
        pool: &Pool,
    ) -> Result<Self> {
        Ok(Self {
            stack: base.stack(pool)?,
            lookup: Lookup::default(),
            replace,
            directories: HashMap::new(),
            removed: BTreeSet::new(),
            emptied: BTreeSet::new(),
            provided,
            used: BTreeMap::new(),
            followed: BTreeMap::new(),
        })
    }

    /// The warnings about layers of the base with entries outside of the image.
    pub(crate) fn warnings(&self, layers: &[Digest]) -> Vec<Warning> {
        let topmost_first = layers.iter().rev().zip(self.stack.indexes());
        let outside = topmost_first.filter_map(|(layer, index)| Some((*layer, index.outside()?)));
        outside
            .map(|(layer, Outside { first, count })| {
                let path = String::from_utf8_lossy(first).into_owned();
                Warning::BaseOutside { layer, path, count: *count }
            })
            .collect()
    }

    /// The final path of an entry.
    ///
    /// # Errors
    ///
    /// [`Error::BaseLink`] for a broken link in the path. [`Error::BaseConflict`] for a file that
    /// would replace a directory, or a directory that would replace a file, unless that is allowed.
    pub(crate) fn of(
        &mut self,
        path: &LayerPath,
        shape: Shape,
        source: &dyn Fn() -> String,
    ) -> Result<LayerPath> {
        let whole = |error| match error {
            Error::BaseLink { link, target, reason, .. } => {
                Error::BaseLink { destination: path.to_path(), link, target, reason }
            }
            Error::BaseConflict { destination, base, .. } => {
                Error::BaseConflict { destination, base, source_name: source() }
            }
            other => other,
        };
        if shape == Shape::Directory || path.is_root() {
            return self.directory(path).map_err(whole);
        }
        let place = path.moved_to(&self.directory(&path.parent()).map_err(whole)?);
        let is_directory = match self.find(&place) {
            Some(Lower::Directory(_)) => true,
            // A link replaces a link, whatever its target is.
            Some(Lower::Symlink(_)) if shape == Shape::File => self.follow(&place).is_ok(),
            _ => false,
        };
        match is_directory && !self.replace {
            true => Err(Error::BaseConflict {
                destination: path.to_path(),
                base: "directory",
                source_name: source(),
            }),
            false => Ok(place),
        }
    }

    /// The final path of a whiteout.
    pub(crate) fn of_whiteout(&mut self, whiteout: &LayerPath) -> Result<LayerPath> {
        let parent = self.directory(&whiteout.parent()).map_err(|error| match error {
            Error::BaseConflict { destination, base, .. } => {
                Error::BaseConflict { destination, base, source_name: "a whiteout".to_owned() }
            }
            other => other,
        })?;
        Ok(whiteout.moved_to(&parent))
    }

    /// The effect of a whiteout at this path. A whiteout without effect gets no entry, because the
    /// entry would add its parent directories again.
    pub(crate) fn removal(&mut self, whiteout: &LayerPath) -> Removal {
        let directory = whiteout.parent();
        if self.is_hidden(&directory) {
            return Removal::Covered;
        }
        // An opaque whiteout creates its directory if necessary.
        let Some(removed) = whiteout.removed() else { return Removal::Something };
        if self.emptied.contains(&directory) {
            return Removal::Covered;
        }
        match self.find_hidden(&removed) {
            None => Removal::Nothing,
            Some(found) => {
                if found == Lower::File {
                    self.used.insert(removed, BaseEntry::File);
                }
                Removal::Something
            }
        }
    }

    /// Hides the paths that a whiteout removes. They do not exist for other files any more.
    pub(crate) fn hide(&mut self, whiteout: &LayerPath) {
        let is_new = match whiteout.removed() {
            Some(removed) => self.removed.insert(removed),
            None => self.emptied.insert(whiteout.parent()),
        };
        if is_new {
            self.directories.clear();
        }
    }

    /// The final path of a directory after resolving links.
    fn directory(&mut self, path: &LayerPath) -> Result<LayerPath> {
        if path.is_root() {
            return Ok(path.clone());
        }
        if let Some(place) = self.directories.get(path) {
            return Ok(place.clone());
        }
        let mut place = path.moved_to(&self.directory(&path.parent())?);
        match self.find(&place) {
            None | Some(Lower::Directory(_)) => {}
            Some(Lower::Symlink(target)) => match self.follow(&place) {
                Ok((directory, links)) => {
                    self.followed.extend(links);
                    place = directory;
                }
                Err(_) if self.replace => {}
                Err(fault) => return Err(link_error(path, &place, &target, &fault)),
            },
            Some(Lower::File) if self.replace => {}
            Some(Lower::File) => {
                return Err(Error::BaseConflict {
                    destination: path.to_path(),
                    base: "file",
                    source_name: String::new(),
                });
            }
        }
        self.directories.insert(path.clone(), place.clone());
        Ok(place)
    }

    /// The directory to which a link of the base leads, and all links in the path, starting with
    /// this one, with their targets. Absolute targets start at the root of the image.
    fn follow(&mut self, link: &LayerPath) -> Result<(LayerPath, Vec<Link>), Fault> {
        let mut links = Vec::new();
        let target_of = |path: &LayerPath| match self.find(path) {
            Some(Lower::Directory(_)) => Ok(None),
            Some(Lower::Symlink(target)) => {
                links.push((path.clone(), target.clone()));
                Ok(Some(target))
            }
            Some(Lower::File) => Err(Fault::File),
            None if self.is_provided(path) => Ok(None),
            None => Err(Fault::Broken),
        };
        let directory = follow(link, &LayerPath::root(), target_of)?;
        Ok((directory, links))
    }

    fn is_provided(&self, directory: &LayerPath) -> bool {
        self.provided
            .range(directory..)
            .next()
            .is_some_and(|path| path == directory || path.is_below(directory))
    }

    /// The base's entry at this path, unless the layer removes it.
    pub(crate) fn find(&mut self, place: &LayerPath) -> Option<Lower> {
        if self.is_hidden(place) { None } else { self.find_hidden(place) }
    }

    /// The base's entry at this path, even if the layer removes it.
    fn find_hidden(&mut self, place: &LayerPath) -> Option<Lower> {
        let found = self.lookup.find(&self.stack, place)?;
        self.record(place, &found);
        Some(found)
    }

    /// Whether the layer removes the entry at this path.
    fn is_hidden(&self, place: &LayerPath) -> bool {
        if self.removed.is_empty() && self.emptied.is_empty() || place.is_root() {
            return false;
        }
        let is_removed =
            |path: &LayerPath| self.removed.contains(path) || self.emptied.contains(&path.parent());
        is_removed(place) || place.ancestors().any(|path| is_removed(&path))
    }

    /// Records a directory or link on which the layer depends.
    fn record(&mut self, place: &LayerPath, found: &Lower) {
        let used = match found {
            Lower::Directory(Some(attributes)) => Some(BaseEntry::Directory(attributes.clone())),
            Lower::Directory(None) => Some(BaseEntry::ImpliedDirectory),
            Lower::Symlink(target) => Some(BaseEntry::Symlink(target.clone())),
            Lower::File => None,
        };
        if let Some(used) = used
            && !self.used.contains_key(place)
        {
            self.used.insert(place.clone(), used);
        }
    }

    /// Whether the base has an entry at this path, even if the layer removes it.
    pub(crate) fn has(&mut self, place: &LayerPath) -> bool {
        self.find_hidden(place).is_some()
    }

    /// Whether the base has a directory at this path, even if the layer removes it.
    pub(crate) fn has_directory(&mut self, place: &LayerPath) -> bool {
        matches!(self.find_hidden(place), Some(Lower::Directory(_)))
    }

    /// The attributes of the base's directory at this path.
    pub(crate) fn attributes(&mut self, place: &LayerPath) -> Option<BaseDirectory> {
        match self.find(place) {
            Some(Lower::Directory(attributes)) => attributes,
            _ => None,
        }
    }

    /// The links through which destinations pass, with their targets.
    pub(crate) fn followed(&self) -> impl Iterator<Item = (&LayerPath, &[u8])> {
        self.followed.iter().map(|(link, target)| (link, &target[..]))
    }

    /// Everything on which the layer depends, for its recipe.
    pub(crate) fn into_used(self) -> BaseIndex {
        BaseIndex::from_entries(self.used)
    }
}

fn link_error(path: &LayerPath, link: &LayerPath, target: &[u8], fault: &Fault) -> Error {
    let reason = match fault {
        Fault::Broken => "leads to nothing",
        Fault::TooManyLinks => "leads in a circle, or through more than 40 links",
        Fault::Escapes => "leads out of the image",
        Fault::File => "leads to a file",
    };
    Error::BaseLink {
        destination: path.to_path(),
        link: link.to_path(),
        target: PathBuf::from(OsStr::from_bytes(target)),
        reason,
    }
}
