//! From mappings to the entries of a layer: what is where, once, in order.

use std::{
    collections::{BTreeMap, btree_map},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use walkdir::{DirEntry, WalkDir};

use crate::{
    error::{Error, Result},
    layer_tar::{
        LayerOptions, OnConflict,
        attributes::{Found, normal_mode, resolve},
        entry::{Content, Entry, Kind, SourceFile, same},
        glob::Globs,
        links,
        mapping::{Attributes, FileMapping, Source},
        path::LayerPath,
        source_tar,
    },
    pool::Pool,
};

/// All entries that the mappings give, in the order of the layer.
pub(crate) fn entries(files: &[FileMapping], options: &LayerOptions, pool: &Pool) -> Result<Vec<Entry>> {
    let mut tree = Tree { files, options, pool, nodes: BTreeMap::new(), last_parent: None };
    for (index, mapping) in files.iter().enumerate() {
        tree.add_mapping(index, mapping)?;
    }
    tree.into_entries()
}

struct Tree<'a> {
    files: &'a [FileMapping],
    options: &'a LayerOptions,
    pool: &'a Pool,
    nodes: BTreeMap<LayerPath, Node>,
    /// A directory that is known to be one, with all above it: most entries are in the one that the entry before was in.
    last_parent: Option<LayerPath>,
}

/// What a folder has, before anybody has looked at it, is looked at in parts of so many by all threads.
const PART: usize = 256;

pub(crate) struct Node {
    pub(crate) entry: Entry,
    certainty: Certainty,
    /// The index of the mapping that brought it.
    mapping: usize,
    /// Which file of which mapping's tar it is: names of one file are hard links of one another.
    pub(crate) linked: Option<(usize, u64)>,
}

/// How much is known of a directory's attributes; of two mappings that both bring it, the one that knows more wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    /// It is there because something is in it.
    Implied,
    /// A source folder has it; its attributes are the normal ones.
    Found,
    /// Somebody said what it shall look like.
    Said,
}

