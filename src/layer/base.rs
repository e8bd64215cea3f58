//! The files of the layers below a new layer, through which its destinations pass and into which
//! they merge.

pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod index;
pub(crate) mod place;
pub(crate) mod stack;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::Result,
    blob::Blob,
    layer::base::{
        cache::{Cache, index_of},
        stack::Stack,
    },
    pool::Pool,
    recipe::{BaseFiles, BaseLayer, BaseSource},
};

pub(crate) use crate::layer::base::place::{Places, Removal, Shape};

impl BaseFiles {
    /// The files of these layers, lowest first. Each layer is a tar, compressed or not.
    pub fn new<B: Blob + 'static>(layers: impl IntoIterator<Item = B>) -> Self {
        let layers = layers.into_iter().map(of_blob).collect();
        Self { source: BaseSource::Layers(layers), cache: None }
    }

    /// Adds a layer on top of these.
    pub fn and(self, layer: impl Blob + 'static) -> Self {
        let mut layers = match self.source {
            BaseSource::Layers(layers) => layers,
            // Only a recipe has such a base, and no layer is built on a recipe.
            BaseSource::Recorded { .. } => Vec::new(),
        };
        layers.push(of_blob(layer));
        Self { source: BaseSource::Layers(layers), cache: self.cache }
    }

    /// Writes the indexes of all layers to a folder that is also a cache.
    /// [`BaseFiles::from_folders`] does not need the layers.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write), and the errors of reading the layers.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the program uses it"))]
    pub(crate) fn write(&self, folder: &Path, pool: &Pool) -> Result<()> {
        let stack = self.stack(pool)?;
        let digests = self.digests();
        let cache = Cache::new(folder);
        for (digest, index) in digests.iter().rev().zip(stack.indexes()) {
            cache.write(*digest, index)?;
        }
        cache.write_order(&digests)
    }

    /// The files of the layers in folders from [`BaseFiles::write`], lowest first.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`](crate::Error::Layout) for any other folder.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the program uses it"))]
    pub(crate) fn from_folders(folders: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let mut layers = Vec::new();
        for folder in folders {
            let digests = Cache::new(&folder).order()?;
            let known = |digest| {
                let folder = folder.clone();
                BaseLayer::new(digest, move |_| Cache::new(&folder).known(digest))
            };
            layers.extend(digests.into_iter().map(known));
        }
        Ok(Self { source: BaseSource::Layers(layers), cache: None })
    }

    /// The combined files of the layers. Reads the layers the first time.
    pub(crate) fn stack(&self, pool: &Pool) -> Result<Stack> {
        let layers = match &self.source {
            BaseSource::Layers(layers) => layers,
            BaseSource::Recorded { used, .. } => return Ok(Stack::new(vec![Arc::clone(used)])),
        };
        let indexes = pool.map(layers.iter().rev(), |layer| layer.index(self.cache.as_deref()));
        indexes.into_iter().collect::<Result<_>>().map(Stack::new)
    }
}

/// A layer whose index comes from the cache if possible, and otherwise from the layer.
fn of_blob(blob: impl Blob + 'static) -> BaseLayer {
    BaseLayer::new(blob.descriptor().digest, move |cache| index_of(&blob, cache))
}
