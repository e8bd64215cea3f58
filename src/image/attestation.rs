//! Attestations in the form of BuildKit, which Docker's tools read.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    basics::{Error, Result, json},
    blob::{Blob, MemoryBlob},
    document::{Descriptor, MediaType, Platform},
    image::graph::Image,
};

/// The annotations of a descriptor in an index: that it is an attestation, and of which manifest.
pub(crate) const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
pub(crate) const DESCRIBES: &str = "vnd.docker.reference.digest";

/// Makes a manifest with attestations about an image, for the index that contains both. Each
/// predicate has a type, for example `https://spdx.dev/Document`, and becomes an in-toto statement
/// about the image.
///
/// An artifact that refers to the image ([`artifact_manifest`](crate::artifact_manifest)) serves more
/// tools. `docker buildx imagetools inspect` and Docker Scout read only this form, which changes the
/// index: its platform is `unknown/unknown`, so that no client runs it.
///
/// Source: [image attestation storage](https://docs.docker.com/build/metadata/attestations/attestation-storage/).
///
/// ```
/// use oci_layout::{
///     ConfigOptions, Image, ManifestOptions, attestation_manifest, image_config, image_index, image_manifest,
/// };
/// use serde_json::json;
/// let config = image_config([] as [&oci_layout::TarLayer; 0], ConfigOptions::default())?;
/// let image = Image::from(image_manifest(config, [] as [oci_layout::TarLayer; 0], ManifestOptions::default())?);
/// let bill = ("https://spdx.dev/Document", json!({ "spdxVersion": "SPDX-2.3" }));
/// let attestation = attestation_manifest(image.descriptor(), [bill])?;
/// let index = image_index([image, attestation], json!({}))?;
/// assert_eq!(index.document().manifests.len(), 2);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] if there is no predicate.
pub fn attestation_manifest<'a>(
    image: &Descriptor,
    predicates: impl IntoIterator<Item = (&'a str, Value)>,
) -> Result<Image> {
    let statements = predicates.into_iter().map(|(predicate_type, predicate)| {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": predicate_type,
            "subject": [{ "name": image.digest, "digest": { "sha256": image.digest.hex() } }],
            "predicate": predicate,
        });
        let media_type = MediaType::new("application/vnd.in-toto+json");
        MemoryBlob::new(media_type, json::to_bytes(&statement))
            .annotated("in-toto.io/predicate-type", predicate_type)
    });
    let mut blobs: Vec<Arc<dyn Blob>> = statements.map(|blob| Arc::new(blob) as _).collect();
    if blobs.is_empty() {
        return Err(Error::invalid("attestation", "it has no predicate: pass at least one"));
    }
    let layers: Vec<_> = blobs.iter().map(|blob| blob.descriptor().clone()).collect();
    let digests: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
    let config = json!({
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let config = MemoryBlob::new(MediaType::CONFIG, json::to_bytes(&config));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::MANIFEST,
        "config": config.descriptor(),
        "layers": layers,
    });
    let manifest = MemoryBlob::new(MediaType::MANIFEST, json::to_bytes(&manifest));
    let mut descriptor = manifest.descriptor().clone();
    descriptor.platform = Some(Platform::new("unknown", "unknown"));
    blobs.push(Arc::new(config));
    blobs.push(Arc::new(manifest));
    Ok(Image::new(descriptor, blobs)
        .annotated(REFERENCE_TYPE, "attestation-manifest")
        .annotated(DESCRIBES, image.digest.to_string()))
}
