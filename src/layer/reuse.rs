//! Earlier layers, whose compressed blocks a new layer uses again.

use std::{path::Path, sync::Arc};

use crate::{
    basics::Result,
    blob::Blob,
    document::MediaType,
    recipe::LayerOptions,
    store::{BlockCache, EarlierBlocks},
};

impl LayerOptions {
    /// Uses the compressed blocks of earlier layers again, where the new layer has the same blocks.
    /// The result is the same as without this option, and takes less time: all files are still read
    /// and hashed, but only blocks with other contents are compressed.
    ///
    /// A layer of another program, or of another byte format, compression or level has no blocks
    /// that can be used. Neither has one that is not in a file. These layers replace those of an earlier
    /// call.
    ///
    /// ```
    /// # fn main() -> oci_layout::Result<()> {
    /// use oci_layout::{FileMapping, Layer, LayerOptions, layer_tar};
    /// # use std::sync::Arc;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let dir = dir.path();
    /// let options = LayerOptions::default().store(dir);
    /// let first: Arc<dyn Layer> = layer_tar([FileMapping::text("1", "/a")], options.clone())?.into();
    /// let second = layer_tar([FileMapping::text("2", "/a")], options.reuse(&[first])?)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`](crate::Error::BlobDamaged) if the file of a layer has other bytes than
    /// its digest says, and the errors of reading it.
    pub fn reuse<'a, B: Blob + ?Sized + 'a>(
        mut self,
        layers: impl IntoIterator<Item = &'a Arc<B>>,
    ) -> Result<Self> {
        let mut earlier = EarlierBlocks::default();
        // An uncompressed layer has no blocks, but may be needed as a whole.
        let of_layers = [MediaType::LAYER, MediaType::LAYER_GZIP, MediaType::LAYER_ZSTD];
        let is_layer = |layer: &&Arc<B>| of_layers.contains(&layer.descriptor().media_type);
        for layer in layers.into_iter().filter(is_layer) {
            if let Some(file) = layer.checked()? {
                earlier.add(layer.descriptor().digest, file)?;
            }
        }
        self.earlier = Some(Arc::new(earlier));
        Ok(self)
    }

    /// Keeps compressed blocks in a folder, which is created if necessary, and uses them again like
    /// those of [`LayerOptions::reuse`]. Several processes can use the folder at the same time.
    ///
    /// When the last copy of these options is dropped, the blocks that were not used for the longest time are removed
    /// until the folder has at most `limit` bytes. A damaged file in the folder costs time, and
    /// changes no byte of a layer. Who can write in the folder can change the bytes of layers.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write) if the folder cannot be created.
    pub fn block_cache(mut self, folder: impl AsRef<Path>, limit: u64) -> Result<Self> {
        self.block_cache = Some(Arc::new(BlockCache::open(folder.as_ref(), limit)?));
        Ok(self)
    }
}
