//! Combines mappings into the entries of a layer, each path once and in order.

pub(crate) mod above;
pub(crate) mod node;

use std::{os::unix::ffi::OsStrExt, path::Path, sync::Arc};

use rustix::fs::Stat;

use crate::{
    basics::{Error, Result},
    layer::{
        attributes::{Found, Rules, normal_mode, resolve},
        base::Places,
        by_path::ByPath,
        directory_links::behind_links,
        entry::{Content, Entry, Kind, same},
        glob::Wanted,
        links,
        own_store::OwnStore,
        pipe,
        source_folder::{Folder, Walk, kind},
        source_tar::{self, SourceTar},
        target::Target,
        tree::{
            above::{Landed, check_followed, empty_replaced_directories, land, take_over},
            node::{Certainty, Node, Nodes, describe, nodes_in},
        },
        warnings::Noticed,
    },
    pool::Pool,
    recipe::{Attributes, BaseIndex, FileMapping, HardLinks, LayerOptions, OnConflict, Source},
    tarfile::{LayerPath, Xattrs, xattrs},
};

/// The entries of mappings, each path once.
pub(crate) struct Tree<'a> {
    files: &'a [FileMapping],
    options: &'a LayerOptions,
    pool: &'a Pool,
    nodes: Nodes,
    /// A directory whose parents are all known to be directories. Most entries are in the same
    /// directory as the previous one.
    last_parent: Option<LayerPath>,
    /// Folders that are listed later.
    folders: Vec<Walk<'a>>,
    own_store: Arc<OwnStore>,
    noticed: Arc<Noticed>,
    /// All entries, if links are kept: they are held back until all links are known.
    held: Vec<Node>,
    /// Finds final paths above the layers below, if those are known.
    places: Option<Places>,
}

