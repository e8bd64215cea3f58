//! Which images of an index are checked.

use std::collections::HashSet;

use crate::{
    basics::{Error, Result},
    document::{Index, Manifest, MediaType},
    image::{Image, PlatformImage},
};

/// Refuses an image with layers of containers that are not checked: those of manifests for an unknown
/// platform. The layers of attestations, which have this platform too, have other media types.
pub(crate) fn refuse_others(whole: &Image, checked: &[PlatformImage]) -> Result<()> {
    let mut seen: HashSet<_> = checked.iter().map(|image| image.descriptor().digest).collect();
    let mut descriptors = vec![whole.descriptor().clone()];
    while let Some(descriptor) = descriptors.pop() {
        // An index may name images that are stored elsewhere.
        let is_here =
            whole.blobs().iter().any(|blob| blob.descriptor().digest == descriptor.digest);
        if !seen.insert(descriptor.digest) || !is_here {
            continue;
        }
        let what = || format!("{} {}", descriptor.media_type, descriptor.digest);
        let unreadable = |error: serde_json::Error| Error::invalid(what(), error.to_string());
        let bytes = whole.document(descriptor.digest)?;
        if descriptor.media_type.is_index() {
            let index: Index = serde_json::from_slice(&bytes).map_err(unreadable)?;
            descriptors.extend(index.manifests);
        } else if descriptor.media_type.is_manifest() {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(unreadable)?;
            let layers = &manifest.layers;
            let is_image = manifest.config.media_type.to_oci() == MediaType::CONFIG;
            if is_image && !layers.is_empty() && layers.iter().all(|it| it.media_type.is_layer()) {
                let reason = "it is an image for an unknown platform, which is not checked: build it \
                              for a platform, or select another with --platform";
                return Err(Error::invalid(what(), reason));
            }
        }
    }
    Ok(())
}
