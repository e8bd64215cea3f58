//! What a layout can name: a manifest or an index, with every blob that belongs to it.

use std::{fmt, sync::Arc};

use crate::{
    basics::{Digest, Warning},
    blob::Blob,
    document::{CONTAINERD_NAME, Descriptor, Platform, REF_NAME},
};

/// What a layout can name: a manifest or an index, whoever made it, with every blob that belongs to
/// it.
#[derive(Clone)]
pub struct Image {
    pub(crate) descriptor: Descriptor,
    /// In the order in which they are written: whatever refers to a blob comes after it.
    pub(crate) blobs: Vec<Arc<dyn Blob>>,
    pub(crate) names: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
}

impl Image {
    /// An image by its descriptor and its blobs, what refers to a blob behind it and the
    /// descriptor's own last.
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
    /// The layout's index has the tag as `org.opencontainers.image.ref.name`, where podman, skopeo,
    /// umoci and crane look, and of a full name the whole as `io.containerd.image.name`, where
    /// containerd and docker do. A full name without a tag has the tag `latest`; one without a
    /// registry is Docker Hub's.
    pub fn tagged(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Adds an annotation to the image's descriptor in the layout's index.
    pub fn annotated(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.descriptor.annotations.insert(key.into(), value.into());
        self
    }

    /// What names it, without the names it was given here.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The digest of its manifest or index.
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    /// What it runs on; an index for several platforms has none.
    pub fn platform(&self) -> Option<&Platform> {
        self.descriptor.platform.as_ref()
    }

    /// The names it was given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All blobs; whatever refers to a blob comes after it.
    pub fn blobs(&self) -> &[Arc<dyn Blob>] {
        &self.blobs
    }

    /// What whoever copies the image should know: that the layout which it comes from lacks a part
    /// of it.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The image as one of several under an index, which has the names.
    pub(crate) fn without_names(mut self) -> Self {
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
