//! `layer_tar` makes a layer from mappings.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf, absolute},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    basics::{Digest, Error, Progress, Result, Warning},
    blob::{Blob, Layer},
    document::Descriptor,
    layer::{
        build_blob::{MadeReader, make},
        checks::Recorder,
        entry::Entry,
        listing::Listing,
        pipe,
        pipeline::{Pass, Tar, pass},
        pseudo_file::check_empty_files,
        source_tar,
        stream::TarStream,
        trusted_times::FileStates,
        warnings::Noticed,
    },
    pool::Pool,
    recipe::{Checks, FileMapping, LayerOptions, LayerSpec, Recipe, Source},
    store::{BlobFiles, CheckedFile, Lease, NewBlob},
    tarfile::Compression,
};

/// Makes a layer from these files.
///
/// By default the layer is only described: every source byte is read once to compute both digests,
/// and nothing is written. With [`LayerOptions::store`], the same pass writes the blob.
///
/// The bytes are a function of the mappings, the options and the contents of the files. Entries are
/// sorted, missing parent directories are added (0755, root), and mode, owner and time are those of
/// the mappings and options. The order of mappings does not matter if they do not conflict.
/// `docs/byte-format.md` has all rules.
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
/// - [`Error::SourceMissing`], [`Error::SourceUnreadable`], [`Error::SourceKind`],
///   [`Error::SourceNotAFile`], [`Error::SourcePipe`], [`Error::SourcePipeTwice`],
///   [`Error::SourceSize`], [`Error::SourceTar`] for a source;
/// - [`Error::SourceChanged`] if one changes while it is read;
/// - [`Error::Destination`] for a destination with `..`, or a name that means a whiteout;
/// - [`Error::Conflict`] if two mappings want different things at one path;
/// - [`Error::Glob`], [`Error::Invalid`], [`Error::Compression`], [`Error::CodecBytes`],
///   [`Error::ScratchNeeded`] for what the options or a mapping ask; [`Error::Invalid`] too if
///   `store` or `scratch` would be a part of the layer, and for an entry that no reader can unpack;
/// - [`Error::Warning`] if `strict` is set and there is a [`Warning`];
/// - [`Error::Write`] if the blob can't be stored.
///
/// Folders are listed while files are read and stored. After an error, the incomplete blob is
/// removed, but not the folders that were created for it.
pub fn layer_tar(
    files: impl IntoIterator<Item = FileMapping>,
    options: impl Into<LayerOptions>,
) -> Result<TarLayer> {
    let options = options.into();
    let files: Vec<FileMapping> = files.into_iter().collect();
    let pool = options.pool.clone().unwrap_or_else(Pool::available);
    let stream = Arc::new(TarStream::default());
    let noticed = Arc::new(Noticed::new(&options));
    let begun = SystemTime::now();
    let listing = Listing::new(&files, &options, &pool, &stream, &noticed)?;
    if options.known_layers.is_some() {
        listing.finish(&stream, &pool)?;
    }
    let progress = |done: u64| {
        if let (Some(Progress(report)), Some(total)) = (&options.progress, stream.total()) {
            report(done, total);
        }
    };
    let packing = Packing {
        stream: &stream,
        listing: Some(&listing),
        options: &options,
        pool: &pool,
        record: options.recipe && can_be_described(&files)?,
        begun,
    };
    let created_by = created_by(&files);
    let layer = packing.pack(created_by.clone(), &progress, || noticed.warnings())?;
    let Some(checks) = layer.checks.clone() else { return Ok(layer) };
    let base = listing.base();
    drop(listing);
    let spec = LayerSpec {
        files: with_absolute_sources(files)?,
        options: LayerOptions {
            store: None,
            progress: None,
            earlier: None,
            block_cache: None,
            known_layers: None,
            base,
            strict: false,
            ..options.clone()
        },
    };
    let recipe = Recipe::of_tar(layer.descriptor.clone(), spec, checks);
    let recipe = recipe.of_layer(layer.diff_id).made_by(created_by).pool(&pool);
    Ok(TarLayer { recipe: Some(recipe), ..layer })
}