/// The contents of a tree after all mappings were added.
pub(crate) struct Finished<'a> {
    /// All entries, in order and in parts, except for those in the folders.
    pub(crate) entries: Vec<Vec<Entry>>,
    /// Folders that are listed later, in the order of their contents in the layer.
    pub(crate) folders: Vec<Walk<'a>>,
    /// The parts of the base on which the layer depends.
    pub(crate) used: Option<BaseIndex>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(
        files: &'a [FileMapping],
        options: &'a LayerOptions,
        pool: &'a Pool,
        places: Option<Places>,
        noticed: Arc<Noticed>,
    ) -> Self {
        let own_store = Arc::new(OwnStore::new(options));
        let (nodes, folders, held) = (ByPath::default(), Vec::new(), Vec::new());
        Self {
            files,
            options,
            pool,
            nodes,
            last_parent: None,
            folders,
            own_store,
            noticed,
            held,
            places,
        }
    }

    /// Adds the entries of the mapping with this index at its target. If no other mapping is at,
    /// above or below this path (`apart`), the contents of a folder cannot conflict, and can be
    /// listed later.
    pub(crate) fn add_mapping(&mut self, index: usize, target: Target, apart: bool) -> Result<()> {
        let mapping = &self.files[index];
        let nowhere = Found::default();
        let Target { path, place, stat } = target;
        // If the base moves a folder, each of its entries needs a final path.
        let apart = apart && path == place;
        match &mapping.source {
            Source::Path(source) => match stat {
                Some(stat) => self.add_source(index, mapping, source, path, &stat, apart),
                None => Ok(()),
            },
            Source::Bytes(bytes) => {
                self.add(index, path, Kind::File(Content::Bytes(bytes.clone())), nowhere)
            }
            Source::Symlink(target) => {
                let target = target.as_os_str().as_bytes();
                if target.is_empty() || target.contains(&0) {
                    let what = format!("symbolic link {:?}", mapping.destination);
                    return Err(Error::invalid(
                        what,
                        "its target is empty or has a NUL byte: write another target",
                    ));
                }
                self.add(index, path, Kind::Symlink(target.to_vec()), nowhere)
            }
            Source::Directory => self.add(index, path, Kind::Directory, nowhere),
            // Its final path was found in the whole base, parts of which may be hidden by now.
            Source::Whiteout | Source::OpaqueWhiteout => {
                self.add(index, place, Kind::Whiteout, nowhere)
            }
            Source::Tar(source) => self.add_tar(index, mapping, source, &path),
        }
    }

    fn add_source(
        &mut self,
        index: usize,
        mapping: &'a FileMapping,
        source: &'a Path,
        path: LayerPath,
        stat: &Stat,
        apart: bool,
    ) -> Result<()> {
        if let Some(content) = pipe::read(source, stat, self.options)? {
            let found = Found::in_folder(source, stat, mapping, mapping.follow)?;
            return self.add(index, path, Kind::File(content), found);
        }
        let kind = match kind(source.to_owned(), stat)? {
            Kind::Directory => {
                let later = apart
                    // Its contents may be below links of the base, and in existing directories.
                    && !self.places.as_mut().is_some_and(|places| places.has(&path))
                    // Other folders may lead to the same directory through links of the base, and a
                    // policy depends on the order.
                    && (self.places.is_none() || self.options.on_conflict == OnConflict::Error)
                    // With `include`, the folder may have no entries, in which case its parents are
                    // not added either.
                    && mapping.include.is_empty()
                    && self.options.include.is_empty()
                    // Equal files and the targets of links are only known when all entries are.
                    && !self.options.needs_all_entries()
                    // The output folder is created only after this folder was listed.
                    && self.own_store.in_folder(stat).next().is_none();
                let (own_store, noticed) = (Arc::clone(&self.own_store), Arc::clone(&self.noticed));
                let folder = Folder { source, mapping, index, place: path, own_store, noticed };
                return self.add_folder(Walk::new(folder, self.options, stat)?, later);
            }
            kind => kind,
        };
        let mut found = Found::in_folder(source, stat, mapping, mapping.follow)?;
        if let Some(mark) = xattrs::without_the_machine(&mut found.xattrs) {
            self.noticed.overlay_mark(index, source, mark);
        }
        if matches!(kind, Kind::File(_)) {
            self.noticed.mode(mapping, source, &path, found.mode);
        }
        self.add(index, path, kind, found)
    }

    fn add_folder(&mut self, walk: Walk<'a>, later: bool) -> Result<()> {
        let folder = walk.folder.clone();
        if later {
            self.folders.push(walk);
            return Ok(());
        }
        let options = self.options;
        for nodes in self.pool.map_parts(walk, |found| nodes_in(&folder, found?, options)) {
            nodes?.into_iter().try_for_each(|node| self.insert(node))?;
        }
        Ok(())
    }

    fn add_tar(
        &mut self,
        index: usize,
        mapping: &FileMapping,
        tar: &Path,
        path: &LayerPath,
    ) -> Result<()> {
        let wanted = Wanted::new(mapping, self.options)?;
        let source = SourceTar { path: tar, index, place: path, wanted: &wanted };
        let members = source_tar::members(source, self.options, &self.noticed)?;
        self.noticed.wanted(index, tar, &wanted);
        for member in members {
            let linked = member.linked.map(|file| (0, file).into());
            let at = path.append(&member.path);
            let entry = resolve(at, member.kind, &mapping.attributes, member.found, self.options)?;
            let node = Node {
                entry,
                certainty: Certainty::Said,
                of_base: false,
                given: None,
                mapping: index,
                linked,
            };
            self.insert(node)?;
        }
        Ok(())
    }

    fn add(&mut self, index: usize, path: LayerPath, kind: Kind, found: Found) -> Result<()> {
        let node = Node::new(index, &self.files[index], self.options, path, kind, found)?;
        self.insert(node)
    }

    fn insert(&mut self, node: Node) -> Result<()> {
        if self.options.keep_directory_links {
            self.held.push(node);
            return Ok(());
        }
        self.give_place(node)
    }

    /// Inserts a node at its path.
    fn give_place(&mut self, mut node: Node) -> Result<()> {
        if let Some(places) = &mut self.places {
            let mapping = &self.files[node.mapping];
            if let Landed::LeftOut(warning) = land(&mut node, places, mapping)? {
                warning.into_iter().for_each(|warning| self.noticed.add(node.mapping, warning));
                return Ok(());
            }
        }
        if !self.make_parents(&node)? {
            return Ok(());
        }
        let Some((old, node)) = self.nodes.try_insert(node) else { return Ok(()) };
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
            OnConflict::FirstWins => {
                if old.entry.kind == Kind::Directory {
                    self.noticed.lost_to_directory(&node.entry);
                }
                Ok(())
            }
            OnConflict::LastWins => {
                let (path, kind) = (node.entry.path.clone(), node.entry.kind.clone());
                if kind == Kind::Directory {
                    self.noticed.lost_to_directory(&old.entry);
                }
                *old = node;
                self.last_parent = None;
                if kind != Kind::Directory {
                    self.remove_below(&path, kind.describe());
                }
                Ok(())
            }
        }
    }

    /// Makes all parents of this node directories. Returns false if a parent takes precedence over
    /// this node.
    fn make_parents(&mut self, node: &Node) -> Result<bool> {
        if self.last_parent.as_ref().is_some_and(|parent| node.entry.path.is_in(parent)) {
            return Ok(true);
        }
        let is_directory = |nodes: &Nodes, path: &LayerPath| {
            nodes.get(path).is_some_and(|above| above.entry.kind == Kind::Directory)
        };
        let mut missing = Vec::new();
        for above in node.entry.path.ancestors() {
            // All parents of a directory are directories.
            if is_directory(&self.nodes, &above) {
                break;
            }
            if let Some(other) = self.nodes.get(&above) {
                match self.options.on_conflict {
                    OnConflict::Error => {
                        let (first, second) =
                            (describe(self.files, other), describe(self.files, node));
                        return Err(Error::Conflict {
                            destination: above.to_path(),
                            first,
                            second,
                        });
                    }
                    OnConflict::FirstWins => {
                        self.noticed.lost_below(
                            &above,
                            other.entry.kind.describe(),
                            &node.entry.path,
                        );
                        return Ok(false);
                    }
                    OnConflict::LastWins => {
                        self.noticed.lost_to_directory(&other.entry);
                    }
                }
            }
            missing.push(above);
        }
        self.last_parent = Some(node.entry.path.parent());
        for path in missing {
            self.imply(path, node.mapping);
        }
        Ok(true)
    }

    /// Adds a directory that exists because something is in it.
    fn imply(&mut self, path: LayerPath, mapping: usize) {
        let base = self.places.as_mut().and_then(|places| places.attributes(&path));
        let of_base = base.is_some();
        // Owned by root, whatever the owner of the layer is: above other layers, this may be their
        // /usr.
        let mut entry = Entry {
            mode: normal_mode(&Kind::Directory, 0),
            uid: 0,
            gid: 0,
            mtime: self.options.mtime,
            xattrs: Xattrs::default(),
            kind: Kind::Directory,
            path,
        };
        if let Some(base) = base {
            take_over(&mut entry, base, &Attributes::default());
        }
        let node = Node {
            entry,
            certainty: Certainty::Implied,
            of_base,
            given: None,
            mapping,
            linked: None,
        };
        self.nodes.insert(node);
    }

    fn remove_below(&mut self, path: &LayerPath, kept: &'static str) {
        let after = self.nodes.starting_at(path).skip(1).map(|node| &node.entry.path);
        let below: Vec<_> = after.take_while(|below| below.is_below(path)).cloned().collect();
        for lost in below {
            self.nodes.remove(&lost);
            self.noticed.lost_below(path, kept, &lost);
        }
    }

    /// Lists folders that were to be listed later, but to which other mappings lead through links
    /// of the base. For the other folders, makes all parents directories.
    fn add_folders_that_meet_others(&mut self) -> Result<()> {
        for walk in std::mem::take(&mut self.folders) {
            let place = walk.folder.place.clone();
            let below = self.nodes.starting_at(&place).next().is_some_and(|node| {
                let path = &node.entry.path;
                *path == place || path.is_below(&place)
            });
            let mut above = place.ancestors().filter_map(|above| self.nodes.get(&above));
            if below || above.any(|above| above.entry.kind != Kind::Directory) {
                self.add_folder(walk, false)?;
                continue;
            }
            for above in place.ancestors() {
                if self.nodes.get(&above).is_some() {
                    break;
                }
                self.imply(above, walk.folder.index);
            }
            self.folders.push(walk);
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, rules: &Rules) -> Result<Finished<'a>> {
        for node in behind_links(std::mem::take(&mut self.held))? {
            self.give_place(node)?;
        }
        self.add_folders_that_meet_others()?;
        if let Some(places) = &mut self.places {
            check_followed(&self.nodes, places, self.files)?;
            empty_replaced_directories(&mut self.nodes, places);
        }
        let ruled = |mut node: Node| {
            if !node.of_base {
                rules.apply(&mut node.entry, node.given.as_deref());
            }
            node
        };
        let parts = self
            .nodes
            .into_parts()
            .map(|part| part.into_iter().filter(Node::is_in_layer).map(ruled));
        let mut folders = self.folders;
        folders.sort_by(|a, b| a.folder.place.cmp(&b.folder.place));
        let entries = links::link(parts, self.options.hard_links == Some(HardLinks::Merge))?;
        Ok(Finished { entries, folders, used: self.places.map(Places::into_used) })
    }
}
