//! The files of the layers below a new layer: which layers these are, and what of them is known.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use crate::{
    basics::{digest::Digest, error::Result},
    recipe::base_index::Index,
};

/// The files that the layers below a new layer hold: those of a base image, or layers that were
/// just made.
///
/// [`LayerOptions::above`](crate::LayerOptions::above) takes it. A layer above others does what
/// `COPY` does in a Dockerfile: destinations follow the symbolic links of the base, and directories
/// of the base keep their attributes.
///
/// The layers are read when the first layer above them is made, each at most once, in memory that
/// depends on the number of their entries and not on their size. A value remembers what it read,
/// and so do its clones. With [`BaseFiles::cache`], a folder remembers it for other processes: the
/// next one reads no layer at all.
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
    /// What another layer used of these layers, as its recipe records it.
    Recorded { layers: Vec<Digest>, used: Arc<Index> },
}

/// A layer of a base, whose index is read when it is needed first.
#[derive(Clone)]
pub(crate) struct BaseLayer {
    pub(crate) digest: Digest,
    read: Arc<ReadIndex>,
    known: Arc<OnceLock<Arc<Index>>>,
}

/// Reads an index, from the cache in this folder if it is there.
type ReadIndex = dyn Fn(Option<&Path>) -> Result<Index> + Send + Sync;

impl BaseLayer {
    pub(crate) fn new(
        digest: Digest,
        read: impl Fn(Option<&Path>) -> Result<Index> + Send + Sync + 'static,
    ) -> Self {
        Self { digest, read: Arc::new(read), known: Arc::default() }
    }

    pub(crate) fn index(&self, cache: Option<&Path>) -> Result<Arc<Index>> {
        if let Some(index) = self.known.get() {
            return Ok(Arc::clone(index));
        }
        let index = (self.read)(cache)?;
        Ok(Arc::clone(self.known.get_or_init(|| Arc::new(index))))
    }
}

impl BaseFiles {
    /// Keeps an index of each layer's entries in this folder, by the layer's digest, and reads it
    /// from there the next time. The folder is created on demand, and can be removed at any time. A
    /// folder that takes no file costs time and is no error. Whoever can write to it can decide
    /// where files land: keep it where only you can write.
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        Self { cache: Some(folder.into()), ..self }
    }

    /// What a recipe records: the digests of the layers, and those of their entries that the new
    /// layer used.
    pub(crate) fn recorded(layers: Vec<Digest>, used: Index) -> Self {
        Self { source: BaseSource::Recorded { layers, used: Arc::new(used) }, cache: None }
    }

    /// The digests of the layers, lowest first.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        match &self.source {
            BaseSource::Layers(layers) => layers.iter().map(|layer| layer.digest).collect(),
            BaseSource::Recorded { layers, .. } => layers.clone(),
        }
    }

    /// What a recipe records, if this is from one, or was recorded for one.
    pub(crate) fn record(&self) -> Option<(&[Digest], &Index)> {
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
