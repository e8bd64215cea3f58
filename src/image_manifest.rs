//! `image_manifest` and `image_index`: a configuration and layers, or images for several platforms, under one digest.

pub(crate) mod artifact;
pub(crate) mod document;
pub(crate) mod existing;
pub(crate) mod platform_image;

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use crate::{
    blob::{Blob, Layer, MemoryBlob},
    descriptor::{Descriptor, MediaType, Platform},
    digest::Digest,
    error::{Error, Result},
    image_config::ImageConfig,
    image_layout::name::{CONTAINERD_NAME, REF_NAME},
    json,
    warning::Warning,
};

pub use self::{
    artifact::artifact_manifest,
    document::{Index, Manifest},
    platform_image::PlatformImage,
};

/// Makes the [image manifest](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md) that names a
/// configuration and its layers, lowest first; those of a base image come below them by themselves.
///
/// The options are JSON to merge over the defaults, or [`ManifestOptions`]. `config` and `layers` are always those
/// given here.
///
/// ```
/// # use oci_layout::{FileMapping, LayerOptions, image_config, image_manifest, layer_tar};
/// use serde_json::json;
/// # let app = layer_tar([FileMapping::text("", "/bin/app").mode(0o755)], LayerOptions::default())?;
/// let config = image_config([&app], json!({}))?;
/// let annotations = json!({ "annotations": { "org.opencontainers.image.title": "app" } });
/// let image = image_manifest(config, [app], annotations)?.tagged("latest");
/// assert_eq!(image.platform().unwrap().to_string(), "linux/amd64");
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] if the layers are not those that the configuration names, in their order, or for JSON that no
/// manifest can hold. [`Error::Warning`] if `strict` is set and there is a [`Warning`]: of more than 125 layers.
pub fn image_manifest<L: Into<Arc<dyn Layer>>>(
    config: ImageConfig,
    layers: impl IntoIterator<Item = L>,
    options: impl Into<ManifestOptions>,
) -> Result<ImageManifest> {
    let ManifestOptions { extra, base, strict } = options.into();
    let below = match &base {
        Some(base) => base.layers(),
        None => config.base_layers(),
    };
    let layers: Vec<Arc<dyn Layer>> = below.iter().cloned().chain(layers.into_iter().map(Into::into)).collect();
    check_layers(&config, &layers)?;
    let warnings = match layers.len() {
        0..=MOST_LAYERS => Vec::new(),
        layers => vec![Warning::ManyLayers { layers, most: MOST_LAYERS }],
    };
    Error::refuse_warnings(&warnings, strict)?;

    let mut value = json!({ "schemaVersion": 2, "mediaType": MediaType::MANIFEST });
    json::merge(&mut value, Value::Object(json::with_known_keys("image manifest", extra, Manifest::MEMBERS)?));
    value["config"] = json::to_value(config.descriptor());
    value["layers"] = layers.iter().map(|layer| layer.descriptor()).map(json::to_value).collect();
    let document: Manifest = json::from_value("image manifest", value)?;
    let blob = MemoryBlob::new(document.media_type()?, json::to_bytes(&document));
    Ok(ImageManifest { document, blob, config, layers, warnings })
}

/// The largest number of layers that every engine runs. No specification has one: Docker refuses more with "max depth
/// exceeded".
pub(crate) const MOST_LAYERS: usize = 125;

fn check_layers(config: &ImageConfig, layers: &[Arc<dyn Layer>]) -> Result<()> {
    let named = &config.document().rootfs.diff_ids;
    let given: Vec<Digest> = layers.iter().map(|layer| layer.diff_id()).collect();
    if *named == given {
        return Ok(());
    }
    if given.len() < named.len() && named.ends_with(&given) {
        let below = named.len() - given.len();
        let reason = format!(
            "its configuration has {below} more layers below those that are given: \
             give the base image that it was made with too"
        );
        return Err(Error::invalid("image manifest", reason));
    }
    let list = |ids: &[Digest]| ids.iter().map(Digest::to_string).collect::<Vec<_>>().join(", ");
    let reason = format!(
        "its configuration was made for other layers (diff IDs {}) than are given (diff IDs {}): \
         give the same layers to both, in the same order",
        list(named),
        list(&given)
    );
    Err(Error::invalid("image manifest", reason))
}

/// What [`image_manifest`] makes the manifest from, beside configuration and layers. JSON converts into it.
#[derive(Clone, Debug, Default)]
pub struct ManifestOptions {
    /// Merged over the defaults; `null` is nothing.
    pub extra: Value,
    /// The image below the layers; by default the configuration's, which knows it if it was made with one.
    pub base: Option<PlatformImage>,
    /// Whether a [`Warning`] is an error; off by default.
    pub strict: bool,
}

