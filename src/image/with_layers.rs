//! An image with other layers.

use std::{path::Path, sync::Arc};

use crate::{
    basics::{Error, Result, Warning, json},
    blob::{Blob, Layer, MemoryBlob},
    document::{Configuration, MediaType},
    image::platform_image::PlatformImage,
    layer::recompress::recompress,
    pool::Pool,
    store::WriteOptions,
    tarfile::Compression,
};

impl PlatformImage {
    /// The image with all layers in another compression. Diff IDs and the bytes of the
    /// configuration stay as they are. The blobs are stored in `layout`, in one pass over each
    /// layer. A layer that has this compression already is compressed again, with its level. The
    /// second result has a [`Warning::NoTable`] for each layer that lacks the table of contents of
    /// [`Compression::ZstdChunked`].
    ///
    /// # Errors
    ///
    /// The errors of reading the layers, [`Error::BlobDamaged`] if a layer does not have its digest
    /// or diff ID, and [`Error::Write`].
    pub fn recompressed(
        &self,
        compression: Compression,
        layout: impl AsRef<Path>,
        write: WriteOptions,
        pool: &Pool,
    ) -> Result<(Self, Vec<Warning>)> {
        let mut warnings = Vec::new();
        let layers = self.layers().iter().map(|layer| {
            let (layer, warning) = recompress(&**layer, compression, layout.as_ref(), write, pool)?;
            warnings.extend(warning);
            Ok(Arc::new(layer) as Arc<dyn Layer>)
        });
        let layers = layers.collect::<Result<_>>()?;
        let configuration = Arc::clone(self.configuration_blob());
        Ok((self.with_layers(layers, self.configuration().clone(), configuration), warnings))
    }

    /// The image with these layers and this configuration, which has their diff IDs. Other members
    /// of the manifest stay as they are.
    pub(crate) fn with_layers(
        &self,
        layers: Vec<Arc<dyn Layer>>,
        configuration: Configuration,
        configuration_blob: Arc<dyn Blob>,
    ) -> Self {
        let mut manifest = self.manifest().clone();
        manifest.layers = layers.iter().map(|layer| layer.descriptor().clone()).collect();
        // A manifest of Docker has no name for layers with zstd.
        manifest.media_type = manifest.media_type.map(|_| MediaType::MANIFEST);
        manifest.config.digest = configuration_blob.descriptor().digest;
        manifest.config.size = configuration_blob.descriptor().size;
        manifest.config.media_type = manifest.config.media_type.to_oci();
        let blob = MemoryBlob::new(MediaType::MANIFEST, json::to_bytes(&manifest));
        let mut descriptor = self.descriptor().clone();
        descriptor.media_type = MediaType::MANIFEST;
        descriptor.digest = blob.descriptor().digest;
        descriptor.size = blob.descriptor().size;
        let of_layers = layers.iter().map(|layer| Arc::new(Arc::clone(layer)) as Arc<dyn Blob>);
        let blobs = of_layers.chain([configuration_blob, Arc::new(blob)]).collect();
        Self::of_parts(descriptor, manifest, configuration, layers, blobs)
    }

    /// A configuration as a blob.
    pub(crate) fn blob_of(configuration: &Configuration) -> Arc<dyn Blob> {
        Arc::new(MemoryBlob::new(MediaType::CONFIG, json::to_bytes(configuration)))
    }

    /// The number of layers that this image has on top of all layers of another one.
    ///
    /// # Errors
    ///
    /// [`Error::OtherBase`] if the layers of the other image are not the lowest of this one.
    pub fn layers_above(&self, base: &Self) -> Result<usize> {
        for (at, below) in base.layers().iter().enumerate() {
            let found = self.layers().get(at).map(|layer| layer.diff_id());
            if found == Some(below.diff_id()) {
                continue;
            }
            return Err(Error::OtherBase {
                image: format!("image {}", self.descriptor().digest),
                base: format!("image {}", base.descriptor().digest),
                layer: at + 1,
                found: found.map(Box::new),
                expected: below.diff_id(),
            });
        }
        Ok(self.layers().len() - base.layers().len())
    }
}
