//! The folders that steps exchange: each holds a layer, a configuration or an image on disk, as
//! input for the next step.
//!
//! | folder of | holds |
//! |---|---|
//! | a layer | `media-descriptor.json`, `DiffID`, `history.json`, and its blob |
//! | a configuration | `media-descriptor.json`, `platform.json`, and its blob |
//! | an image | `media-descriptor.json`, with the platform in it, and the blobs of manifest, configuration and layers |
//! | several layers | `layers.json`, and the folders of layers that it lists, lowest first |
//!
//! - `blobs/sha256/HEX`: the blobs, as in an image layout.
//! - `media-descriptor.json`: the descriptor of the layer, the configuration or the manifest.
//! - `DiffID`: `sha256:` and 64 hexadecimal digits, without a trailing newline. Readers ignore
//!   surrounding white space.
//! - `history.json`: the history entry of the layer, `{"created_by":"…"}`. Optional.
//! - `platform.json`: the platform of the image, for tools that need it before the image exists.
//!   This crate does not read it.
//! - `recipes/sha256/HEX.json`: the [`Recipe`] of a layer that was only described, instead of its
//!   blob.
//!
//! A folder is self-contained: it refers to no path outside unless it has a recipe or was written
//! by [`link_image`]. Opening a folder checks the descriptor and that the blobs, or their recipes,
//! exist, by name and size. Their bytes are verified before they are used. Links and recipes lead
//! to files elsewhere, and are followed according to [`RecipeTrust`].

use std::{
    fmt, fs, io,
    os::unix::fs::symlink,
    path::{self, Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
    },
    blob::traits::{Blob, FileBlob, Layer},
    document::{
        configuration::History,
        descriptor::{Descriptor, MediaType},
        layout_paths::{MARKER, blob_name},
        manifest::Manifest,
    },
    image::{config::ImageConfig, graph::Image},
    layout::{
        blob_store::BlobStore,
        files::{LayoutBlob, LayoutFiles},
    },
    pool::Pool,
    recipe::{options::LayerOptions, origin::Recipe, trust::RecipeTrust},
    store::{
        beneath, checked::CheckedFile, file_kind::FileKind, new_file::replace,
        write_options::WriteOptions,
    },
};

const DESCRIPTOR: &str = "media-descriptor.json";
const DIFF_ID: &str = "DiffID";
const HISTORY: &str = "history.json";
const PLATFORM: &str = "platform.json";
const LAYERS: &str = "layers.json";

/// Writes the folder of a layer. If the layer was stored in the same folder, its blob stays in
/// place. If it was described with [`LayerOptions::recipe`](crate::LayerOptions::recipe), the
/// folder gets its recipe, sealed with the key of `trust`. Any other layer is built.
///
/// ```
/// # use oci_layout::{FileMapping, Layer, LayerOptions, RecipeTrust, WriteOptions, folder, layer_tar};
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("layer");
/// let layer = layer_tar([FileMapping::text("hello\n", "/etc/motd")], LayerOptions::default().store(&dir))?;
/// folder::write_layer(&dir, &layer, &RecipeTrust::default(), WriteOptions::default())?;
/// assert_eq!(folder::open_layer(&dir, &RecipeTrust::default())?.diff_id(), layer.diff_id());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Write`], and any error from building a layer that was only described.
pub fn write_layer(
    dir: impl AsRef<Path>,
    layer: &dyn Layer,
    trust: &RecipeTrust,
    options: WriteOptions,
) -> Result<()> {
    let dir = dir.as_ref();
    let _store = store(dir, [layer as &dyn Blob], is_made, trust, &Pool::new(1), options)?;
    replace(&dir.join(DIFF_ID), &[layer.diff_id().to_string().as_bytes()], options)?;
    let history = History { created_by: Some(layer.created_by()), ..History::default() };
    replace(&dir.join(HISTORY), &[&json::to_bytes(&history)], options)?;
    write_last(dir, DESCRIPTOR, &json::to_bytes(layer.descriptor()), options)
}

/// Opens the folder of a layer. If it holds a recipe, reading the layer follows the recipe as
/// `trust` allows.
///
/// # Errors
///
/// [`Error::NotALayout`] if the folder does not hold a layer; [`Error::Layout`], with the command
/// that writes the folder, if it lacks a part. [`Error::RecipeUntrusted`] for a recipe, or a link
/// instead of a blob, that may not be followed.
pub fn open_layer(dir: impl AsRef<Path>, trust: &RecipeTrust) -> Result<LayerFolder> {
    let folder = Folder::open(dir.as_ref(), "a layer", "layer-tar", trust)?;
    let descriptor = folder.descriptor(MediaType::is_layer)?;
    let diff_id = folder.required(DIFF_ID)?;
    let diff_id = String::from_utf8_lossy(&diff_id).trim().parse();
    let diff_id = diff_id
        .map_err(|error| folder.broken(format!("has a {DIFF_ID} that cannot be read: {error}")))?;
    let history: History = match folder.files.small_file(HISTORY)? {
        Some(bytes) => folder.parse(HISTORY, &bytes)?,
        None => History::default(),
    };
    let blob = folder.blob_or_recipe(descriptor)?;
    Ok(LayerFolder { blob, diff_id, created_by: history.created_by.unwrap_or_default() })
}

