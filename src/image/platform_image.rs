//! The image for one platform, wherever it comes from.

use std::{fmt, io::Read, path::Path, sync::Arc};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
    },
    blob::traits::{Blob, Layer},
    document::{
        configuration::Configuration,
        descriptor::{Descriptor, Platform},
        layout_paths::MAX_DEPTH,
        manifest::{Index, Manifest},
    },
    image::{existing::read_document, graph::Image},
    recipe::{base_files::BaseFiles, origin::Recipe},
    store::checked::CheckedFile,
};

/// The image for one platform: manifest, configuration and layers. It is the base of others
/// ([`ConfigOptions::base`](crate::ConfigOptions::base)), whether it lies in a layout, an archive
/// or a registry, or was just made.
#[derive(Clone)]
pub struct PlatformImage {
    descriptor: Descriptor,
    manifest: Manifest,
    configuration: Configuration,
    layers: Vec<Arc<dyn Layer>>,
    /// The layers as the manifest names them, the configuration and the manifest.
    blobs: Vec<Arc<dyn Blob>>,
}

impl PlatformImage {
    /// An image whose documents were read. `blob` gives what they name.
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

    /// An image of these documents, layers and blobs.
    pub(crate) fn of_parts(
        descriptor: Descriptor,
        manifest: Manifest,
        configuration: Configuration,
        layers: Vec<Arc<dyn Layer>>,
        blobs: Vec<Arc<dyn Blob>>,
    ) -> Self {
        Self { descriptor, manifest, configuration, layers, blobs }
    }

    /// The image itself, or of an image for several platforms the one for this platform, by default
    /// linux/amd64 unless there is only one.
    ///
    /// # Errors
    ///
    /// [`Error::PlatformNotFound`] if there is no image for the platform, and the errors of reading
    /// manifest, index and configuration.
    pub fn of(image: &Image, platform: Option<&Platform>) -> Result<Self> {
        let default = Platform::default();
        let wanted = platform.unwrap_or(&default);
        let mut descriptor = image.descriptor().clone();
        for _ in 0..=MAX_DEPTH {
            if !descriptor.media_type.is_index() {
                let manifest: Manifest = document(image, &descriptor)?;
                let configuration = document(image, &manifest.config)?;
                return Self::new(descriptor, manifest, configuration, |descriptor| {
                    blob(image, descriptor).map(Arc::clone)
                });
            }
            let index: Index = document(image, &descriptor)?;
            let fits = |entry: &&Descriptor| {
                entry.platform.as_ref().is_some_and(|has| wanted.accepts(has))
            };
            descriptor = match (index.manifests.iter().find(fits), &index.manifests[..]) {
                (Some(entry), _) => entry.clone(),
                (None, [only]) if platform.is_none() => only.clone(),
                _ => {
                    let platforms =
                        index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
                    return Err(Error::PlatformNotFound {
                        of: format!("image {}", image.digest()),
                        platform: wanted.to_string(),
                        available: platforms.map(Platform::to_string).collect(),
                    });
                }
            };
        }
        Err(invalid(image, format!("has indexes more than {MAX_DEPTH} deep")))
    }

    /// What names it: its entry in an index, if it comes from one.
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

    /// The layers, lowest first. Docker's media types are named by their OCI equivalents; the bytes
    /// are the same.
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

/// The image as it is, to be put elsewhere: its manifest's bytes do not change.
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

/// A layer by its blob.
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

fn document<T: serde::de::DeserializeOwned>(image: &Image, descriptor: &Descriptor) -> Result<T> {
    let bytes = read_document(&**blob(image, descriptor)?)?;
    json::from_slice(&bytes).map_err(|error| Error::invalid(descriptor.digest.to_string(), error))
}

fn blob<'a>(image: &'a Image, descriptor: &Descriptor) -> Result<&'a Arc<dyn Blob>> {
    let found = image.blobs().iter().find(|blob| blob.descriptor().digest == descriptor.digest);
    found.ok_or_else(|| {
        invalid(image, format!("lacks the blob {}: fetch it whole", descriptor.digest))
    })
}

fn invalid(image: &Image, reason: String) -> Error {
    Error::invalid(format!("image {}", image.digest()), format!("it {reason}"))
}
