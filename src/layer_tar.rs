//! `layer_tar`: mappings in, a layer out.

pub(crate) mod attributes;
pub(crate) mod base;
mod by_path;
pub(crate) mod checks;
mod codec;
mod compression;
mod directory_links;
mod entry;
mod follow;
mod glob;
mod links;
mod listing;
pub(crate) mod making;
mod mapping;
mod noticed;
mod own_store;
pub(crate) mod path;
mod pipe;
mod pipeline;
mod pseudo_file;
mod representable;
mod source_folder;
mod source_tar;
pub(crate) mod stream;
pub(crate) mod tar;
pub(crate) mod target;
mod tree;
pub(crate) mod xattrs;

use std::{
    fmt,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

pub use self::{
    base::BaseFiles,
    codec::BYTE_FORMAT,
    compression::Compression,
    mapping::{Attribute, Attributes, FileMapping, Source},
};
use crate::{
    blob::{Blob, Layer},
    checked::CheckedFile,
    descriptor::Descriptor,
    digest::Digest,
    error::{Error, Result},
    image_layout::store::BlobStore,
    layer_tar::{
        checks::{Checks, Recorder},
        entry::Entry,
        listing::{Listing, list},
        making::{MadeReader, make},
        noticed::Noticed,
        pipeline::pass,
        stream::TarStream,
    },
    pool::Pool,
    recipe::Recipe,
    spec::LayerSpec,
    warning::Warning,
    write_options::WriteOptions,
};

/// Makes a layer of these files.
///
/// By default the layer is only described: every source byte is read once, both digests are computed while the bytes
/// pass, and nothing is written. With [`LayerOptions::store`] the blob is written in that same pass.
///
/// The bytes are a function of the mappings, the options and the files' contents alone: entries are sorted, missing
/// parent directories are added (0755, root), and mode, owner and time are what mapping and options say. Where the
/// mappings do not conflict, their order does not matter. `docs/byte-format.md` has every rule.
///
/// ```
/// use oci_layout::{Blob, FileMapping, Layer, LayerOptions, layer_tar};
/// let files = [FileMapping::text("hello\n", "/etc/motd"), FileMapping::directory("/tmp").mode(0o1777)];
/// let layer = layer_tar(files, LayerOptions::default())?;
/// // The sha256 of a tar with etc/, etc/motd and tmp/.
/// assert_eq!(layer.diff_id().to_string(), "sha256:05e4e356ec29650a5837fd063bfd6cf64dec3e89ccb4194e28b42c3d0d7d31d4");
/// println!("{} bytes as {}", layer.descriptor().size, layer.descriptor().media_type);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// - [`Error::SourceMissing`], [`Error::SourceUnreadable`], [`Error::SourceKind`], [`Error::SourceNotAFile`],
///   [`Error::SourcePipe`], [`Error::SourcePipeTwice`], [`Error::SourceSize`], [`Error::SourceTar`] for a source;
/// - [`Error::SourceChanged`] if one changes while it is read;
/// - [`Error::Destination`] for a destination with `..`, or a name that means a whiteout;
/// - [`Error::Conflict`] if two mappings want different things at one path;
/// - [`Error::Glob`], [`Error::Invalid`], [`Error::Compression`], [`Error::CodecBytes`], [`Error::ScratchNeeded`] for
///   what the options or a mapping ask; [`Error::Invalid`] too if `store` or `scratch` would be a part of the layer,
///   and for an entry that no reader can unpack;
/// - [`Error::Warning`] if `strict` is set and there is a [`Warning`];
/// - [`Error::Write`] if the blob can't be stored.
///
/// Folders are listed while files are read and stored. Whatever fails, what was written of the blob is removed; the
/// folders that were made for it are left.
pub fn layer_tar<M: Into<FileMapping>>(
    files: impl IntoIterator<Item = M>,
    options: impl Into<LayerOptions>,
) -> Result<TarLayer> {
    let options = options.into();
    let files: Vec<FileMapping> = files.into_iter().map(Into::into).collect();
    let pool = options.pool.clone().unwrap_or_else(Pool::available);
    let stream = Arc::new(TarStream::default());
    let noticed = Arc::new(Noticed::new(&options));
    let listing = Listing::new(&files, &options, &pool, &stream, &noticed)?;
    let progress = |done: u64| {
        if let (Some(Progress(report)), Some(total)) = (&options.progress, stream.total()) {
            report(done, total);
        }
    };
    let base = listing.base();
    let mut recorder = (options.recipe && can_be_described(&files)?).then(|| Recorder::new(&stream));
    let mut record = |block: &[u8], hasher: &_| {
        recorder.iter_mut().for_each(|recorder| recorder.block(block, hasher));
        Ok(())
    };
    let finish = || -> Result<Vec<Warning>> {
        let too_large = |entry: &Entry| [entry.uid, entry.gid].into_iter().find(|&id| id >= u32::MAX.into());
        let owner = stream.first_with(too_large).map(|(path, id)| Warning::OwnerTooLarge { path, id });
        let warnings = [noticed.warnings(), owner.into_iter().collect()].concat();
        Warning::refuse(&warnings, options.strict)?;
        Ok(warnings)
    };
    let (pass, warnings, stored) = match &options.store {
        None => {
            let pass = pass(&stream, Some(&listing), options.compression, &pool, None, &progress, &mut record)?;
            (pass, finish()?, None)
        }
        Some(dir) => {
            let store = BlobStore::create(dir, options.write)?;
            let mut blob = store.new_blob()?;
            let pass =
                pass(&stream, Some(&listing), options.compression, &pool, Some(&mut blob), &progress, &mut record);
            let pass = pass.map_err(|error| blob.name_error(error))?;
            // What is refused is not kept.
            let warnings = finish()?;
            let path = store.keep(blob, pass.digest)?;
            (pass, warnings, Some((path, Arc::new(store))))
        }
    };
    let descriptor = Descriptor::new(options.compression.media_type(), pass.digest, pass.size);
    let (diff_id, created_by) = (pass.diff_id, created_by(&files));
    let checks = recorder.map(|recorder| Arc::new(recorder.finish()));
    let recipe = match &checks {
        Some(checks) => {
            let spec = LayerSpec {
                files: with_absolute_sources(files)?,
                options: LayerOptions { store: None, progress: None, base, strict: false, ..options.clone() },
            };
            let recipe = Recipe::of_tar(descriptor.clone(), spec, Arc::clone(checks));
            Some(recipe.of_layer(diff_id).made_by(created_by.clone()).pool(&pool))
        }
        None => None,
    };
    let compression = options.compression;
    Ok(TarLayer { descriptor, diff_id, created_by, compression, stream, pool, stored, checks, recipe, warnings })
}

/// Whether the sources are all that is needed to make the layer again, in any place: a compressed tar needs a folder to
/// be unpacked in, and a pipe is read once.
fn can_be_described(files: &[FileMapping]) -> Result<bool> {
    for mapping in files {
        let can = match &mapping.source {
            Source::Tar(tar) => source_tar::can_be_read_again(tar)?,
            Source::Path(path) => !pipe::is_pipe(path),
            _ => true,
        };
        if !can {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The mappings with sources that mean the same in any working directory.
fn with_absolute_sources(mut files: Vec<FileMapping>) -> Result<Vec<FileMapping>> {
    for mapping in &mut files {
        if let Source::Path(source) | Source::Tar(source) = &mut mapping.source {
            *source = absolute(&*source).map_err(|cause| Error::source(&*source, cause))?;
        }
    }
    Ok(files)
}

/// Makes a layer that was described again, into the sink.
pub(crate) fn make_again(
    LayerSpec { files, options }: &LayerSpec,
    checks: &Checks,
    descriptor: &Descriptor,
    pool: &Pool,
    sink: &mut (dyn Write + Send),
) -> Result<()> {
    let stream = list(files, options, pool).map_err(|error| match error {
        Error::SourceMissing { path } => Error::SourceOutdated { digest: descriptor.digest, path, change: "vanished" },
        other => other,
    })?;
    make(&stream, options.compression, descriptor, Some(checks), pool, sink)
}

/// How [`layer_tar`] makes a layer. The default describes a gzip layer and writes nothing.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// gzip by default.
    pub compression: Compression,
    /// The time of modification of whatever has none of its own, in seconds since 1970; 1 by default, which is what
    /// the Nix store holds, so that byte code compiled there stays valid.
    pub mtime: i64,
    /// Owner and group of whatever has none of its own; 0 and 0 by default. Parent directories that no mapping
    /// brings are root's all the same.
    pub owner: (u64, u64),
    /// Applied to every entry in this order, after what the mappings say.
    pub permissions: Vec<PermissionRule>,
    /// What happens when two mappings want different things at one path.
    pub on_conflict: OnConflict,
    /// Whether a symbolic link keeps its place where other mappings have a directory: what is in the directory lands
    /// where the link leads in the same layer, as by `tar --keep-directory-symlink`. Off by default, when the two
    /// conflict.
    pub keep_directory_links: bool,
    /// Globs on paths in every source folder and tar, before those of the mapping's own
    /// [`include`](FileMapping::include).
    pub include: Vec<String>,
    /// Globs on paths in every source folder and tar, before those of the mapping's own
    /// [`exclude`](FileMapping::exclude).
    pub exclude: Vec<String>,
    /// What becomes of files with several names. By default each name in a folder is a file of its own, as with
    /// [`HardLinks::Copy`], and a [`Warning`] says so.
    pub hard_links: Option<HardLinks>,
    /// The most bytes that a source tar may have beyond those that are stored: what it decompresses to, and the holes of
    /// its sparse files; and the most bytes that a pipe may give. 16 GiB by default, so that a small file does not fill
    /// the disk.
    pub unpack_limit: u64,
    /// Whether the layer can be described to others by a [`Recipe`], which takes a checksum of each file more in the same
    /// pass; off by default. A layer with a compressed tar among its sources has no recipe all the same: making it needs
    /// a place to unpack the tar.
    pub recipe: bool,
    /// Whether a [`Warning`] is an error; off by default.
    pub strict: bool,
    /// The files of the layers below; none by default. See [`LayerOptions::above`].
    pub base: Option<BaseFiles>,
    /// Whether a file may take the place of a directory of the base, and a directory that of a file; off by default.
    pub replace: bool,
    /// The layout (or any folder) whose `blobs/sha256` takes the blob; none by default.
    pub store: Option<PathBuf>,
    /// What survives a power loss of what is stored, and whether locks keep collectors of garbage away.
    pub write: WriteOptions,
    /// Where a compressed tar is unpacked, and a pipe copied, while it is a source, into a file without a name; `store`
    /// by default. As that, it must not be a part of the layer.
    pub scratch: Option<PathBuf>,
    /// The threads; by default as many as this process may run at once.
    pub pool: Option<Pool>,
    /// Told now and then how far it is.
    pub progress: Option<Progress>,
}

/// Mode and owner for every path that a glob matches.
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionRule {
    /// A glob on destinations, with or without the leading slash; `*` does not cross `/`, `**` does.
    pub glob: String,
    /// The permission bits, symbolic links aside.
    pub mode: Option<u32>,
    /// The owner's number.
    pub uid: Option<u64>,
    /// The group's number.
    pub gid: Option<u64>,
}

/// What happens when two mappings want different things at one path. Directories merge, and equal files are one
/// file, whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HardLinks {
    /// Each name in a folder is a file of its own.
    Copy,
    /// Names of one file in one mapping's folder are hard links to the first of them, if their attributes are equal.
    Keep,
    /// Files of equal contents and attributes become hard links to the first of them, whatever they are in their
    /// sources; empty ones aside. Files that have another one's size are read twice.
    Merge,
}

/// A function that is told how many bytes of how many are done.
#[derive(Clone)]
pub struct Progress(pub(crate) Arc<dyn Fn(u64, u64) + Send + Sync>);

impl Progress {
    /// Calls this function, from any thread, with the bytes that are done and their whole number: those of the tar, from
    /// when all files are found, or those that are pulled.
    pub fn new(report: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
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

    /// Sets what survives a power loss of what is stored, and whether locks keep collectors of garbage away.
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

    /// Sets whether the layer has a [`Recipe`].
    pub fn recipe(self, recipe: bool) -> Self {
        Self { recipe, ..self }
    }

    /// Makes the layer for a place above these layers: those of a base image, or layers that were just made.
    ///
    /// - A destination that passes through a symbolic link of the base lands where the link leads. The link stays.
    /// - A directory that the base has keeps its mode, owner, time and extended attributes, but for those that a mapping
    ///   sets.
    /// - A file in the place of a directory, or the reverse, is an error, unless [`LayerOptions::replace`] allows it.
    /// - What a whiteout of the layer removes is not there for its other files.
    ///
    /// The layer depends on the digests of the layers below and on nothing else of them.
    pub fn above(self, base: impl Into<BaseFiles>) -> Self {
        Self { base: Some(base.into()), ..self }
    }

    /// Sets whether a file may take the place of a directory of the base, and a directory that of a file.
    pub fn replace(self, replace: bool) -> Self {
        Self { replace, ..self }
    }

    /// Sets whether a [`Warning`] is an error.
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
        self.keep_directory_links || matches!(self.hard_links, Some(HardLinks::Keep | HardLinks::Merge))
    }

    pub(crate) fn scratch_dir(&self) -> Option<&Path> {
        self.scratch.as_deref().or(self.store.as_deref())
    }
}

/// A layer made by [`layer_tar`]: stored, or only described. Described, its bytes are made again when somebody
/// reads them, which reads the sources a second time.
#[derive(Clone)]
pub struct TarLayer {
    descriptor: Descriptor,
    diff_id: Digest,
    created_by: String,
    compression: Compression,
    stream: Arc<TarStream>,
    pool: Pool,
    /// The blob's file, and the hold on its layout: nobody collects the blob before an index can name it.
    stored: Option<(PathBuf, Arc<BlobStore>)>,
    checks: Option<Arc<Checks>>,
    recipe: Option<Recipe>,
    warnings: Vec<Warning>,
}

impl TarLayer {
    /// What is probably a mistake in the mappings or options.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The size of the uncompressed tar, in bytes.
    pub fn tar_size(&self) -> u64 {
        self.stream.size()
    }
}

impl fmt::Debug for TarLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TarLayer");
        debug.field("descriptor", &self.descriptor).field("diff_id", &self.diff_id).field("file", &self.file());
        debug.finish_non_exhaustive()
    }
}

