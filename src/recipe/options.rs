//! How a layer is made, beside its files.

use std::path::{Path, PathBuf};

use crate::{
    basics::progress::Progress, pool::Pool, recipe::base_files::BaseFiles,
    store::write_options::WriteOptions, tarfile::compression::Compression,
};

/// How [`layer_tar`](crate::layer_tar()) makes a layer. The default describes a gzip layer and
/// writes nothing.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct LayerOptions {
    /// gzip by default.
    pub compression: Compression,
    /// The time of modification of whatever has none of its own, in seconds since 1970; 1 by
    /// default, which is what the Nix store holds, so that byte code compiled there stays valid.
    pub mtime: i64,
    /// Owner and group of whatever has none of its own; 0 and 0 by default. Parent directories that
    /// no mapping brings are root's all the same.
    pub owner: (u64, u64),
    /// Applied to every entry in this order, after what the mappings say.
    pub permissions: Vec<PermissionRule>,
    /// What happens when two mappings want different things at one path.
    pub on_conflict: OnConflict,
    /// Whether a symbolic link keeps its place where other mappings have a directory: what is in
    /// the directory lands where the link leads in the same layer, as by `tar
    /// --keep-directory-symlink`. Off by default, when the two conflict.
    pub keep_directory_links: bool,
    /// Globs on paths in every source folder and tar, before those of the mapping's own
    /// [`include`](crate::FileMapping::include).
    pub include: Vec<String>,
    /// Globs on paths in every source folder and tar, before those of the mapping's own
    /// [`exclude`](crate::FileMapping::exclude).
    pub exclude: Vec<String>,
    /// What becomes of files with several names. By default each name in a folder is a file of its
    /// own, as with [`HardLinks::Copy`], and a [`Warning`](crate::Warning) says so.
    pub hard_links: Option<HardLinks>,
    /// The most bytes that a source tar may have beyond those that are stored: what it decompresses
    /// to, and the holes of its sparse files; and the most bytes that a pipe may give. 16 GiB by
    /// default, so that a small file does not fill the disk.
    pub unpack_limit: u64,
    /// Whether the layer can be described to others by a [`Recipe`](crate::Recipe), which takes a
    /// checksum of each file more in the same pass; off by default. A layer with a compressed tar
    /// among its sources has no recipe all the same: making it needs a place to unpack the tar.
    pub recipe: bool,
    /// Whether a [`Warning`](crate::Warning) is an error; off by default.
    pub strict: bool,
    /// The files of the layers below; none by default. See [`LayerOptions::above`].
    pub base: Option<BaseFiles>,
    /// Whether a file may take the place of a directory of the base, and a directory that of a
    /// file; off by default.
    pub replace: bool,
    /// The layout (or any folder) whose `blobs/sha256` takes the blob; none by default.
    pub store: Option<PathBuf>,
    /// What survives a power loss of what is stored, and whether locks keep collectors of garbage
    /// away.
    pub write: WriteOptions,
    /// Where a compressed tar is unpacked, and a pipe copied, while it is a source, into a file
    /// without a name; `store` by default. As that, it must not be a part of the layer.
    pub scratch: Option<PathBuf>,
    /// The threads; by default as many as this process may run at once.
    pub pool: Option<Pool>,
    /// Told now and then how far it is.
    pub progress: Option<Progress>,
}

/// Mode and owner for every path that a glob matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionRule {
    /// A glob on destinations, with or without the leading slash; `*` does not cross `/`, `**`
    /// does.
    pub glob: String,
    /// The permission bits, symbolic links aside.
    pub mode: Option<u32>,
    /// The owner's number.
    pub uid: Option<u64>,
    /// The group's number.
    pub gid: Option<u64>,
}

/// What happens when two mappings want different things at one path. Directories merge, and equal
/// files are one file, whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// It is an error that names both.
    #[default]
    Error,
    /// The mapping that comes first in the list wins.
    FirstWins,
    /// The mapping that comes last in the list wins.
    LastWins,
}

/// What becomes of files with several names (hard links). Those of a tar keep them in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HardLinks {
    /// Each name in a folder is a file of its own.
    Copy,
    /// Names of one file in one mapping's folder are hard links to the first of them, if their
    /// attributes are equal.
    Keep,
    /// Files of equal contents and attributes become hard links to the first of them, whatever they
    /// are in their sources; empty ones aside. Files that have another one's size are read twice.
    Merge,
}