/// A tar to be packed as a layer.
pub(crate) struct Packing<'a, 'l> {
    pub(crate) stream: &'a Arc<TarStream>,
    /// Finds the entries. `None` if all are known.
    pub(crate) listing: Option<&'a Listing<'l>>,
    pub(crate) options: &'a LayerOptions,
    pub(crate) pool: &'a Pool,
    /// Whether to compute what a recipe needs.
    pub(crate) record: bool,
    /// When the listing began.
    pub(crate) begun: SystemTime,
}

impl Packing<'_, '_> {
    /// Computes the digests, and stores the blob if the options say so. The layer has no recipe.
    /// `warnings` returns what was noticed, after everything was read.
    pub(crate) fn pack(
        &self,
        created_by: String,
        progress: &(dyn Fn(u64) + Sync),
        warnings: impl FnOnce() -> Vec<Warning>,
    ) -> Result<TarLayer> {
        let Self { stream, options, pool, .. } = *self;
        let store = options.store.as_deref().map(|dir| BlobFiles::create(dir, options.write));
        let store = store.transpose()?;
        let mut blob = store.as_ref().map(BlobFiles::new_blob).transpose()?;
        let states = self.states();
        let (Pass { diff_id, descriptor, untabled }, checks) =
            self.made(states.as_ref(), blob.as_mut(), progress)?;
        let too_large =
            |entry: &Entry| [entry.uid, entry.gid].into_iter().find(|&id| id >= u32::MAX.into());
        let mut warnings = warnings();
        warnings.extend(
            stream.first_with(too_large).map(|(path, id)| Warning::OwnerTooLarge { path, id }),
        );
        warnings.extend(untabled.map(|reason| Warning::NoTable { reason }));
        // A layer that is refused is not stored.
        Error::refuse_warnings(&warnings, options.strict)?;
        let stored = match store.zip(blob) {
            Some((store, blob)) => {
                Some(Arc::new(StoredBlob::keep(store, blob, descriptor.digest)?))
            }
            None => None,
        };
        Ok(TarLayer {
            descriptor,
            diff_id,
            created_by,
            compression: options.compression,
            stream: Arc::clone(stream),
            pool: pool.clone(),
            stored,
            checks: checks.map(Arc::new),
            states,
            recipe: None,
            warnings,
        })
    }

    /// The state of the files, if the options trust it.
    fn states(&self) -> Option<FileStates> {
        let Self { stream, options, record, begun, .. } = *self;
        let known = options.known_layers.as_ref().filter(|_| stream.total().is_some())?;
        FileStates::of(known, stream, options.compression, record, begun)
    }

    /// Finds the results, and the blob, if the files are unchanged, or else makes them.
    fn made(
        &self,
        states: Option<&FileStates>,
        mut blob: Option<&mut NewBlob>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Pass, Option<Checks>)> {
        if let Some(found) = states.and_then(FileStates::find)
            && self.copy_earlier(&found.0, blob.as_deref_mut())?
        {
            return Ok(found);
        }
        let made = self.pass(blob, progress)?;
        check_empty_files(self.stream)?;
        if let Some(states) = states {
            states.record(&made.0, made.1.as_ref());
        }
        Ok(made)
    }

    /// Copies the blob of an earlier layer. Returns whether there is one, or none is needed.
    fn copy_earlier(&self, pass: &Pass, blob: Option<&mut NewBlob>) -> Result<bool> {
        let Some(blob) = blob else { return Ok(true) };
        let earlier = self
            .options
            .earlier
            .as_deref()
            .and_then(|earlier| earlier.blob(pass.descriptor.digest));
        earlier.map_or(Ok(false), |earlier| blob.copy_checked(earlier).map(|()| true))
    }

    fn pass(
        &self,
        blob: Option<&mut NewBlob>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Pass, Option<Checks>)> {
        let Self { stream, listing, options, pool, record, .. } = *self;
        let mut recorder = record.then(|| Recorder::new(stream));
        let mut record = |block: &[u8], hasher: &_| {
            recorder.iter_mut().for_each(|recorder| recorder.block(block, hasher));
            Ok(())
        };
        let tar = Tar {
            stream,
            listing,
            compression: options.compression,
            earlier: options.earlier.as_deref(),
            cache: options.block_cache.as_deref(),
            pool,
        };
        let sink = blob.map(|blob| blob as &mut (dyn Write + Send));
        let made = pass(tar, sink, progress, &mut record)?;
        Ok((made, recorder.map(Recorder::finish)))
    }
}

