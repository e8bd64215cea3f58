//! `image_index`: images for several platforms under one digest.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
    },
    blob::traits::{Blob, MemoryBlob},
    document::{
        descriptor::{MediaType, Platform},
        manifest::{Index, with_known_members},
    },
    image::graph::Image,
};

/// Makes the [image index](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md)
/// of an image for several platforms: whoever pulls it gets the manifest for theirs. `extra` is
/// JSON merged over the defaults; `manifests` is always that of the images, in their order.
///
/// # Errors
///
/// [`Error::Images`] if two images are for the same platform, [`Error::Invalid`] for JSON that no
/// index can hold.
pub fn image_index<I: Into<Image>>(
    images: impl IntoIterator<Item = I>,
    extra: Value,
) -> Result<ImageIndex> {
    let images: Vec<Image> = images.into_iter().map(Into::into).collect();
    for (index, image) in images.iter().enumerate() {
        let platform = image.platform().map(Platform::with_variant);
        let same = |other: &&Image| {
            platform.is_some() && other.platform().map(Platform::with_variant) == platform
        };
        if let Some(other) = images[..index].iter().find(same) {
            return Err(Error::Images {
                first: other.digest().to_string(),
                second: image.digest().to_string(),
                reason: format!(
                    "are both for {}: give each another platform, or another tag",
                    image.platform().cloned().unwrap_or_default()
                ),
            });
        }
    }
    let mut value = json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX });
    json::merge(
        &mut value,
        Value::Object(with_known_members("image index", extra, Index::MEMBERS)?),
    );
    value["manifests"] = images.iter().map(|image| json::to_value(image.descriptor())).collect();
    let document: Index = json::from_value("image index", value)?;
    let blob = MemoryBlob::new(document.media_type()?, json::to_bytes(&document));
    Ok(ImageIndex { document, blob, images })
}

/// An index, its bytes, and all that it names.
#[derive(Clone, Debug)]
pub struct ImageIndex {
    document: Index,
    blob: MemoryBlob,
    images: Vec<Image>,
}

impl ImageIndex {
    /// What it says.
    pub fn document(&self) -> &Index {
        &self.document
    }

    /// The bytes, as the digest has them.
    pub fn bytes(&self) -> &[u8] {
        self.blob.bytes()
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        self.blob.descriptor().digest
    }

    /// The image under a tag, or a full name with a tag; see [`Image::tagged`].
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
