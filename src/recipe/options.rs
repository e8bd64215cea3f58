//! Options for making a layer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::Progress,
    pool::Pool,
    recipe::base_files::BaseFiles,
    store::{BlockCache, EarlierBlocks, KnownLayers, WriteOptions},
    tarfile::Compression,
};

/// Options for [`layer_tar`](crate::layer_tar()). The defaults describe a gzip layer without
/// writing anything.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct LayerOptions {
    /// The compression. The default is gzip.
    pub compression: Compression,
    /// The modification time of files without an explicit one, in seconds since 1970. The default
    /// is 1, as in the Nix store, so that compiled byte code from there stays valid.
    pub mtime: i64,
    /// The owner and group of files without explicit ones. The default is 0 and 0. Parent
    /// directories that no mapping provides always belong to root.
    pub owner: (u64, u64),
    /// Rules that apply to every entry, in this order, after the attributes of mappings.
    pub permissions: Vec<PermissionRule>,
    /// What to do if two mappings provide different entries for the same path.
    pub on_conflict: OnConflict,
    /// Whether a symbolic link is kept if other mappings have a directory at its path. The contents
    /// of the directory then land in the target of the link in the same layer, as with `tar
    /// --keep-directory-symlink`. The default is false, which makes this a conflict.
    pub keep_directory_links: bool,
    /// Globs on paths in every source folder and tar, which precede the
    /// [`include`](crate::FileMapping::include) of each mapping.
    pub include: Vec<String>,
    /// Globs on paths in every source folder and tar, which precede the
    /// [`exclude`](crate::FileMapping::exclude) of each mapping.
    pub exclude: Vec<String>,
    /// Globs of `exclude` and `include` that may match nothing without a warning, for example those
    /// of an ignore file.
    pub optional_globs: Vec<String>,
    /// How to treat files with several names. By default, each name in a folder becomes a separate
    /// file, as with [`HardLinks::Copy`], with a [`Warning`](crate::Warning).
    pub hard_links: Option<HardLinks>,
    /// The maximum number of bytes that decompression and the holes of sparse files may add to a
    /// source tar, and the maximum size of a pipe. The default is 16 GiB, so that a small file
    /// cannot fill the disk.
    pub unpack_limit: u64,
    /// Whether to record a [`Recipe`](crate::Recipe) for the layer, which takes a checksum of each
    /// file during the same pass. The default is false. A layer with a compressed tar among its
    /// sources never has a recipe, because making it requires a place to decompress the tar.
    pub recipe: bool,
    /// Whether a [`Warning`](crate::Warning) is an error. The default is false.
    pub strict: bool,
    /// The files of the layers below. The default is none. See [`LayerOptions::above`].
    pub base: Option<BaseFiles>,
    /// Whether a file may replace a directory of the base, or a directory a file. The default is
    /// false.
    pub replace: bool,
    /// The layout, or any folder, in which to store the blob, as a file in `blobs/sha256`. The
    /// default is none.
    pub store: Option<PathBuf>,
    /// Whether stored blobs survive a power loss, and whether locks protect them from garbage
    /// collectors.
    pub write: WriteOptions,
    /// The folder for temporary files without names, to which compressed tars are decompressed and
    /// pipes copied while they are sources. The default is `store`. The folder must not be part of
    /// the layer.
    pub scratch: Option<PathBuf>,
    /// The blocks of earlier layers. See [`LayerOptions::reuse`].
    pub(crate) earlier: Option<Arc<EarlierBlocks>>,
    /// A folder with blocks. See [`LayerOptions::block_cache`].
    pub(crate) block_cache: Option<Arc<BlockCache>>,
    /// A folder with records of layers. See [`LayerOptions::trust_times`].
    pub(crate) known_layers: Option<Arc<KnownLayers>>,
    /// The threads to use. The default is as many as this process can run in parallel.
    pub pool: Option<Pool>,
    /// Receives the progress.
    pub progress: Option<Progress>,
}

/// The mode and owner of all paths that a glob matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionRule {
    /// A glob on destinations, with or without a leading slash. `*` does not match `/`, but `**`
    /// does.
    pub glob: String,
    /// The permission bits, which do not apply to symbolic links.
    pub mode: Option<u32>,
    /// The user ID.
    pub uid: Option<u64>,
    /// The group ID.
    pub gid: Option<u64>,
}

