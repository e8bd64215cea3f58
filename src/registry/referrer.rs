//! Manifests and indexes that refer to another manifest: [listing
//! referrers](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers).

use crate::{
    basics::digest::Digest,
    document::{
        descriptor::Descriptor,
        manifest::{Index, Manifest},
    },
    image::existing::Document,
};

/// A manifest or index with a `subject`.
pub(crate) struct Referrer {
    /// The manifest that it refers to.
    pub(crate) subject: Digest,
    /// Its entry in the list of the subject's referrers.
    pub(crate) entry: Descriptor,
}

impl Referrer {
    /// `None` if the document has no subject. `descriptor` describes the document.
    pub(crate) fn of(document: &Document, descriptor: &Descriptor) -> Option<Self> {
        let (subject, artifact_type, annotations, config) = match document {
            Document::Manifest(manifest) => {
                let Manifest { subject, artifact_type, annotations, config, .. } = manifest;
                (subject, artifact_type, annotations, Some(config.media_type.to_string()))
            }
            Document::Index(Index { subject, artifact_type, annotations, .. }) => {
                (subject, artifact_type, annotations, None)
            }
        };
        let Descriptor { digest, size, .. } = *descriptor;
        let mut entry = Descriptor::new(descriptor.media_type.clone(), digest, size);
        entry.artifact_type = artifact_type.clone().filter(|kind| !kind.is_empty()).or(config);
        entry.annotations.clone_from(annotations);
        Some(Self { subject: subject.as_ref()?.digest, entry })
    }
}
