//! From mappings to the entries of a layer: what is where, once, in order.

use std::{
    collections::{BTreeMap, btree_map},
    fs, mem,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use rustix::{
    fs::{lstat, stat},
    io::Errno,
};
use walkdir::DirEntry;

use crate::{
    error::{Error, Result},
    layer_tar::{
        LayerOptions, OnConflict,
        attributes::{Found, normal_mode, resolve},
        entry::{Content, Entry, Kind, same},
        glob::Globs,
        links,
        mapping::{Attributes, FileMapping, Source},
        path::LayerPath,
        source_folder::{Looking, Walk, kind},
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
    nodes: BTreeMap<LayerPath, Box<Node>>,
    /// A directory that is known to be one, with all above it: most entries are in the one that the entry before was in.
    last_parent: Option<LayerPath>,
}

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
        let stat = if mapping.follow { stat(source) } else { lstat(source) };
        let stat = stat.map_err(|cause| match fs::read_link(source) {
            // The link is there; what is missing is what it names.
            Ok(target) if cause == Errno::NOENT => {
                Error::SourceMissing { path: source.parent().unwrap_or(Path::new("")).join(target) }
            }
            _ => Error::source(source, cause.into()),
        })?;
        let kind = match kind(source.to_owned(), &stat)? {
            Kind::Directory => return self.add_folder(index, mapping, source, &path),
            kind => kind,
        };
        let found = Found::in_folder(source, &stat, mapping, mapping.follow)?;
        self.add(index, path, kind, found)
    }

    fn add_folder(&mut self, index: usize, mapping: &FileMapping, source: &Path, path: &LayerPath) -> Result<()> {
        let look = |part: Result<Vec<DirEntry>>| -> Result<Vec<Box<Node>>> {
            let mut looking = Looking::new(source, mapping, path);
            let node = |found| {
                let (path, kind, found) = looking.at(found)?;
                self.node(index, path, kind, found)
            };
            let mut nodes: Vec<_> = part?.into_iter().map(node).collect::<Result<_>>()?;
            // As they will lie in the tree, and so that those in one directory follow one another.
            nodes.sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
            Ok(nodes)
        };
        let mut nodes = Vec::new();
        for part in self.pool.map_parts(Walk::new(source, mapping)?, look) {
            nodes.append(&mut part?);
        }
        if !self.nodes.is_empty() {
            return nodes.into_iter().try_for_each(|node| self.insert(node));
        }
        // With nothing there to agree with, all can be sorted at once. The folder itself is the first of them: where it
        // goes, what is in it can go too, each behind the folder that it is in.
        let mut nodes = nodes.into_iter();
        nodes.next().map_or(Ok(()), |folder| self.insert(folder))?;
        let below = nodes.map(|node| (node.entry.path.clone(), node));
        self.nodes = mem::take(&mut self.nodes).into_iter().chain(below).collect();
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
            self.insert(Box::new(Node { entry, certainty: Certainty::Said, mapping: index, linked }))?;
        }
        Ok(())
    }

    fn add(&mut self, index: usize, path: LayerPath, kind: Kind, found: Found) -> Result<()> {
        self.node(index, path, kind, found).and_then(|node| self.insert(node))
    }

    /// What this mapping brings to this path.
    fn node(&self, index: usize, path: LayerPath, kind: Kind, found: Found) -> Result<Box<Node>> {
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
        Ok(Box::new(Node { entry, certainty, mapping: index, linked: None }))
    }

    fn insert(&mut self, node: Box<Node>) -> Result<()> {
        if !self.make_parents(&node)? {
            return Ok(());
        }
        let old = match self.nodes.entry(node.entry.path.clone()) {
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
                Err(Error::Conflict { destination: node.entry.path.to_path(), first, second })
            }
            OnConflict::FirstWins => Ok(()),
            OnConflict::LastWins => {
                let (path, keeps_children) = (node.entry.path.clone(), node.entry.kind == Kind::Directory);
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
        let is_directory = |nodes: &BTreeMap<LayerPath, Box<Node>>, path: &LayerPath| {
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
            let node = Node { entry, certainty: Certainty::Implied, mapping: node.mapping, linked: None };
            self.nodes.insert(path, Box::new(node));
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
        links::link(self.nodes.into_values().map(|node| *node), self.options.hard_links)
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