/// What to do if two mappings provide different entries for the same path. Directories are always
/// merged, and equal files count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnConflict {
    /// Returns an error that names both.
    #[default]
    Error,
    /// The mapping that comes first in the list wins.
    FirstWins,
    /// The mapping that comes last in the list wins.
    LastWins,
}

/// How to treat files with several names (hard links). Hard links in a tar always stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HardLinks {
    /// Each name in a folder becomes a separate file.
    Copy,
    /// Names of the same file in the folder of one mapping become hard links to the first of them,
    /// if their attributes are equal.
    Keep,
    /// Files with equal contents and attributes become hard links to the first of them, whatever
    /// they are in their sources. Empty files stay separate. Files of equal size are read twice.
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
            optional_globs: Vec::new(),
            hard_links: None,
            unpack_limit: 16 << 30,
            recipe: false,
            strict: false,
            base: None,
            replace: false,
            store: None,
            write: WriteOptions::default(),
            scratch: None,
            earlier: None,
            block_cache: None,
            known_layers: None,
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

    /// Stores the blob in `dir/blobs/sha256`, which is created if necessary.
    pub fn store(self, dir: impl Into<PathBuf>) -> Self {
        Self { store: Some(dir.into()), ..self }
    }

    /// Sets whether stored blobs survive a power loss, and whether locks protect them from garbage
    /// collectors.
    pub fn write(self, write: WriteOptions) -> Self {
        Self { write, ..self }
    }

    /// Sets the default modification time in seconds since 1970.
    pub fn mtime(self, mtime: i64) -> Self {
        Self { mtime, ..self }
    }

    /// Sets the default owner and group.
    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    /// Adds a permission rule after the existing ones.
    pub fn permission(mut self, rule: PermissionRule) -> Self {
        self.permissions.push(rule);
        self
    }

    /// Sets what to do if two mappings provide different entries for the same path.
    pub fn on_conflict(self, on_conflict: OnConflict) -> Self {
        Self { on_conflict, ..self }
    }

    /// Sets whether a symbolic link is kept if other mappings have a directory at its path.
    pub fn keep_directory_links(self, keep_directory_links: bool) -> Self {
        Self { keep_directory_links, ..self }
    }

    /// Includes only paths of source folders and tars that match this glob or another one.
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Excludes paths of source folders and tars that match this glob.
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Sets how to treat files with several names.
    pub fn hard_links(self, hard_links: HardLinks) -> Self {
        Self { hard_links: Some(hard_links), ..self }
    }

    /// Sets the maximum number of bytes that unpacking may add to a source tar, and the maximum
    /// size of a pipe.
    pub fn unpack_limit(self, bytes: u64) -> Self {
        Self { unpack_limit: bytes, ..self }
    }

    /// Sets whether to record a [`Recipe`](crate::Recipe).
    pub fn recipe(self, recipe: bool) -> Self {
        Self { recipe, ..self }
    }

    /// Makes the layer above these layers, which are those of a base image or were just made.
    ///
    /// - If a destination passes through a symbolic link of the base, the file lands in the target
    ///   of the link. The link stays.
    /// - A directory of the base keeps its mode, owner, time and extended attributes, except for
    ///   those that a mapping sets.
    /// - A file in the place of a directory, or a directory in the place of a file, is an error,
    ///   unless [`LayerOptions::replace`] allows it.
    /// - A path that a whiteout of the layer removes does not exist for its other files.
    ///
    /// The layer depends on the digests of the layers below, and on nothing else of them.
    pub fn above(self, base: impl Into<BaseFiles>) -> Self {
        Self { base: Some(base.into()), ..self }
    }

    /// Sets whether a file may replace a directory of the base, or a directory a file.
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets whether a [`Warning`](crate::Warning) is an error.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Sets the threads to use.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets the folder in which compressed tars are decompressed and pipes are copied.
    pub fn scratch(self, dir: impl Into<PathBuf>) -> Self {
        Self { scratch: Some(dir.into()), ..self }
    }

    /// Sets the receiver of progress.
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Whether all entries must be known before the first can be written.
    pub(crate) fn needs_all_entries(&self) -> bool {
        self.keep_directory_links
            || matches!(self.hard_links, Some(HardLinks::Keep | HardLinks::Merge))
    }

    pub(crate) fn scratch_dir(&self) -> Option<&Path> {
        self.scratch.as_deref().or(self.store.as_deref())
    }
}
