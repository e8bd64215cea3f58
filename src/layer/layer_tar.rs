//! `layer_tar`: mappings in, a layer out.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        progress::Progress,
        warning::Warning,
    },
    blob::traits::{Blob, Layer},
    document::descriptor::Descriptor,
    layer::{
        build_blob::{MadeReader, make},
        checks::Recorder,
        entry::Entry,
        listing::Listing,
        pipe,
        pipeline::pass,
        source_tar,
        stream::TarStream,
        warnings::Noticed,
    },
    pool::Pool,
    recipe::{
        checks::Checks,
        mapping::{FileMapping, Source},
        options::LayerOptions,
        origin::Recipe,
        spec::LayerSpec,
    },
    store::{blob_files::BlobFiles, checked::CheckedFile},
    tarfile::compression::Compression,
};

/// Makes a layer of these files.
///
/// By default the layer is only described: every source byte is read once, both digests are
/// computed while the bytes pass, and nothing is written. With [`LayerOptions::store`] the blob is
/// written in that same pass.
///
/// The bytes are a function of the mappings, the options and the files' contents alone: entries are
/// sorted, missing parent directories are added (0755, root), and mode, owner and time are what
/// mapping and options say. Where the mappings do not conflict, their order does not matter.
/// `docs/byte-format.md` has every rule.
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
/// Folders are listed while files are read and stored. Whatever fails, what was written of the blob
/// is removed; the folders that were made for it are left.
pub fn layer_tar(
    files: impl IntoIterator<Item = FileMapping>,
    options: impl Into<LayerOptions>,
) -> Result<TarLayer> {
    let options = options.into();
    let files: Vec<FileMapping> = files.into_iter().collect();
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
    let mut recorder =
        (options.recipe && can_be_described(&files)?).then(|| Recorder::new(&stream));
    let mut record = |block: &[u8], hasher: &_| {
        recorder.iter_mut().for_each(|recorder| recorder.block(block, hasher));
        Ok(())
    };
    let finish = || -> Result<Vec<Warning>> {
        let too_large =
            |entry: &Entry| [entry.uid, entry.gid].into_iter().find(|&id| id >= u32::MAX.into());
        let owner =
            stream.first_with(too_large).map(|(path, id)| Warning::OwnerTooLarge { path, id });
        let warnings = [noticed.warnings(), owner.into_iter().collect()].concat();
        Error::refuse_warnings(&warnings, options.strict)?;
        Ok(warnings)
    };
    let (pass, warnings, stored) = match &options.store {
        None => {
            let pass = pass(
                &stream,
                Some(&listing),
                options.compression,
                &pool,
                None,
                &progress,
                &mut record,
            )?;
            (pass, finish()?, None)
        }
        Some(dir) => {
            let store = BlobFiles::create(dir, options.write)?;
            let mut blob = store.new_blob()?;
            let pass = pass(
                &stream,
                Some(&listing),
                options.compression,
                &pool,
                Some(&mut blob),
                &progress,
                &mut record,
            )?;
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
                options: LayerOptions {
                    store: None,
                    progress: None,
                    base,
                    strict: false,
                    ..options.clone()
                },
            };
            let recipe = Recipe::of_tar(descriptor.clone(), spec, Arc::clone(checks));
            Some(recipe.of_layer(diff_id).made_by(created_by.clone()).pool(&pool))
        }
        None => None,
    };
    let compression = options.compression;
    Ok(TarLayer {
        descriptor,
        diff_id,
        created_by,
        compression,
        stream,
        pool,
        stored,
        checks,
        recipe,
        warnings,
    })
}

/// Whether the sources are all that is needed to make the layer again, in any place: a compressed
/// tar needs a folder to be unpacked in, and a pipe is read once.
fn can_be_described(files: &[FileMapping]) -> Result<bool> {
    for mapping in files {
        let can = match &mapping.source {
            Source::Tar(tar) => source_tar::open::can_be_read_again(tar)?,
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

/// A layer made by [`layer_tar`]: stored, or only described. Described, its bytes are made again
/// when somebody reads them, which reads the sources a second time.
#[derive(Clone)]
pub struct TarLayer {
    descriptor: Descriptor,
    diff_id: Digest,
    created_by: String,
    compression: Compression,
    stream: Arc<TarStream>,
    pool: Pool,
    /// The blob's file, and the hold on its layout: nobody collects the blob before an index can
    /// name it.
    stored: Option<(PathBuf, Arc<BlobFiles>)>,
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
