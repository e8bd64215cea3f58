//! The files of the layers below a new layer: what its destinations pass through and merge into.

mod cache;
mod check;
mod index;
mod place;
mod stack;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use self::{cache::Cache, stack::Stack};
pub(crate) use self::{
    index::{BaseDirectory, BaseEntry, Index},
    place::{Places, Removal, Shape},
};
use crate::{blob::Blob, digest::Digest, error::Result, pool::Pool};

/// The files that the layers below a new layer hold: those of a base image, or layers that were just made.
///
/// [`LayerOptions::above`](crate::LayerOptions::above) takes it. A layer above others does what `COPY` does in a
/// Dockerfile: destinations follow the symbolic links of the base, and directories of the base keep their attributes.
///
/// The layers are read when the first layer above them is made, each at most once, in memory that depends on the number
/// of their entries and not on their size. A value remembers what it read, and so do its clones. With
/// [`BaseFiles::cache`], a folder remembers it for other processes: the next one reads no layer at all.
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
pub struct BaseFiles {
    source: BaseSource,
    cache: Option<PathBuf>,
}

#[derive(Clone)]
enum BaseSource {
    /// The layers, lowest first.
    Layers(Vec<BaseLayer>),
    /// What another layer used of these layers, as its recipe records it.
    Recorded { layers: Vec<Digest>, used: Arc<Index> },
}

#[derive(Clone)]
enum BaseLayer {
    /// A layer, and its index, once it is known.
    Blob(Arc<dyn Blob>, Arc<OnceLock<Arc<Index>>>),
    /// A layer that is not here, and whose index is in the cache in this folder.
    Indexed { digest: Digest, folder: Arc<Path> },
}

impl BaseLayer {
    fn digest(&self) -> Digest {
        match self {
            Self::Blob(blob, _) => blob.descriptor().digest,
            Self::Indexed { digest, .. } => *digest,
        }
    }

    fn new(blob: impl Blob + 'static) -> Self {
        Self::Blob(Arc::new(blob), Arc::default())
    }

    fn index(&self, cache: Option<&Path>) -> Result<Arc<Index>> {
        match self {
            Self::Indexed { digest, folder } => Cache::new(folder).known(*digest).map(Arc::new),
            Self::Blob(blob, known) => {
                if let Some(index) = known.get() {
                    return Ok(Arc::clone(index));
                }
                let index = index_of(&**blob, cache)?;
                Ok(Arc::clone(known.get_or_init(|| Arc::new(index))))
            }
        }
    }
}

impl BaseFiles {
    /// The files of these layers, lowest first. Each layer is a tar, compressed or not.
    pub fn new<B: Blob + 'static>(layers: impl IntoIterator<Item = B>) -> Self {
        let layers = layers.into_iter().map(BaseLayer::new).collect();
        Self { source: BaseSource::Layers(layers), cache: None }
    }

    /// Adds a layer on top of these.
    pub fn and(self, layer: impl Blob + 'static) -> Self {
        let mut layers = match self.source {
            BaseSource::Layers(layers) => layers,
            // Only a recipe has this one, and nothing is built on a recipe.
            BaseSource::Recorded { .. } => Vec::new(),
        };
        layers.push(BaseLayer::new(layer));
        Self { source: BaseSource::Layers(layers), cache: self.cache }
    }

    /// Keeps an index of each layer's entries in this folder, by the layer's digest, and reads it from there the next
    /// time. The folder is created on demand, and can be removed at any time. A folder that takes no file costs time and is
    /// no error. Whoever can write to it can decide where files land: keep it where only you can write.
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        Self { cache: Some(folder.into()), ..self }
    }

    /// Writes the indexes of all layers to a folder that is also a cache. [`BaseFiles::from_folders`] needs no layer.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write), and whatever reading the layers gives.
    pub(crate) fn write(&self, folder: &Path, pool: &Pool) -> Result<()> {
        let stack = self.stack(pool)?;
        let digests = self.digests();
        let cache = Cache::new(folder);
        for (digest, index) in digests.iter().rev().zip(stack.indexes()) {
            cache.write(*digest, index)?;
        }
        cache.write_order(&digests)
    }

    /// The files of the layers in folders that [`BaseFiles::write`] wrote, lowest first.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`](crate::Error::Layout) for another folder.
    pub(crate) fn from_folders(folders: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let mut layers = Vec::new();
        for folder in folders {
            let folder: Arc<Path> = folder.into();
            let digests = Cache::new(&folder).order()?;
            layers.extend(digests.into_iter().map(|digest| BaseLayer::Indexed { digest, folder: Arc::clone(&folder) }));
        }
        Ok(Self { source: BaseSource::Layers(layers), cache: None })
    }

    /// What a recipe records: the digests of the layers, and those of their entries that the new layer used.
    pub(crate) fn recorded(layers: Vec<Digest>, used: Index) -> Self {
        Self { source: BaseSource::Recorded { layers, used: Arc::new(used) }, cache: None }
    }

    /// The digests of the layers, lowest first.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        match &self.source {
            BaseSource::Layers(layers) => layers.iter().map(BaseLayer::digest).collect(),
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

    /// What lies where. Reads the layers, if this is the first time.
    fn stack(&self, pool: &Pool) -> Result<Stack> {
        let layers = match &self.source {
            BaseSource::Layers(layers) => layers,
            BaseSource::Recorded { used, .. } => return Ok(Stack::new(vec![Arc::clone(used)])),
        };
        let indexes = pool.map(layers.iter().rev(), |layer| layer.index(self.cache.as_deref()));
        indexes.into_iter().collect::<Result<_>>().map(Stack::new)
    }
}

/// The index of a layer: from the cache if it has it, or else from the layer.
fn index_of(layer: &dyn Blob, cache: Option<&Path>) -> Result<Index> {
    match cache {
        Some(cache) => Cache::new(cache).index(layer),
        None => Index::read(layer),
    }
}

impl fmt::Debug for BaseFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseFiles").field("layers", &self.digests()).field("cache", &self.cache).finish_non_exhaustive()
    }
}