impl Tree<'_> {
    fn add_mapping(&mut self, index: usize, mapping: &FileMapping) -> Result<()> {
        let path = LayerPath::parse(&mapping.destination)?;
        let nowhere = Found::default();
        match &mapping.source {
            Source::Path(source) => self.add_source(index, mapping, source, path),
            Source::Bytes(bytes) => self.add(index, path, Kind::File(Content::Bytes(bytes.clone())), nowhere),
            Source::Symlink(target) => {
                let target = target.as_os_str().as_bytes();
                if target.is_empty() || target.contains(&0) {
                    let what = format!("symbolic link {:?}", mapping.destination);
                    return Err(Error::invalid(what, "its target is empty or has a NUL byte: no link can have it"));
                }
                self.add(index, path, Kind::Symlink(target.to_vec()), nowhere)
            }
            Source::Directory => self.add(index, path, Kind::Directory, nowhere),
            Source::Whiteout if path.is_root() => Err(Error::Destination {
                destination: mapping.destination.clone(),
                reason: "is the root, which cannot be removed: give an opaque whiteout to empty it",
            }),
            Source::Whiteout => self.add(index, path.whiteout(), Kind::Whiteout, nowhere),
            Source::OpaqueWhiteout => self.add(index, path.opaque_whiteout(), Kind::Whiteout, nowhere),
            Source::Tar(source) => self.add_tar(index, mapping, source, &path),
        }
    }

    fn add_source(&mut self, index: usize, mapping: &FileMapping, source: &Path, path: LayerPath) -> Result<()> {
        let look = if mapping.follow { fs::metadata(source) } else { fs::symlink_metadata(source) };
        let metadata = look.map_err(|cause| match fs::read_link(source) {
            // The link is there; what is missing is what it names.
            Ok(target) if cause.kind() == io::ErrorKind::NotFound => {
                Error::SourceMissing { path: source.parent().unwrap_or(Path::new("")).join(target) }
            }
            _ => Error::source(source, cause),
        })?;
        if metadata.is_dir() {
            return self.add_folder(index, mapping, source, &path);
        }
        let file_type = metadata.file_type();
        let kind = if file_type.is_symlink() {
            Kind::Symlink(read_link(source)?)
        } else if file_type.is_file() {
            Kind::File(Content::File(SourceFile::new(source.to_owned(), &metadata)))
        } else {
            return Err(unfit(source, file_type));
        };
        let found = Found::in_folder(source, &metadata, mapping, mapping.follow)?;
        self.add(index, path, kind, found)
    }

    fn add_folder(&mut self, index: usize, mapping: &FileMapping, source: &Path, path: &LayerPath) -> Result<()> {
        let (include, exclude) = (Globs::new(&mapping.include)?, Globs::new(&mapping.exclude)?);
        // Folders on the way to the current one that are in the layer only if something in them is.
        let mut pending: Vec<DirEntry> = Vec::new();
        // The depth of the folder all of which is taken.
        let mut taken: Option<usize> = include.is_empty().then_some(0);
        let mut chosen: Vec<DirEntry> = Vec::new();
        let mut walk = WalkDir::new(source).into_iter();
        while let Some(next) = walk.next() {
            let found = next.map_err(|error| walk_error(source, error))?;
            let relative = found.path().strip_prefix(source).unwrap_or(Path::new(""));
            let depth = found.depth();
            pending.retain(|above| above.depth() < depth);
            taken = taken.filter(|&above| above == 0 || above < depth);
            let is_dir = found.file_type().is_dir() || depth == 0;
            if depth > 0 && exclude.is_match(relative) {
                if is_dir {
                    walk.skip_current_dir();
                }
                continue;
            }
            if taken.is_none() && depth > 0 && include.is_match(relative) && !include.is_empty() {
                taken = is_dir.then_some(depth);
            } else if taken.is_none() && !is_dir {
                continue;
            }
            if is_dir && taken.is_none() {
                pending.push(found);
                continue;
            }
            chosen.append(&mut pending);
            chosen.push(found);
        }
        let look = |part: &[DirEntry]| -> Result<Vec<_>> {
            part.iter().map(|found| look(source, found, mapping, path)).collect()
        };
        for part in self.pool.map_parts(chosen.chunks(PART), look) {
            for (path, kind, found) in part? {
                self.add(index, path, kind, found)?;
            }
        }
        Ok(())
    }

    fn add_tar(&mut self, index: usize, mapping: &FileMapping, tar: &Path, path: &LayerPath) -> Result<()> {
        let (include, exclude) = (Globs::new(&mapping.include)?, Globs::new(&mapping.exclude)?);
        let wanted = |name: &Path| {
            !exclude.matches_with_parents(name) && (include.is_empty() || include.matches_with_parents(name))
        };
        for member in source_tar::members(tar, self.options.scratch_dir(), wanted)? {
            let linked = Some((index, member.file));
            let at = path.append(&member.path);
            let entry = resolve(at, member.kind, &mapping.attributes, member.found, self.options)?;
            self.insert(Node { entry, certainty: Certainty::Said, mapping: index, linked })?;
        }
        Ok(())
    }

    fn add(&mut self, index: usize, path: LayerPath, kind: Kind, found: Found) -> Result<()> {
        let mapping = &self.files[index];
        if path.is_root() && kind != Kind::Directory {
            return Err(Error::Destination {
                destination: mapping.destination.clone(),
                reason: "is the root, which is a directory: name a path in it",
            });
        }
        let in_folder = matches!(mapping.source, Source::Path(_));
        let certainty =
            if in_folder && mapping.attributes == Attributes::default() { Certainty::Found } else { Certainty::Said };
        let entry = resolve(path, kind, &mapping.attributes, found, self.options)?;
        self.insert(Node { entry, certainty, mapping: index, linked: None })
    }

    fn insert(&mut self, node: Node) -> Result<()> {
        if !self.make_parents(&node)? {
            return Ok(());
        }
        let path = node.entry.path.clone();
        let old = match self.nodes.entry(path.clone()) {
            btree_map::Entry::Vacant(place) => {
                place.insert(node);
                return Ok(());
            }
            btree_map::Entry::Occupied(old) => old.into_mut(),
        };
        let directories = old.entry.kind == Kind::Directory && node.entry.kind == Kind::Directory;
        if directories && old.certainty != node.certainty {
            if old.certainty < node.certainty {
                *old = node;
            }
            return Ok(());
        }
        if same(&old.entry, &node.entry)? {
            return Ok(());
        }
        match self.options.on_conflict {
            OnConflict::Error => {
                let (first, second) = (describe(self.files, old), describe(self.files, &node));
                Err(Error::Conflict { destination: path.to_path(), first, second })
            }
            OnConflict::FirstWins => Ok(()),
            OnConflict::LastWins => {
                let keeps_children = node.entry.kind == Kind::Directory;
                *old = node;
                self.last_parent = None;
                if !keeps_children {
                    self.remove_below(&path);
                }
                Ok(())
            }
        }
    }

    /// Makes sure that everything above is a directory; false if what is above wins over this node.
    fn make_parents(&mut self, node: &Node) -> Result<bool> {
        if self.last_parent.as_ref().is_some_and(|parent| node.entry.path.is_in(parent)) {
            return Ok(true);
        }
        let is_directory = |nodes: &BTreeMap<LayerPath, Node>, path: &LayerPath| {
            nodes.get(path).is_some_and(|above| above.entry.kind == Kind::Directory)
        };
        let mut missing = Vec::new();
        for above in node.entry.path.ancestors() {
            // What is a directory has only directories above it.
            if is_directory(&self.nodes, &above) {
                break;
            }
            if let Some(other) = self.nodes.get(&above) {
                match self.options.on_conflict {
                    OnConflict::Error => {
                        let (first, second) = (describe(self.files, other), describe(self.files, node));
                        return Err(Error::Conflict { destination: above.to_path(), first, second });
                    }
                    OnConflict::FirstWins => return Ok(false),
                    OnConflict::LastWins => {}
                }
            }
            missing.push(above);
        }
        self.last_parent = Some(node.entry.path.parent());
        for path in missing {
            // Owned by root whatever the layer's owner is: unpacked over other layers, this is their /usr too.
            let entry = Entry {
                mode: normal_mode(&Kind::Directory, 0),
                uid: 0,
                gid: 0,
                mtime: self.options.mtime,
                xattrs: BTreeMap::new(),
                kind: Kind::Directory,
                path: path.clone(),
            };
            self.nodes.insert(path, Node { entry, certainty: Certainty::Implied, mapping: node.mapping, linked: None });
        }
        Ok(true)
    }

    fn remove_below(&mut self, path: &LayerPath) {
        let after = self.nodes.range(path..).skip(1).map(|(path, _)| path);
        let below: Vec<_> = after.take_while(|below| below.is_below(path)).cloned().collect();
        for path in below {
            self.nodes.remove(&path);
        }
    }

    fn into_entries(mut self) -> Result<Vec<Entry>> {
        // The root is there in every image; only who says what it shall look like has an entry for it.
        if self.nodes.get(&LayerPath::root()).is_some_and(|root| root.certainty != Certainty::Said) {
            self.nodes.remove(&LayerPath::root());
        }
        for rule in &self.options.permissions {
            let globs = rule.globs()?;
            for node in self.nodes.values_mut() {
                rule.apply(&globs, &mut node.entry);
            }
        }
        links::link(self.nodes.into_values().collect(), self.options.hard_links)
    }
}