impl Blob for TarLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        if let Some(path) = self.file() {
            return Ok(Box::new(File::open(path).map_err(Error::read(path))?));
        }
        let (stream, compression, pool) = (Arc::clone(&self.stream), self.compression, self.pool.clone());
        let (descriptor, checks) = (self.descriptor.clone(), self.checks.clone());
        Ok(Box::new(MadeReader::new(descriptor.digest, move |sink| {
            make(&stream, compression, &descriptor, checks.as_deref(), &pool, sink)
        })))
    }

    fn file(&self) -> Option<&Path> {
        self.stored.as_ref().map(|(path, _)| path.as_path())
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        let stored = self.stored.as_ref();
        stored.map(|(path, store)| store.checked(path, &self.descriptor)).transpose()
    }

    fn recipe(&self) -> Option<Recipe> {
        match self.file() {
            Some(file) => {
                let recipe = Recipe::of_file(self.descriptor.clone(), file, 0).ok()?;
                Some(recipe.of_layer(self.diff_id).made_by(self.created_by.clone()))
            }
            None => self.recipe.clone(),
        }
    }
}

impl Layer for TarLayer {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn created_by(&self) -> String {
        self.created_by.clone()
    }
}

impl From<TarLayer> for Arc<dyn Layer> {
    fn from(layer: TarLayer) -> Self {
        Arc::new(layer)
    }
}

/// Destinations only: a source's path says where somebody works, not what is in the image.
fn created_by(files: &[FileMapping]) -> String {
    const NAMED: usize = 8;
    let mut text = "oci-layout layer-tar".to_owned();
    for mapping in files.iter().take(NAMED) {
        text.push(' ');
        text.push_str(&mapping.destination.to_string_lossy());
    }
    if files.len() > NAMED {
        text.push_str(&format!(" and {} more", files.len() - NAMED));
    }
    text
}
