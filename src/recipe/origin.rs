//! Recipes: how the bytes of a blob are had when nobody keeps them.

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

/// How a blob's bytes can be had: they lie in a file, or they are a tar to be made of files that
/// are still there.
///
/// A recipe is a blob like any other. What it was written for is not believed to be so still: all
/// that is read has passed a check, and a source that is not what it was is an error that names it.
/// Of a tar, each stretch is compared with what it was before any of it leaves; a file is hashed as
/// a whole before its first byte does.
///
/// A layer that [`layer_tar`](crate::layer_tar()) only describes has one if it was asked for
/// ([`LayerOptions::recipe`](crate::LayerOptions::recipe)), and so has whatever lies in a file.
/// Written as JSON it is some kilobytes, which a sparse layout has in the place of the blob
/// ([`LayoutOptions::sparse`](crate::LayoutOptions::sparse)). Its form stands in
/// `docs/byte-format.md`. It names files by absolute paths, and whoever opens it reads those: take
/// recipes from whom you would take a program. Those of a layout are followed as
/// [`RecipeTrust`](crate::RecipeTrust) says.
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
    /// Media type, digest and size; nothing that one document says and another does not.
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Option<Digest>,
    pub(crate) created_by: String,
    pub(crate) origin: Origin,
    /// As it was read.
    pub(crate) seal: Option<[u8; 32]>,
    pub(crate) pool: Option<Pool>,
    pub(crate) known: Arc<KnownFiles>,
}

#[derive(Clone)]
pub(crate) enum Origin {
    /// The blob lies in a file.
    File { path: PathBuf, offset: u64 },
    /// The blob is a tar of mappings.
    Tar { spec: Arc<LayerSpec>, checks: Arc<Checks> },
}

impl Recipe {
    /// The blob lies in this file from `offset` on: from 0 in a file of its own, elsewhere in an
    /// archive. The file is not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] for a relative path where there is no working directory, or an empty one.
    pub fn of_file(descriptor: Descriptor, file: impl AsRef<Path>, offset: u64) -> Result<Self> {
        let path = path::absolute(&file).map_err(Error::read(file.as_ref()))?;
        Ok(Self::new(descriptor, Origin::File { path, offset }))
    }

    /// The blob is the tar that this specification, with absolute sources, is known to make.
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

    /// Says that the blob is a layer with this diff ID.
    pub(crate) fn of_layer(self, diff_id: Digest) -> Self {
        Self { diff_id: Some(diff_id), ..self }
    }

    /// Says by which media type the blob goes.
    pub(crate) fn named(mut self, media_type: MediaType) -> Self {
        self.descriptor.media_type = media_type;
        self
    }

    /// Says what made the layer.
    pub(crate) fn made_by(self, created_by: String) -> Self {
        Self { created_by, ..self }
    }

    /// Sets the threads that make the blob; by default as many as this process may run at once.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets the record of files that were hashed before.
    pub(crate) fn known(self, known: &Arc<KnownFiles>) -> Self {
        Self { known: Arc::clone(known), ..self }
    }

    /// The digest of the tar, if the blob is a layer whose diff ID is known.
    pub fn diff_id(&self) -> Option<Digest> {
        self.diff_id
    }

    /// What the image's history says the layer was made by; empty if that is not known.
    pub fn created_by(&self) -> &str {
        &self.created_by
    }

    /// The file in which the blob lies, and where in it: the bytes are at hand, though nobody has
    /// looked at them. `None` if they have to be made.
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