/// Whether the layer can be made again from its sources alone: a compressed tar needs a folder to
/// decompress it in, and a pipe can only be read once.
fn can_be_described(files: &[FileMapping]) -> Result<bool> {
    for mapping in files {
        let can = match &mapping.source {
            Source::Tar(tar) => source_tar::open::can_be_read_again(tar)?,
            Source::Path(path) => !pipe::is_pipe(path),
            Source::Bytes(_)
            | Source::Symlink(_)
            | Source::Directory
            | Source::Whiteout
            | Source::OpaqueWhiteout => true,
        };
        if !can {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Converts the sources of the mappings to absolute paths, which do not depend on the working
/// directory.
fn with_absolute_sources(mut files: Vec<FileMapping>) -> Result<Vec<FileMapping>> {
    for mapping in &mut files {
        if let Source::Path(path) | Source::Tar(path) = &mut mapping.source {
            *path = absolute(&*path).map_err(|cause| Error::source(&*path, cause))?;
        }
    }
    Ok(files)
}

/// The file of a stored layer. Garbage collection does not remove it before an index can name it.
pub(crate) struct StoredBlob {
    pub(crate) path: PathBuf,
    pub(crate) files: BlobFiles,
    _lease: Option<Lease>,
}

impl StoredBlob {
    pub(crate) fn keep(files: BlobFiles, blob: NewBlob, digest: Digest) -> Result<Self> {
        let path = files.keep(blob, digest)?;
        Ok(Self { path, _lease: files.lease()?, files })
    }
}

/// A layer made by [`layer_tar`], either stored or only described. Reading a described layer makes
/// its bytes again, which reads the sources a second time.
#[derive(Clone)]
pub struct TarLayer {
    descriptor: Descriptor,
    diff_id: Digest,
    created_by: String,
    compression: Compression,
    stream: Arc<TarStream>,
    pool: Pool,
    stored: Option<Arc<StoredBlob>>,
    checks: Option<Arc<Checks>>,
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the program uses it"))]
    states: Option<FileStates>,
    recipe: Option<Recipe>,
    warnings: Vec<Warning>,
}

impl TarLayer {
    /// Probable mistakes in the mappings or options.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The state of the files when the layer was made, if the options trust it.
    #[cfg(feature = "cli")]
    pub(crate) fn states(&self) -> Option<&FileStates> {
        self.states.as_ref()
    }

    /// The entries, whose contents can be read again.
    #[cfg(feature = "cli")]
    pub(crate) fn stream(&self) -> &TarStream {
        &self.stream
    }

    /// The size of the uncompressed tar, in bytes.
    pub fn tar_size(&self) -> u64 {
        self.stream.size()
    }
}

impl fmt::Debug for TarLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TarLayer");
        debug
            .field("descriptor", &self.descriptor)
            .field("diff_id", &self.diff_id)
            .field("file", &self.file());
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
        let (stream, compression, pool) =
            (Arc::clone(&self.stream), self.compression, self.pool.clone());
        let (descriptor, checks) = (self.descriptor.clone(), self.checks.clone());
        Ok(Box::new(MadeReader::new(descriptor.digest, move |sink| {
            make(&stream, compression, &descriptor, checks.as_deref(), &pool, sink)
        })))
    }

    fn file(&self) -> Option<&Path> {
        self.stored.as_ref().map(|blob| &*blob.path)
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        let stored = self.stored.as_ref();
        stored.map(|blob| blob.files.checked(&blob.path, &self.descriptor)).transpose()
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

/// Contains only destinations, because the paths of sources depend on the machine instead of the
/// image.
pub(crate) fn created_by(files: &[FileMapping]) -> String {
    named(files.iter().map(|mapping| mapping.destination.to_string_lossy()))
}

/// What the history of an image says of a layer with these paths.
pub(crate) fn named<'a>(paths: impl ExactSizeIterator<Item = Cow<'a, str>>) -> String {
    const NAMED: usize = 8;
    let count = paths.len();
    let mut text = "oci-layout layer-tar".to_owned();
    for path in paths.take(NAMED) {
        text.push(' ');
        text.push_str(&path);
    }
    if count > NAMED {
        text.push_str(&format!(" and {} more", count - NAMED));
    }
    text
}