/// Marks this folder as one of several layers. `names` are the layer folders inside it, lowest
/// first.
///
/// # Errors
///
/// [`Error::Write`].
pub fn write_layers(dir: impl AsRef<Path>, names: &[String], options: WriteOptions) -> Result<()> {
    write_last(dir.as_ref(), LAYERS, &json::to_bytes(&names), options)
}

/// Sets what is kept of a layer in its folder: the blob, or only the recipe if it is `lazy`.
pub fn keep_layer(options: LayerOptions, dir: impl Into<PathBuf>, lazy: bool) -> LayerOptions {
    if lazy { options.recipe(true).scratch(dir) } else { options.store(dir) }
}

/// Opens folders that each hold one or several layers. Returns the layers, lowest first.
///
/// # Errors
///
/// As [`open_layer`].
pub fn open_layers(dirs: &[impl AsRef<Path>], trust: &RecipeTrust) -> Result<Vec<LayerFolder>> {
    let mut layers = Vec::new();
    for dir in dirs {
        let dir = dir.as_ref();
        let folder = Folder::open(dir, "a layer", "layer-tar", trust)?;
        let Some(bytes) = folder.files.small_file(LAYERS)? else {
            layers.push(open_layer(dir, trust)?);
            continue;
        };
        for name in folder.parse::<Vec<String>>(LAYERS, &bytes)? {
            layers.push(open_layer(dir.join(name), trust)?);
        }
    }
    Ok(layers)
}

/// Writes the folder of a configuration. It does not include the layers of a base image; building
/// an image from it requires the base image again.
///
/// # Errors
///
/// [`Error::Write`].
pub fn write_config(
    dir: impl AsRef<Path>,
    config: &ImageConfig,
    options: WriteOptions,
) -> Result<()> {
    let dir = dir.as_ref();
    let _store = store(
        dir,
        [config as &dyn Blob],
        is_made,
        &RecipeTrust::default(),
        &Pool::new(1),
        options,
    )?;
    replace(&dir.join(PLATFORM), &[&json::to_bytes(&config.document().platform())], options)?;
    write_last(dir, DESCRIPTOR, &json::to_bytes(config.descriptor()), options)
}

/// Opens the folder of a configuration.
///
/// # Errors
///
/// [`Error::NotALayout`] if the folder does not hold a configuration; [`Error::Layout`], with the
/// command that writes the folder, if it lacks a part. [`Error::BlobDamaged`] if the configuration
/// does not match its descriptor.
pub fn open_config(dir: impl AsRef<Path>, trust: &RecipeTrust) -> Result<ImageConfig> {
    let folder = Folder::open(dir.as_ref(), "a configuration", "image-config", trust)?;
    let descriptor = folder.descriptor(|media_type| media_type.to_oci() == MediaType::CONFIG)?;
    ImageConfig::from_bytes(folder.document(&descriptor)?)
}

/// Writes the folder of an image: its manifest and every blob that the manifest names. Layers that
/// were only described are written as their recipes. The names of the image are not stored.
///
/// # Errors
///
/// [`Error::Write`], and any error from reading a blob.
pub fn write_image(
    dir: impl AsRef<Path>,
    image: impl Into<Image>,
    trust: &RecipeTrust,
    pool: &Pool,
    options: WriteOptions,
) -> Result<()> {
    let (dir, image) = (dir.as_ref(), image.into());
    let _store = store(dir, image.blobs().iter().map(Arc::as_ref), is_made, trust, pool, options)?;
    write_last(dir, DESCRIPTOR, &json::to_bytes(image.descriptor()), options)
}

