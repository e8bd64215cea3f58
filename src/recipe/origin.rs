//! Recipes: how to obtain the bytes of a blob that is not stored.

use std::{
    fmt,
    path::{self, Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{Digest, Error, Result},
    document::{Descriptor, MediaType},
    pool::Pool,
    recipe::{checks::Checks, spec::LayerSpec},
    store::KnownFiles,
};

/// How to obtain the bytes of a blob: from a file that contains them, or by making a tar from files
/// that still exist.
///
/// A recipe can be read like any other blob. Sources are verified again on every read, and an error
/// names a source that has changed. A tar is compared block by block before any byte of a block is
/// returned. A file is hashed completely before its first byte is returned.
///
/// A layer that [`layer_tar`](crate::layer_tar()) only describes has a recipe if
/// [`LayerOptions::recipe`](crate::LayerOptions::recipe) is set. A blob in a file always has one.
/// As JSON, a recipe takes some kilobytes. A sparse layout stores it instead of the blob
/// ([`LayoutOptions::sparse`](crate::LayoutOptions::sparse)). `docs/byte-format.md` describes its
/// form. A recipe contains absolute paths, and opening it reads these files. Only use recipes from
/// authors whose programs you would run. [`RecipeTrust`](crate::RecipeTrust) decides which recipes
/// of a layout are followed.
///
/// ```
/// use std::{fs, io::Read};
/// use oci_layout::{Blob, FileMapping, LayerOptions, Recipe, layer_tar};
/// # let dir = tempfile::tempdir()?;
/// # let file = dir.path().join("app");
/// fs::write(&file, "one")?;
/// let layer = layer_tar([FileMapping::new(&file, "/bin/app")], LayerOptions::default().recipe(true))?;
/// let recipe = Recipe::from_bytes(&layer.recipe().unwrap().to_bytes()?)?;
///
/// let mut bytes = Vec::new();
/// recipe.open()?.read_to_end(&mut bytes)?;
/// assert_eq!(bytes.len() as u64, layer.descriptor().size);
///
/// fs::write(&file, "two")?;
/// let error = recipe.open()?.read_to_end(&mut bytes).unwrap_err();
/// assert!(error.to_string().contains("app\" changed since it was described"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Recipe {
    /// The media type, digest and size, without members that depend on the document.
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Option<Digest>,
    pub(crate) created_by: String,
    pub(crate) origin: Origin,
    /// The seal as it was read.
    pub(crate) seal: Option<[u8; 32]>,
    pub(crate) pool: Option<Pool>,
    pub(crate) known: Arc<KnownFiles>,
}

#[derive(Clone)]
pub(crate) enum Origin {
    /// The blob is in a file.
    File { path: PathBuf, offset: u64 },
    /// The blob is a tar made from mappings.
    Tar { spec: Arc<LayerSpec>, checks: Arc<Checks> },
}

impl Recipe {
    /// The blob is in this file, starting at `offset`: 0 for a separate file, another offset in an
    /// archive. The file is not accessed.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] for an empty path, and for a relative path if there is no working directory.
    pub fn of_file(descriptor: Descriptor, file: impl AsRef<Path>, offset: u64) -> Result<Self> {
        let path = path::absolute(&file).map_err(Error::read(file.as_ref()))?;
        Ok(Self::new(descriptor, Origin::File { path, offset }))
    }

    /// The blob is the tar that this specification makes. Its sources are absolute paths.
    pub(crate) fn of_tar(descriptor: Descriptor, spec: LayerSpec, checks: Arc<Checks>) -> Self {
        Self::new(descriptor, Origin::Tar { spec: spec.into(), checks })
    }

    pub(crate) fn new(
        Descriptor { media_type, digest, size, .. }: Descriptor,
        origin: Origin,
    ) -> Self {
        let descriptor = Descriptor::new(media_type, digest, size);
        Self {
            descriptor,
            diff_id: None,
            created_by: String::new(),
            origin,
            seal: None,
            pool: None,
            known: Arc::default(),
        }
    }

    /// Sets the diff ID of the layer.
    pub(crate) fn of_layer(self, diff_id: Digest) -> Self {
        Self { diff_id: Some(diff_id), ..self }
    }

    /// Sets the media type of the blob.
    pub(crate) fn named(mut self, media_type: MediaType) -> Self {
        self.descriptor.media_type = media_type;
        self
    }

    /// Sets the command that made the layer, for the history.
    pub(crate) fn made_by(self, created_by: String) -> Self {
        Self { created_by, ..self }
    }

    /// Sets the threads that make the blob. The default is as many as this process can run in
    /// parallel.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets the record of files whose digests are known.
    pub(crate) fn known(self, known: &Arc<KnownFiles>) -> Self {
        Self { known: Arc::clone(known), ..self }
    }

    /// The digest of the tar, if the blob is a layer whose diff ID is known.
    pub fn diff_id(&self) -> Option<Digest> {
        self.diff_id
    }

    /// The command that made the layer, for the history of an image. Empty if it is not known.
    pub fn created_by(&self) -> &str {
        &self.created_by
    }

    /// The file that contains the blob, and the offset in it. The file is not accessed. `None` if
    /// the blob must be made.
    pub fn lies_in(&self) -> Option<(&Path, u64)> {
        match &self.origin {
            Origin::File { path, offset } => Some((path, *offset)),
            Origin::Tar { .. } => None,
        }
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Recipe");
        debug
            .field("descriptor", &self.descriptor)
            .field("diff_id", &self.diff_id)
            .field("lies_in", &self.lies_in());
        debug.finish_non_exhaustive()
    }
}
