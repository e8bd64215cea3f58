//! The files below a new layer: which layers contain them, and what is known of them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use crate::{
    basics::{Digest, Result},
    recipe::base_index::BaseIndex,
};

/// The files of the layers below a new layer: those of a base image, or of layers that were just
/// made.
///
/// Pass it to [`LayerOptions::above`](crate::LayerOptions::above). A layer above others behaves
/// like `COPY` in a Dockerfile: destinations follow the symbolic links of the base, and directories
/// of the base keep their attributes.
///
/// The first layer above the base reads the layers of the base, each at most once. This takes
/// memory for the number of their entries, not for their size. The value remembers what it read and
/// shares it with its clones. With [`BaseFiles::cache`], a folder stores it for other processes, so
/// that the next one reads no layer.
///
/// ```
/// use oci_layout::{BaseFiles, FileMapping, LayerOptions, layer_entries, layer_tar};
/// let root = [FileMapping::directory("/usr/bin"), FileMapping::symlink("usr/bin", "/bin")];
/// let base = BaseFiles::new([layer_tar(root, LayerOptions::default())?]);
///
/// let app = layer_tar([FileMapping::text("", "/bin/app")], LayerOptions::default().above(base))?;
/// let paths = layer_entries(&app)?.map(|entry| Ok(entry?.path)).collect::<oci_layout::Result<Vec<_>>>()?;
/// assert_eq!(paths.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["usr/", "usr/bin/", "usr/bin/app"]);
/// # Ok::<_, oci_layout::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct BaseFiles {
    pub(crate) source: BaseSource,
    pub(crate) cache: Option<PathBuf>,
}

/// No layers.
impl Default for BaseFiles {
    fn default() -> Self {
        Self { source: BaseSource::Layers(Vec::new()), cache: None }
    }
}

#[derive(Clone)]
pub(crate) enum BaseSource {
    /// The layers, lowest first.
    Layers(Vec<BaseLayer>),
    /// What another layer used of these layers, as in its recipe.
    Recorded { layers: Vec<Digest>, used: Arc<BaseIndex> },
}

/// A layer of a base. Its index is read when it is first needed.
#[derive(Clone)]
pub(crate) struct BaseLayer {
    pub(crate) digest: Digest,
    read: Arc<ReadIndex>,
    known: Arc<OnceLock<Arc<BaseIndex>>>,
}

/// Reads an index. Looks into the cache in this folder first.
type ReadIndex = dyn Fn(Option<&Path>) -> Result<BaseIndex> + Send + Sync;

impl BaseLayer {
    pub(crate) fn new(
        digest: Digest,
        read: impl Fn(Option<&Path>) -> Result<BaseIndex> + Send + Sync + 'static,
    ) -> Self {
        Self { digest, read: Arc::new(read), known: Arc::default() }
    }

    pub(crate) fn index(&self, cache: Option<&Path>) -> Result<Arc<BaseIndex>> {
        if let Some(index) = self.known.get() {
            return Ok(Arc::clone(index));
        }
        let index = (self.read)(cache)?;
        Ok(Arc::clone(self.known.get_or_init(|| Arc::new(index))))
    }
}

impl BaseFiles {
    /// Stores an index of each layer's entries in this folder, by the layer's digest, and reads it
    /// from there the next time. The folder is created on demand, and can be removed at any time.
    /// If the folder cannot be written, the cache is not used, which is not an error. Every user
    /// who can write to the folder can decide where files land, so keep it writable only for you.
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        Self { cache: Some(folder.into()), ..self }
    }

    /// The contents of a recipe: the digests of the layers, and those of their entries that the new
    /// layer used.
    pub(crate) fn recorded(layers: Vec<Digest>, used: BaseIndex) -> Self {
        Self { source: BaseSource::Recorded { layers, used: Arc::new(used) }, cache: None }
    }

    /// The digests of the layers, lowest first.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        match &self.source {
            BaseSource::Layers(layers) => layers.iter().map(|layer| layer.digest).collect(),
            BaseSource::Recorded { layers, .. } => layers.clone(),
        }
    }

    /// The contents for a recipe, if this value comes from one or was recorded for one.
    pub(crate) fn record(&self) -> Option<(&[Digest], &BaseIndex)> {
        match &self.source {
            BaseSource::Recorded { layers, used } => Some((layers, used)),
            BaseSource::Layers(_) => None,
        }
    }
}

impl fmt::Debug for BaseFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseFiles")
            .field("layers", &self.digests())
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