impl Default for LayerOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            mtime: 1,
            owner: (0, 0),
            permissions: Vec::new(),
            on_conflict: OnConflict::default(),
            keep_directory_links: false,
            include: Vec::new(),
            exclude: Vec::new(),
            hard_links: None,
            unpack_limit: 16 << 30,
            recipe: false,
            strict: false,
            base: None,
            replace: false,
            store: None,
            write: WriteOptions::default(),
            scratch: None,
            pool: None,
            progress: None,
        }
    }
}

impl From<Compression> for LayerOptions {
    fn from(compression: Compression) -> Self {
        Self::default().compression(compression)
    }
}

impl LayerOptions {
    /// Sets the compression.
    pub fn compression(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// Writes the blob into `dir/blobs/sha256`, which is made if it is not there.
    pub fn store(self, dir: impl Into<PathBuf>) -> Self {
        Self { store: Some(dir.into()), ..self }
    }

    /// Sets what survives a power loss of what is stored, and whether locks keep collectors of
    /// garbage away.
    pub fn write(self, write: WriteOptions) -> Self {
        Self { write, ..self }
    }

    /// Sets the default time of modification, in seconds since 1970.
    pub fn mtime(self, mtime: i64) -> Self {
        Self { mtime, ..self }
    }

    /// Sets the default owner and group.
    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    /// Adds a permission rule behind those there are.
    pub fn permission(mut self, rule: PermissionRule) -> Self {
        self.permissions.push(rule);
        self
    }

    /// Sets what happens when two mappings want different things at one path.
    pub fn on_conflict(self, on_conflict: OnConflict) -> Self {
        Self { on_conflict, ..self }
    }

    /// Sets whether a symbolic link keeps its place where other mappings have a directory.
    pub fn keep_directory_links(self, keep_directory_links: bool) -> Self {
        Self { keep_directory_links, ..self }
    }

    /// Takes only what matches this glob, or another one given, of every source folder and tar.
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Leaves out what matches this glob, of every source folder and tar.
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Sets what becomes of files with several names.
    pub fn hard_links(self, hard_links: HardLinks) -> Self {
        Self { hard_links: Some(hard_links), ..self }
    }

    /// Sets the most bytes that a source tar may have beyond those that are stored, or a pipe.
    pub fn unpack_limit(self, bytes: u64) -> Self {
        Self { unpack_limit: bytes, ..self }
    }

    /// Sets whether the layer has a [`Recipe`](crate::Recipe).
    pub fn recipe(self, recipe: bool) -> Self {
        Self { recipe, ..self }
    }

    /// Makes the layer for a place above these layers: those of a base image, or layers that were
    /// just made.
    ///
    /// - A destination that passes through a symbolic link of the base lands where the link leads.
    ///   The link stays.
    /// - A directory that the base has keeps its mode, owner, time and extended attributes, but for
    ///   those that a mapping sets.
    /// - A file in the place of a directory, or the reverse, is an error, unless
    ///   [`LayerOptions::replace`] allows it.
    /// - What a whiteout of the layer removes is not there for its other files.
    ///
    /// The layer depends on the digests of the layers below and on nothing else of them.
    pub fn above(self, base: impl Into<BaseFiles>) -> Self {
        Self { base: Some(base.into()), ..self }
    }

    /// Sets whether a file may take the place of a directory of the base, and a directory that of a
    /// file.
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets whether a [`Warning`](crate::Warning) is an error.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Sets the threads.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets where a compressed tar is unpacked while it is a source.
    pub fn scratch(self, dir: impl Into<PathBuf>) -> Self {
        Self { scratch: Some(dir.into()), ..self }
    }

    /// Sets who is told how far it is.
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Whether no entry is known before all are.
    pub(crate) fn needs_all_entries(&self) -> bool {
        self.keep_directory_links
            || matches!(self.hard_links, Some(HardLinks::Keep | HardLinks::Merge))
    }

    pub(crate) fn scratch_dir(&self) -> Option<&Path> {
        self.scratch.as_deref().or(self.store.as_deref())
    }
}