/// As [`write_image`], but leaves layers in their files: the folder has symbolic links to those
/// files, or recipes where the files were not verified. The folder is valid as long as the files
/// exist.
///
/// # Errors
///
/// As [`write_image`].
pub fn link_image(
    dir: impl AsRef<Path>,
    image: impl Into<Image>,
    pool: &Pool,
    options: WriteOptions,
) -> Result<()> {
    let (dir, image) = (dir.as_ref(), image.into());
    let is_linked = |blob: &&Arc<dyn Blob>| {
        blob.file().is_some() && !blob.descriptor().media_type.is_document()
    };
    let (linked, copied): (Vec<_>, Vec<_>) = image.blobs().iter().partition(is_linked);
    let copied = copied.into_iter().map(Arc::as_ref);
    let store = store(dir, copied, |_| true, &RecipeTrust::default(), pool, options)?;
    for blob in linked {
        let link = dir.join(blob_name(blob.descriptor().digest));
        let file = blob.file().map(path::absolute).transpose().map_err(Error::write(&link))?;
        match file.map(|file| symlink(file, &link)) {
            // An image may have the same layer twice.
            Some(Err(cause)) if cause.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::write(link)(cause));
            }
            _ => {}
        }
    }
    store.sync_folders()?;
    write_last(dir, DESCRIPTOR, &json::to_bytes(image.descriptor()), options)
}

/// Opens the folder of an image.
///
/// # Errors
///
/// [`Error::NotALayout`] if the folder does not hold an image; [`Error::Layout`], with the command
/// that writes the folder, if it lacks a part. [`Error::BlobDamaged`] if the manifest does not
/// match its descriptor.
pub fn open_image(dir: impl AsRef<Path>, trust: &RecipeTrust) -> Result<Image> {
    let folder = Folder::open(dir.as_ref(), "an image", "image-manifest", trust)?;
    let descriptor = folder.descriptor(MediaType::is_manifest)?;
    let manifest: Manifest =
        folder.parse(&blob_name(descriptor.digest), &folder.document(&descriptor)?)?;
    let named = manifest.layers.into_iter().chain([manifest.config, descriptor.clone()]);
    let blobs = named.map(|named| folder.blob_or_recipe(named)).collect::<Result<_>>()?;
    Ok(Image::new(descriptor, blobs))
}

/// A layer in a separate folder; see [`open_layer`].
#[derive(Clone)]
pub struct LayerFolder {
    blob: Arc<dyn Blob>,
    diff_id: Digest,
    created_by: String,
}

impl Blob for LayerFolder {
    fn descriptor(&self) -> &Descriptor {
        self.blob.descriptor()
    }

    fn open(&self) -> Result<Box<dyn io::Read + Send>> {
        self.blob.open()
    }

    fn file(&self) -> Option<&Path> {
        self.blob.file()
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        self.blob.checked()
    }

    fn recipe(&self) -> Option<Recipe> {
        self.blob
            .recipe()
            .map(|recipe| recipe.of_layer(self.diff_id).made_by(self.created_by.clone()))
    }
}

impl Layer for LayerFolder {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }

    fn created_by(&self) -> String {
        self.created_by.clone()
    }
}

impl From<LayerFolder> for Arc<dyn Layer> {
    fn from(layer: LayerFolder) -> Self {
        Arc::new(layer)
    }
}

impl fmt::Debug for LayerFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LayerFolder");
        debug
            .field("descriptor", self.descriptor())
            .field("diff_id", &self.diff_id)
            .field("file", &self.file());
        debug.finish_non_exhaustive()
    }
}

/// A folder that is read, and its description for messages.
struct Folder<'a> {
    dir: &'a Path,
    files: Arc<LayoutFiles>,
    of: &'static str,
    /// The subcommand that writes such a folder.
    made_by: &'static str,
}

