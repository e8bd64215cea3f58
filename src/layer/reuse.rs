//! Earlier layers, whose compressed blocks a new layer uses again.

use std::sync::Arc;

use crate::{basics::Result, blob::Layer, recipe::LayerOptions, store::EarlierBlocks};

impl LayerOptions {
    /// Uses the compressed blocks of earlier layers again, where the new layer has the same blocks.
    /// The result is the same as without this option, and takes less time: all files are still read
    /// and hashed, but only blocks with other contents are compressed.
    ///
    /// A layer of another program, or of another byte format, compression or level has no blocks
    /// that can be used. Neither has one that is not in a file.
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
    pub fn reuse<'a>(
        mut self,
        layers: impl IntoIterator<Item = &'a Arc<dyn Layer>>,
    ) -> Result<Self> {
        let mut earlier = EarlierBlocks::default();
        for layer in layers {
            if let Some(file) = layer.checked()? {
                earlier.add(file)?;
            }
        }
        self.earlier = Some(Arc::new(earlier));
        Ok(self)
    }
}