impl ManifestOptions {
    /// Options with this JSON.
    pub fn new(extra: Value) -> Self {
        extra.into()
    }

    /// Sets the image below the layers.
    pub fn base(self, base: PlatformImage) -> Self {
        Self { base: Some(base), ..self }
    }

    /// Sets whether a [`Warning`] is an error.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }
}

impl From<Value> for ManifestOptions {
    fn from(extra: Value) -> Self {
        Self { extra, ..Self::default() }
    }
}

/// A manifest, its bytes, and all that it names.
#[derive(Clone)]
pub struct ImageManifest {
    document: Manifest,
    blob: MemoryBlob,
    config: ImageConfig,
    layers: Vec<Arc<dyn Layer>>,
    warnings: Vec<Warning>,
}

impl ImageManifest {
    /// What is probably a mistake in the image.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What it says.
    pub fn document(&self) -> &Manifest {
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

    /// The configuration.
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// The layers, lowest first, those of a base image among them.
    pub fn layers(&self) -> &[Arc<dyn Layer>] {
        &self.layers
    }

    /// The image under a tag, or a full name with a tag; see [`Image::tagged`].
    pub fn tagged(self, name: impl Into<String>) -> Image {
        Image::from(self).tagged(name)
    }
}

impl fmt::Debug for ImageManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageManifest")
            .field("digest", &self.digest())
            .field("document", &self.document)
            .finish_non_exhaustive()
    }
}

/// Makes the [image index](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md) of an image for
/// several platforms: whoever pulls it gets the manifest for theirs. `extra` is JSON merged over the defaults;
/// `manifests` is always that of the images, in their order.
///
/// # Errors
///
/// [`Error::Images`] if two images are for the same platform, [`Error::Invalid`] for JSON that no index can hold.
pub fn image_index<I: Into<Image>>(images: impl IntoIterator<Item = I>, extra: Value) -> Result<ImageIndex> {
    let images: Vec<Image> = images.into_iter().map(Into::into).collect();
    for (index, image) in images.iter().enumerate() {
        let platform = image.platform().map(Platform::with_variant);
        let same = |other: &&Image| platform.is_some() && other.platform().map(Platform::with_variant) == platform;
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
    json::merge(&mut value, Value::Object(json::with_known_keys("image index", extra, Index::MEMBERS)?));
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

/// What a layout can name: a manifest or an index, whoever made it, with every blob that belongs to it.
#[derive(Clone)]
pub struct Image {
    descriptor: Descriptor,
    /// In the order in which they are written: whatever refers to a blob comes after it.
    blobs: Vec<Arc<dyn Blob>>,
    names: Vec<String>,
    warnings: Vec<Warning>,
}

impl Image {
    /// An image by its descriptor and its blobs, what refers to a blob behind it and the descriptor's own last.
    pub(crate) fn new(descriptor: Descriptor, blobs: Vec<Arc<dyn Blob>>) -> Self {
        Self { descriptor, blobs, names: Vec::new(), warnings: Vec::new() }
    }

    /// Adds a warning.
    pub(crate) fn warned(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }

    /// Adds a name for the image: a tag (`latest`), or a full name (`ghcr.io/me/app:1.0`, `app:1.0`).
    ///
    /// The layout's index has the tag as `org.opencontainers.image.ref.name`, where podman, skopeo, umoci and crane
    /// look, and of a full name the whole as `io.containerd.image.name`, where containerd and docker do. A full name
    /// without a tag has the tag `latest`; one without a registry is Docker Hub's.
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

    /// What whoever copies the image should know: that the layout which it comes from lacks a part of it.
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

impl From<ImageManifest> for Image {
    fn from(manifest: ImageManifest) -> Self {
        let mut descriptor = manifest.blob.descriptor().clone();
        descriptor.platform = Some(manifest.config.document().platform());
        descriptor.artifact_type.clone_from(&manifest.document.artifact_type);
        let mut blobs: Vec<Arc<dyn Blob>> = Vec::with_capacity(manifest.layers.len() + 2);
        blobs.extend(manifest.layers.into_iter().map(|layer| layer as Arc<dyn Blob>));
        blobs.push(Arc::new(manifest.config));
        blobs.push(Arc::new(manifest.blob));
        Self::new(descriptor, blobs)
    }
}

impl From<ImageIndex> for Image {
    fn from(index: ImageIndex) -> Self {
        let mut descriptor = index.blob.descriptor().clone();
        descriptor.artifact_type.clone_from(&index.document.artifact_type);
        let mut blobs: Vec<Arc<dyn Blob>> = index.images.into_iter().flat_map(|image| image.blobs).collect();
        blobs.push(Arc::new(index.blob));
        Self::new(descriptor, blobs)
    }
}
