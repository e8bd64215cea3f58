//! Adds attestations to the index of an image.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    basics::Result,
    document::{Descriptor, Index},
    image::{
        attestation::attestation_manifest, containers::Graph, each_platform::changed_index,
        graph::Image, index::image_index,
    },
};

impl Image {
    /// The image with attestations about one of its manifests, in the form of BuildKit, as
    /// [`attestation_manifest`] makes them. An image that is not an index becomes one. The names
    /// stay, but not the annotation `kind` of cosign, because the new index is not signed.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) if there is no predicate, and the errors of reading
    /// the index.
    pub fn attested<'a>(
        &self,
        about: &Descriptor,
        predicates: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Self> {
        let attestation = attestation_manifest(about, predicates)?;
        let mut unsigned = self.clone();
        unsigned.descriptor.annotations.remove("kind");
        if !self.descriptor().media_type.is_index() {
            let Self { descriptor, names, warnings, .. } = unsigned.clone();
            let members = [unsigned.without_names(), attestation];
            let mut index = Self::from(image_index(members, json!({}))?);
            index.descriptor.annotations = descriptor.annotations;
            return Ok(Self { names, warnings, ..index });
        }
        let mut index: Index = self.read(self.descriptor())?;
        if index.manifests.iter().any(|known| known.digest == attestation.digest()) {
            return Ok(self.clone());
        }
        index.manifests.push(attestation.descriptor);
        let (descriptor, bytes) = changed_index(&unsigned.descriptor, index);
        let mut blobs = std::mem::take(&mut unsigned.blobs);
        blobs.retain(|blob| blob.descriptor().digest != self.digest());
        blobs.extend(attestation.blobs);
        blobs.push(Arc::new(bytes));
        Ok(Self { descriptor, blobs, ..unsigned })
    }
}
