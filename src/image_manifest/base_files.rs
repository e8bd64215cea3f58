//! The layers of an image as a base, wherever the image is: in a registry, for one.

use std::sync::Arc;

use super::{Image, Index, Manifest, existing::read_document};
use crate::{
    blob::Blob,
    descriptor::{Descriptor, Platform},
    error::{Error, Result},
    image_layout::MAX_DEPTH,
    json,
    recipe::base_files::BaseFiles,
};

impl BaseFiles {
    /// The files of an image: one of a registry, or one that was just made. Of an image for several platforms, those of the
    /// image for this platform, or else for linux/amd64.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no image for the platform, and the errors of reading manifest and index.
    pub fn of_image(image: &Image, platform: Option<&Platform>) -> Result<Self> {
        let default = Platform::default();
        let wanted = platform.unwrap_or(&default);
        let mut descriptor = image.descriptor().clone();
        for _ in 0..=MAX_DEPTH {
            if !descriptor.media_type.is_index() {
                return layers(image, &descriptor);
            }
            let index: Index = document(image, &descriptor)?;
            let fits = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|has| wanted.accepts(has));
            descriptor = match (index.manifests.iter().find(fits), &index.manifests[..]) {
                (Some(entry), _) => entry.clone(),
                (None, [only]) if platform.is_none() => only.clone(),
                _ => return Err(invalid(image, format!("has no image for {wanted}: choose a platform that it has"))),
            };
        }
        Err(invalid(image, format!("has indexes more than {MAX_DEPTH} deep")))
    }
}

fn layers(image: &Image, descriptor: &Descriptor) -> Result<BaseFiles> {
    let manifest: Manifest = document(image, descriptor)?;
    let blobs: Result<Vec<_>> = manifest.layers.iter().map(|layer| blob(image, layer).cloned()).collect();
    Ok(BaseFiles::new(blobs?))
}

fn document<T: serde::de::DeserializeOwned>(image: &Image, descriptor: &Descriptor) -> Result<T> {
    let bytes = read_document(&**blob(image, descriptor)?)?;
    json::from_slice(&bytes).map_err(|error| Error::invalid(descriptor.digest.to_string(), error))
}

fn blob<'a>(image: &'a Image, descriptor: &Descriptor) -> Result<&'a Arc<dyn Blob>> {
    let found = image.blobs().iter().find(|blob| blob.descriptor().digest == descriptor.digest);
    found.ok_or_else(|| invalid(image, format!("lacks the blob {}: fetch it whole", descriptor.digest)))
}

fn invalid(image: &Image, reason: String) -> Error {
    Error::invalid(format!("image {}", image.digest()), format!("it {reason}"))
}