/// How a message names one side of a conflict.
fn describe(files: &[FileMapping], node: &Node) -> String {
    let mapping = files[node.mapping].describe();
    match &node.entry.kind {
        Kind::File(Content::File(file)) => format!("{:?}", file.path),
        Kind::File(Content::Bytes(_)) | Kind::Whiteout => mapping,
        kind if node.certainty == Certainty::Implied => format!("a {} that holds {mapping}", kind.describe()),
        kind => {
            let Entry { mode, uid, gid, .. } = node.entry;
            format!("{mapping} (a {}, mode {mode:04o}, owner {uid}:{gid})", kind.describe())
        }
    }
}

/// Where something in a source folder comes to be, and what it is.
fn look(source: &Path, found: &DirEntry, mapping: &FileMapping, path: &LayerPath) -> Result<(LayerPath, Kind, Found)> {
    let relative = found.path().strip_prefix(source).unwrap_or(Path::new(""));
    let refuse = |reason| Error::Destination { destination: found.path().into(), reason };
    let path = path.join_all(relative).map_err(refuse)?;
    let is_source = found.depth() == 0;
    let metadata = if is_source { fs::metadata(source) } else { found.metadata().map_err(io::Error::from) };
    let metadata = metadata.map_err(|cause| Error::source(found.path(), cause))?;
    let kind = if found.file_type().is_dir() || is_source {
        Kind::Directory
    } else if found.file_type().is_symlink() {
        Kind::Symlink(read_link(found.path())?)
    } else if found.file_type().is_file() {
        Kind::File(Content::File(SourceFile::new(found.path().to_owned(), &metadata)))
    } else {
        return Err(unfit(found.path(), found.file_type()));
    };
    Ok((path, kind, Found::in_folder(found.path(), &metadata, mapping, is_source)?))
}

fn read_link(path: &Path) -> Result<Vec<u8>> {
    Ok(fs::read_link(path).map_err(|cause| Error::source(path, cause))?.into_os_string().into_vec())
}

fn unfit(path: &Path, file_type: fs::FileType) -> Error {
    use std::os::unix::fs::FileTypeExt;
    let kind = match file_type {
        t if t.is_socket() => "socket",
        t if t.is_fifo() => "fifo",
        t if t.is_char_device() || t.is_block_device() => "device",
        _ => "file of an unknown kind",
    };
    Error::SourceKind { path: path.to_owned(), kind }
}

fn walk_error(source: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(source).to_owned();
    let cause = error.into_io_error().unwrap_or_else(|| io::Error::other("a link leads back to a folder above it"));
    Error::source(path, cause)
}
