//! Images with all their blobs: the entries of layouts.

use std::{fmt, sync::Arc};

use crate::{
    basics::{Digest, Warning},
    blob::Blob,
    document::{CONTAINERD_NAME, Descriptor, Platform, REF_NAME},
};

/// An image for a layout: a manifest or an index, of any origin, with all blobs that belong to it.
#[derive(Clone)]
pub struct Image {
    pub(crate) descriptor: Descriptor,
    /// In the order in which they are written: a blob comes before the blobs that refer to it.
    pub(crate) blobs: Vec<Arc<dyn Blob>>,
    pub(crate) names: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
}

impl Image {
    /// Creates an image from its descriptor and its blobs. A blob comes before the blobs that refer
    /// to it, and the blob of the descriptor is last.
    pub(crate) fn new(descriptor: Descriptor, blobs: Vec<Arc<dyn Blob>>) -> Self {
        Self { descriptor, blobs, names: Vec::new(), warnings: Vec::new() }
    }

    /// Adds a warning.
    pub(crate) fn warned(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }

    /// Adds a name for the image: a tag (`latest`), or a full name (`ghcr.io/me/app:1.0`,
    /// `app:1.0`).
    ///
    /// The index of the layout contains the tag as `org.opencontainers.image.ref.name`, which
    /// podman, skopeo, umoci and crane read. It contains a full name as `io.containerd.image.name`,
    /// which containerd and docker read. The default tag of a full name is `latest`, and the
    /// default registry is Docker Hub.
    pub fn tagged(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Adds an annotation to the image's descriptor in the layout's index.
    pub fn annotated(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.descriptor.annotations.insert(key.into(), value.into());
        self
    }

    /// The descriptor, without the names that were added here.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The digest of its manifest or index.
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    /// The platform. `None` for an index of several platforms.
    pub fn platform(&self) -> Option<&Platform> {
        self.descriptor.platform.as_ref()
    }

    /// The names that were added.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All blobs. A blob comes before the blobs that refer to it.
    pub fn blobs(&self) -> &[Arc<dyn Blob>] {
        &self.blobs
    }

    /// Warnings for copies of the image: the layout that it comes from lacks a part of it, or
    /// [`mutate`](crate::mutate()) found a probable mistake.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The image without its names, including those in the annotations of its descriptor, to give
    /// it others.
    pub fn without_names(mut self) -> Self {
        self.names.clear();
        self.descriptor.annotations.retain(|key, _| key != REF_NAME && key != CONTAINERD_NAME);
        self
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("descriptor", &self.descriptor)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
