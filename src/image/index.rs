//! `image_index` combines images for several platforms into one index.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    basics::{Digest, Error, Result, json},
    blob::{Blob, MemoryBlob},
    document::{Index, MediaType, Platform, manifest},
    image::{attestation::REFERENCE_TYPE, graph::Image},
};

/// Makes the [image index](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md)
/// of an image for several platforms, from which clients pull the manifest for their platform.
/// `extra` is JSON that is merged over the defaults. `manifests` always lists the images, in their
/// order.
///
/// # Errors
///
/// [`Error::Images`] if two images are for the same platform. [`Error::Invalid`] for JSON that is
/// not valid in an index.
pub fn image_index<I: Into<Image>>(
    images: impl IntoIterator<Item = I>,
    extra: Value,
) -> Result<ImageIndex> {
    let images: Vec<Image> = images.into_iter().map(Into::into).collect();
    for (index, image) in images.iter().enumerate() {
        let platform = image.platform().map(Platform::with_variant);
        let same = |other: &&Image| {
            platform.is_some()
                && !is_attestation(image)
                && other.platform().map(Platform::with_variant) == platform
        };
        if let Some(other) = images[..index].iter().find(same) {
            return Err(Error::Images {
                first: other.digest().to_string(),
                second: image.digest().to_string(),
                reason: format!(
                    "are both for {}: use different platforms, or different tags",
                    image.platform().cloned().unwrap_or_default()
                ),
            });
        }
    }
    let defaults = json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX });
    let mut value = manifest::with_defaults("image index", defaults, extra, Index::MEMBERS)?;
    value["manifests"] = images.iter().map(|image| json::to_value(image.descriptor())).collect();
    let document: Index = json::from_value("image index", value)?;
    let blob = MemoryBlob::new(document.media_type()?, json::to_bytes(&document));
    Ok(ImageIndex { document, blob, images })
}

/// Each image of an index may have attestations, and all are for the platform `unknown/unknown`.
fn is_attestation(image: &Image) -> bool {
    image.descriptor().annotations.contains_key(REFERENCE_TYPE)
}

/// An index, its bytes, and all images in it.
#[derive(Clone, Debug)]
pub struct ImageIndex {
    document: Index,
    blob: MemoryBlob,
    images: Vec<Image>,
}

impl ImageIndex {
    /// The parsed index.
    pub fn document(&self) -> &Index {
        &self.document
    }

    /// The bytes that the digest covers.
    pub fn bytes(&self) -> &[u8] {
        self.blob.bytes()
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        self.blob.descriptor().digest
    }

    /// The image with a tag, or a full name with a tag. See [`Image::tagged`].
    pub fn tagged(self, name: impl Into<String>) -> Image {
        Image::from(self).tagged(name)
    }
}

impl From<ImageIndex> for Image {
    fn from(index: ImageIndex) -> Self {
        let mut descriptor = index.blob.descriptor().clone();
        descriptor.artifact_type.clone_from(&index.document.artifact_type);
        let mut blobs: Vec<Arc<dyn Blob>> =
            index.images.into_iter().flat_map(|image| image.blobs).collect();
        blobs.push(Arc::new(index.blob));
        Self::new(descriptor, blobs)
    }
}
