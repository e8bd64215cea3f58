//! Layers of an image merged into one.

use std::sync::Arc;

use crate::{
    basics::error::{Error, Result},
    blob::traits::Layer,
    document::configuration::History,
    image::platform_image::PlatformImage,
    layer::layer_files::ReadFiles,
    pool::Pool,
    recipe::options::LayerOptions,
    rootfs::{image_files::ImageFiles, layer_diff::layer_diff},
};

impl PlatformImage {
    /// The image with its topmost layers merged into one, which is stored as the options say. Files
    /// that a container does not see are gone. The layers below stay as they are.
    ///
    /// The history keeps all entries. Those of merged layers count as entries without a layer, and
    /// one of the new layer follows them.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the image has not that many layers, and those of
    /// [`layer_diff`](crate::rootfs::layer_diff()).
    pub fn squashed(&self, layers: usize, options: LayerOptions) -> Result<Self> {
        let kept = self.layers().len().checked_sub(layers).filter(|_| layers > 0);
        let kept = kept.ok_or_else(|| {
            let reason = format!("cannot merge {layers} of its {} layers", self.layers().len());
            Error::invalid(format!("image {}", self.descriptor().digest), reason)
        })?;
        let pool = options.pool.clone().unwrap_or_else(Pool::available);
        let (below, above) = self.layers().split_at(kept);
        let below = ImageFiles::new(below.iter().cloned(), &pool)?;
        let all = below.clone().and(above.iter().cloned(), &pool, ReadFiles::default())?;
        let layer = layer_diff(below, all, options)?;

        let mut configuration = self.configuration().clone();
        configuration.rootfs.diff_ids.truncate(kept);
        configuration.rootfs.diff_ids.push(layer.diff_id());
        let mut with_layer = 0;
        for entry in &mut configuration.history {
            if entry.empty_layer != Some(true) {
                with_layer += 1;
                if with_layer > kept {
                    entry.empty_layer = Some(true);
                }
            }
        }
        // A history that does not name all layers says nothing of the new one either.
        if with_layer >= kept && !configuration.history.is_empty() {
            configuration.history.push(History {
                created: configuration.created.clone(),
                created_by: Some(format!("oci-layout squash --layers {layers}")),
                ..History::default()
            });
        }
        let mut below = self.layers()[..kept].to_vec();
        below.push(Arc::new(layer) as Arc<dyn Layer>);
        let blob = Self::blob_of(&configuration);
        Ok(self.with_layers(below, configuration, blob))
    }
}
