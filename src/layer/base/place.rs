//! Where the files of a layer land, given what the layers below hold.

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

/// Finds the places of a layer's files above a base.
///
/// Directories on the way to a file are followed where they are symbolic links in the base, and the
/// links stay. What the layer removes by a whiteout is not there for its other files.
#[derive(Debug)]
pub(crate) struct Places {
    stack: Stack,
    lookup: Lookup,
    /// Whether files may take the place of directories, and directories that of files.
    replace: bool,
    /// The places of directories that were resolved.
    directories: HashMap<LayerPath, LayerPath>,
    removed: BTreeSet<LayerPath>,
    emptied: BTreeSet<LayerPath>,
    /// Where the mappings put something: a link that leads there is not broken.
    provided: BTreeSet<LayerPath>,
    /// What the layer depends on: the directories and links that were found, as the base has them,
    /// and removed files.
    used: BTreeMap<LayerPath, BaseEntry>,
    /// The links that destinations go through.
    followed: BTreeMap<LayerPath, Vec<u8>>,
}

/// A symbolic link of the base, and its target.
type Link = (LayerPath, Vec<u8>);

/// What is put at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Directory,
    Symlink,
    /// Anything else with no files below it.
    File,
}

/// What a whiteout does above a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It removes or empties something.
    Something,
    /// Another whiteout of the layer removes more.
    Covered,
    /// The base has nothing there.
    Nothing,
}

/// Why a link does not lead to a directory.
enum Fault {
    Broken,
    TooManyLinks,
    Escapes,
    /// It leads to a file, or through one.
    File,
}

impl From<LinkFault> for Fault {
    fn from(fault: LinkFault) -> Self {
        match fault {
            LinkFault::TooMany => Self::TooManyLinks,
            LinkFault::Escapes | LinkFault::Outside(_) => Self::Escapes,
            // No file has a name that a layer cannot hold.
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

    /// What to say of layers of the base whose entries lead out of an image.
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

    /// The place of what lands at this path.
    ///
    /// # Errors
    ///
    /// [`Error::BaseLink`] for a link on the way that leads nowhere, and [`Error::BaseConflict`]
    /// for a file that would take the place of a directory, or the reverse, unless that is wanted.
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
            // A link takes the place of a link, wherever that leads.
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

    /// The place of a whiteout.
    pub(crate) fn of_whiteout(&mut self, whiteout: &LayerPath) -> Result<LayerPath> {
        let parent = self.directory(&whiteout.parent()).map_err(|error| match error {
            Error::BaseConflict { destination, base, .. } => {
                Error::BaseConflict { destination, base, source_name: "a whiteout".to_owned() }
            }
            other => other,
        })?;
        Ok(whiteout.moved_to(&parent))
    }

    /// What a whiteout at this place does. One that does nothing has no entry, which would bring
    /// back the directories that it is in.
    pub(crate) fn removal(&mut self, whiteout: &LayerPath) -> Removal {
        let directory = whiteout.parent();
        if self.is_hidden(&directory) {
            return Removal::Covered;
        }
        // An opaque whiteout makes its directory, if that is not there.
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

    /// Hides what a whiteout at this place removes or empties: it is no longer there for other
    /// files.
    pub(crate) fn hide(&mut self, whiteout: &LayerPath) {
        let is_new = match whiteout.removed() {
            Some(removed) => self.removed.insert(removed),
            None => self.emptied.insert(whiteout.parent()),
        };
        if is_new {
            self.directories.clear();
        }
    }

    /// The place of a directory, links followed.
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

    /// The directory that a link of the base leads to, and the links on the way there, itself the
    /// first, with their targets. The root of the image is the root of absolute targets.
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

    /// What the base has at this place, if the layer does not remove it.
    pub(crate) fn find(&mut self, place: &LayerPath) -> Option<Lower> {
        if self.is_hidden(place) { None } else { self.find_hidden(place) }
    }

    /// What the base has at this place, though the layer may remove it.
    fn find_hidden(&mut self, place: &LayerPath) -> Option<Lower> {
        let found = self.lookup.find(&self.stack, place)?;
        self.record(place, &found);
        Some(found)
    }

    /// Whether the layer removes what is at this place.
    fn is_hidden(&self, place: &LayerPath) -> bool {
        if self.removed.is_empty() && self.emptied.is_empty() || place.is_root() {
            return false;
        }
        let is_removed =
            |path: &LayerPath| self.removed.contains(path) || self.emptied.contains(&path.parent());
        is_removed(place) || place.ancestors().any(|path| is_removed(&path))
    }

    /// Notes what the layer depends on: directories and links.
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

    /// Whether the base has anything at this place, though the layer may remove it.
    pub(crate) fn has(&mut self, place: &LayerPath) -> bool {
        self.find_hidden(place).is_some()
    }

    /// Whether the base has a directory at this place, though the layer may remove it.
    pub(crate) fn has_directory(&mut self, place: &LayerPath) -> bool {
        matches!(self.find_hidden(place), Some(Lower::Directory(_)))
    }

    /// The attributes of the directory that the base has at this place.
    pub(crate) fn attributes(&mut self, place: &LayerPath) -> Option<BaseDirectory> {
        match self.find(place) {
            Some(Lower::Directory(attributes)) => attributes,
            _ => None,
        }
    }

    /// The links that destinations go through, with their targets.
    pub(crate) fn followed(&self) -> impl Iterator<Item = (&LayerPath, &[u8])> {
        self.followed.iter().map(|(link, target)| (link, &target[..]))
    }

    /// All that the layer depends on, for its recipe.
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
