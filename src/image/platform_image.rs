//! An image for one platform, of any origin.

use std::{fmt, io::Read, iter, path::Path, sync::Arc};

use crate::{
    basics::{Digest, Error, Result},
    blob::{Blob, Layer},
    document::{Configuration, Descriptor, Manifest, Platform},
    image::{
        containers::{Container, Graph, no_platform},
        graph::Image,
    },
    recipe::{BaseFiles, Recipe},
    store::CheckedFile,
};

/// An image for one platform: manifest, configuration and layers. It can be the base of other
/// images ([`ConfigOptions::base`](crate::ConfigOptions::base)), whether it comes from a layout, an
/// archive or a registry, or was just made.
#[derive(Clone)]
pub struct PlatformImage {
    descriptor: Descriptor,
    manifest: Manifest,
    configuration: Configuration,
    layers: Vec<Arc<dyn Layer>>,
    /// The layers in the order of the manifest, the configuration, and the manifest.
    blobs: Vec<Arc<dyn Blob>>,
}

impl PlatformImage {
    /// Creates an image from parsed documents. `blob` returns the blobs to which they refer.
    pub(crate) fn new(
        descriptor: Descriptor,
        manifest: Manifest,
        configuration: Configuration,
        blob: impl Fn(&Descriptor) -> Result<Arc<dyn Blob>>,
    ) -> Result<Self> {
        let diff_ids = &configuration.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let reason =
                format!("it has {} layers and {} diff IDs", manifest.layers.len(), diff_ids.len());
            return Err(Error::invalid(format!("image {}", descriptor.digest), reason));
        }
        let below = manifest.layers.iter().chain([&manifest.config, &descriptor]);
        let blobs = below.map(blob).collect::<Result<Vec<_>>>()?;
        let layer = |(blob, diff_id): (&Arc<dyn Blob>, &Digest)| {
            Arc::new(ImageLayer::new(Arc::clone(blob), *diff_id)) as Arc<dyn Layer>
        };
        let layers = blobs.iter().zip(diff_ids).map(layer).collect();
        Ok(Self { descriptor, manifest, configuration, layers, blobs })
    }

    /// Creates an image from these documents, layers and blobs.
    pub(crate) fn of_parts(
        descriptor: Descriptor,
        manifest: Manifest,
        configuration: Configuration,
        layers: Vec<Arc<dyn Layer>>,
        blobs: Vec<Arc<dyn Blob>>,
    ) -> Self {
        Self { descriptor, manifest, configuration, layers, blobs }
    }

    /// Returns the image itself. From an image for several platforms, returns the image for this
    /// platform, which is by default linux/amd64, or the only one.
    ///
    /// # Errors
    ///
    /// [`Error::PlatformNotFound`] if there is no image for the platform, and the errors of reading
    /// manifest, index and configuration.
    pub fn of(image: &Image, platform: Option<&Platform>) -> Result<Self> {
        let container = Container::choose(image, platform)?.ok_or_else(|| {
            let of = format!("image {}", image.digest());
            no_platform(of, &platform.cloned().unwrap_or_default(), iter::empty())
        })?;
        Self::of_container(image, container)
    }

    /// Returns the image whose manifest is in this image.
    pub(crate) fn of_container(image: &Image, container: Container) -> Result<Self> {
        let Container { descriptor, manifest, .. } = container;
        let configuration = image.read(&manifest.config)?;
        Self::new(descriptor, manifest, configuration, |descriptor| {
            image.blob(descriptor).map(Arc::clone)
        })
    }

    /// The descriptor: the entry in an index, if the image comes from one.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The configuration.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The blob of the configuration.
    pub(crate) fn configuration_blob(&self) -> &Arc<dyn Blob> {
        &self.blobs[self.layers.len()]
    }

    /// The blob of the manifest.
    pub(crate) fn manifest_blob(&self) -> &Arc<dyn Blob> {
        &self.blobs[self.layers.len() + 1]
    }

    /// The layers, lowest first. Media types of Docker are replaced by their OCI equivalents, which
    /// have the same bytes.
    pub fn layers(&self) -> &[Arc<dyn Layer>] {
        &self.layers
    }
}

impl fmt::Debug for PlatformImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformImage")
            .field("descriptor", &self.descriptor)
            .finish_non_exhaustive()
    }
}

/// The image for copying. The bytes of its manifest stay unchanged.
impl From<PlatformImage> for Image {
    fn from(image: PlatformImage) -> Self {
        let mut descriptor = image.descriptor;
        descriptor.platform.get_or_insert_with(|| image.configuration.platform());
        Self::new(descriptor, image.blobs).without_names()
    }
}

/// The files of the image.
impl From<&PlatformImage> for BaseFiles {
    fn from(image: &PlatformImage) -> Self {
        Self::new(image.layers.iter().cloned())
    }
}

/// A layer with its blob.
struct ImageLayer {
    descriptor: Descriptor,
    blob: Arc<dyn Blob>,
    diff_id: Digest,
}

impl ImageLayer {
    fn new(blob: Arc<dyn Blob>, diff_id: Digest) -> Self {
        let named = blob.descriptor().clone();
        Self {
            descriptor: Descriptor { media_type: named.media_type.to_oci(), ..named },
            blob,
            diff_id,
        }
    }
}

impl Blob for ImageLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        self.blob.open()
    }

    fn file(&self) -> Option<&Path> {
        self.blob.file()
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        self.blob.checked()
    }

    fn recipe(&self) -> Option<Recipe> {
        let recipe = self.blob.recipe()?;
        Some(recipe.of_layer(self.diff_id).named(self.descriptor.media_type.clone()))
    }
}

impl Layer for ImageLayer {
    fn diff_id(&self) -> Digest {
        self.diff_id
    }
}
