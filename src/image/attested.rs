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
    /// stay.
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
        if !self.descriptor().media_type.is_index() {
            let members = [self.clone().without_names(), attestation];
            let mut index = Self::from(image_index(members, json!({}))?);
            index.descriptor.annotations.clone_from(&self.descriptor.annotations);
            return Ok(Self {
                names: self.names.clone(),
                warnings: self.warnings.clone(),
                ..index
            });
        }
        let mut index: Index = self.read(self.descriptor())?;
        if index.manifests.iter().any(|known| known.digest == attestation.digest()) {
            return Ok(self.clone());
        }
        index.manifests.push(attestation.descriptor);
        let (descriptor, bytes) = changed_index(self.descriptor(), index);
        let old = self.digest();
        let mut blobs = self.blobs.clone();
        blobs.retain(|blob| blob.descriptor().digest != old);
        blobs.extend(attestation.blobs);
        blobs.push(Arc::new(bytes));
        Ok(Self { descriptor, blobs, ..self.clone() })
    }
}