impl<'a> Folder<'a> {
    fn open(
        dir: &'a Path,
        of: &'static str,
        made_by: &'static str,
        trust: &RecipeTrust,
    ) -> Result<Self> {
        let refuse = |what| Err(other_folder(dir, of, made_by, what));
        match dir.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                let mut files = LayoutFiles::open(dir, None)?;
                files.trust = trust.clone();
                Ok(Self { dir, files: Arc::new(files), of, made_by })
            }
            Ok(_) => refuse("is not a folder"),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => refuse("does not exist"),
            Err(cause) => Err(Error::read(dir)(cause)),
        }
    }

    /// Reads `media-descriptor.json` and checks its media type.
    fn descriptor(&self, fits: impl Fn(&MediaType) -> bool) -> Result<Descriptor> {
        let refuse = |what: &str| Err(other_folder(self.dir, self.of, self.made_by, what));
        let Some(bytes) = self.files.small_file(DESCRIPTOR)? else {
            return match self.files.small_file(MARKER)? {
                Some(_) => refuse("is an image layout"),
                None => refuse(&format!("has no {DESCRIPTOR}")),
            };
        };
        let descriptor: Descriptor = self.parse(DESCRIPTOR, &bytes)?;
        match fits(&descriptor.media_type) {
            true => Ok(descriptor),
            false => refuse(&format!("holds {}", descriptor.media_type)),
        }
    }

    fn required(&self, name: &str) -> Result<Vec<u8>> {
        self.files.small_file(name)?.ok_or_else(|| self.broken(format!("has no {name}")))
    }

    /// Returns a blob that exists: a regular file of the size in the descriptor, or a link to one,
    /// written by [`link_image`]. A link may lead only where recipes may read.
    fn blob(&self, descriptor: Descriptor) -> Result<FileBlob> {
        let name = blob_name(descriptor.digest);
        let path = self.dir.join(&name);
        let kind =
            self.files.kind(&name).map_err(|cause| beneath::unreadable(self.dir, &name, cause))?;
        let path = match kind {
            None => return Err(self.broken(format!("has no {name}"))),
            Some(FileKind::File) => path,
            Some(_) if path.is_symlink() && self.files.trust.covers(&path) => {
                path.canonicalize().unwrap_or(path)
            }
            Some(_) if path.is_symlink() => {
                let reads = path.read_link().map_err(Error::read(&path))?;
                return Err(Error::RecipeUntrusted { recipe: path, reads });
            }
            Some(_) => return Err(self.broken(format!("has a {name} that is not a regular file"))),
        };
        match fs::symlink_metadata(&path) {
            Ok(file) if !file.is_file() => {
                Err(self.broken(format!("has a {name} that is not a regular file")))
            }
            Ok(file) if file.len() != descriptor.size => {
                let (is, says) = (file.len(), descriptor.size);
                Err(self
                    .broken(format!("has a {name} of {is} bytes, but its descriptor says {says}")))
            }
            Ok(_) => Ok(FileBlob::new(descriptor, path)),
            Err(cause) => Err(Error::read(path)(cause)),
        }
    }

    /// As [`Folder::blob`], or the recipe of the blob.
    fn blob_or_recipe(&self, descriptor: Descriptor) -> Result<Arc<dyn Blob>> {
        let blob = LayoutBlob { files: Arc::clone(&self.files), descriptor };
        let has_file = self.dir.join(blob_name(blob.descriptor.digest)).symlink_metadata().is_ok();
        if !has_file && blob.in_its_place()?.is_some() {
            return Ok(Arc::new(blob));
        }
        Ok(Arc::new(self.blob(blob.descriptor)?))
    }

    /// Reads a document and verifies its digest.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.blob(descriptor.clone())?;
        self.files.document(descriptor)
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T> {
        json::from_slice(bytes)
            .map_err(|error| self.broken(format!("has a {name} that cannot be read: {error}")))
    }

    fn broken(&self, what: String) -> Error {
        Error::layout(
            self.dir,
            format!(
                "{what}: write the folder of {} again with `oci-layout {}`",
                self.of, self.made_by
            ),
        )
    }
}

fn other_folder(dir: &Path, of: &str, made_by: &str, what: &str) -> Error {
    let advice = format!("give the folder of {of}, written by `oci-layout {made_by}`");
    Error::not_a_layout(dir, format!("{what}: {advice}"))
}

/// Stores these blobs, or their recipes if `takes_place` accepts them. The result holds a lock
/// against garbage collection.
fn store<'a>(
    dir: &Path,
    blobs: impl IntoIterator<Item = &'a dyn Blob>,
    takes_place: fn(&Recipe) -> bool,
    trust: &RecipeTrust,
    pool: &Pool,
    options: WriteOptions,
) -> Result<BlobStore> {
    let store = BlobStore::create(dir, false, options)?;
    let (described, stored): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|blob| {
        !blob.descriptor().media_type.is_document()
            && blob.file().is_none()
            && blob.recipe().as_ref().is_some_and(takes_place)
    });
    pool.map(stored, |blob| store.put(blob, pool)).into_iter().collect::<Result<Vec<_>>>()?;
    if !described.is_empty() {
        let sparse = BlobStore::create(dir, true, options)?.knowing(trust, &Arc::default());
        described.into_iter().try_for_each(|blob| sparse.put(blob, pool).map(|_| ()))?;
        sparse.sync_folders()?;
    }
    store.sync_folders()?;
    Ok(store)
}

/// Whether the blob is not stored in a file and must be built.
fn is_made(recipe: &Recipe) -> bool {
    recipe.lies_in().is_none()
}

/// Writes the file that completes the folder.
fn write_last(dir: &Path, name: &str, bytes: &[u8], options: WriteOptions) -> Result<()> {
    options.sync_folder(dir)?;
    replace(&dir.join(name), &[bytes], options)?;
    options.sync_folder(dir)?;
    options.sync_way_to(dir)
}
