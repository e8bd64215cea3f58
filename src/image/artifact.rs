//! Manifests of artifacts: signatures, bills of materials, or anything with its own media type.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    basics::{Error, Result, json},
    blob::{Blob, MemoryBlob},
    document::{Descriptor, Manifest, MediaType, manifest},
    image::graph::Image,
};

/// Makes the manifest of an artifact. It has the artifact type, the blobs as layers, the empty
/// configuration `{}`, and optionally the manifest to which the artifact refers.
///
/// Source: [guidelines for artifact
/// usage](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage).
///
/// ```
/// use std::sync::Arc;
/// use oci_layout::{MemoryBlob, artifact_manifest, document::MediaType};
/// let bill = MemoryBlob::new(MediaType::new("application/spdx+json"), *b"{}");
/// let artifact = artifact_manifest("application/spdx+json", [Arc::new(bill) as _], None, serde_json::json!({}))?;
/// assert_eq!(artifact.descriptor().artifact_type.as_deref(), Some("application/spdx+json"));
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] if the type is not a media type, or for JSON that is not valid in a manifest.
pub fn artifact_manifest(
    artifact_type: &str,
    blobs: impl IntoIterator<Item = Arc<dyn Blob>>,
    subject: Option<&Descriptor>,
    extra: Value,
) -> Result<Image> {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if !artifact_type.split_once('/').is_some_and(|(kind, name)| word(kind) && word(name)) {
        return Err(Error::invalid(
            format!("artifact type {artifact_type:?}"),
            "expected a media type, for example application/spdx+json",
        ));
    }
    let empty = MemoryBlob::new(MediaType::EMPTY, *b"{}");
    let mut blobs: Vec<Arc<dyn Blob>> = blobs.into_iter().collect();
    // A manifest has at least one layer. An artifact without contents has the empty blob.
    if blobs.is_empty() {
        blobs.push(Arc::new(empty.clone()));
    }
    let defaults = json!({ "schemaVersion": 2, "mediaType": MediaType::MANIFEST, "artifactType": artifact_type });
    let mut value =
        manifest::with_defaults("artifact manifest", defaults, extra, Manifest::MEMBERS)?;
    value["config"] = json::to_value(empty.descriptor());
    value["layers"] = blobs.iter().map(|blob| json::to_value(blob.descriptor())).collect();
    if let Some(subject) = subject {
        value["subject"] = json::to_value(subject);
    }
    let document: Manifest = json::from_value("artifact manifest", value)?;
    let blob = MemoryBlob::new(document.media_type()?, json::to_bytes(&document));
    let mut descriptor = blob.descriptor().clone();
    descriptor.artifact_type = document.artifact_type;
    blobs.push(Arc::new(empty));
    blobs.push(Arc::new(blob));
    Ok(Image::new(descriptor, blobs))
}
