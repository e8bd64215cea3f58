//! `image_manifest` makes the manifest for a configuration and its layers.

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use crate::{
    basics::{Digest, Error, Result, Warning, json},
    blob::{Blob, Layer, MemoryBlob},
    document::{Manifest, MediaType, manifest},
    image::{config::ImageConfig, graph::Image, platform_image::PlatformImage},
};

/// Makes the [image manifest](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md)
/// for a configuration and its layers, lowest first. The layers of a base image are added below
/// them.
///
/// The options are JSON that is merged over the defaults, or [`ManifestOptions`]. `config` and
/// `layers` always list the arguments.
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
/// [`Error::Invalid`] if the layers differ from those of the configuration, or for JSON that is not
/// valid in a manifest. [`Error::Warning`] if `strict` is set and there is a [`Warning`], for
/// example about more than 125 layers.
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
    let layers: Vec<Arc<dyn Layer>> =
        below.iter().cloned().chain(layers.into_iter().map(Into::into)).collect();
    check_layers(&config, &layers)?;
    let warnings: Vec<_> = many_layers(layers.len()).into_iter().collect();
    Error::refuse_warnings(&warnings, strict)?;

    let defaults = json!({ "schemaVersion": 2, "mediaType": MediaType::MANIFEST });
    let mut value = manifest::with_defaults("image manifest", defaults, extra, Manifest::MEMBERS)?;
    value["config"] = json::to_value(config.descriptor());
    value["layers"] = layers.iter().map(|layer| layer.descriptor()).map(json::to_value).collect();
    let document: Manifest = json::from_value("image manifest", value)?;
    let blob = MemoryBlob::new(document.media_type()?, json::to_bytes(&document));
    Ok(ImageManifest { document, blob, config, layers, warnings })
}

/// The largest number of layers that all engines support. No specification has a limit, but Docker
/// refuses more with "max depth exceeded".
pub(crate) const MOST_LAYERS: usize = 125;

/// The warning about this number of layers.
pub(crate) fn many_layers(layers: usize) -> Option<Warning> {
    (layers > MOST_LAYERS).then_some(Warning::ManyLayers { layers, most: MOST_LAYERS })
}

fn check_layers(config: &ImageConfig, layers: &[Arc<dyn Layer>]) -> Result<()> {
    let named = &config.document().rootfs.diff_ids;
    let given: Vec<Digest> = layers.iter().map(|layer| layer.diff_id()).collect();
    if *named == given {
        return Ok(());
    }
    if given.len() < named.len() && named.ends_with(&given) {
        let below = named.len() - given.len();
        let reason = format!(
            "its configuration has {below} more layers below the given ones: also pass the base \
             image with which it was made"
        );
        return Err(Error::invalid("image manifest", reason));
    }
    let list = |ids: &[Digest]| ids.iter().map(Digest::to_string).collect::<Vec<_>>().join(", ");
    let reason = format!(
        "its configuration was made for other layers (diff IDs {}) than the given ones (diff IDs \
         {}): pass the same layers to both, in the same order",
        list(named),
        list(&given)
    );
    Err(Error::invalid("image manifest", reason))
}

/// Options for [`image_manifest`]. JSON converts into them.
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct ManifestOptions {
    /// JSON that is merged over the defaults. `null` changes nothing.
    pub extra: Value,
    /// The image below the layers. The default is that of the configuration, if it was made with
    /// one.
    pub base: Option<PlatformImage>,
    /// Whether a [`Warning`] is an error. The default is false.
    pub strict: bool,
}

impl ManifestOptions {
    /// Creates options from this JSON.
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

/// A manifest, its bytes, and all blobs of the image.
#[derive(Clone)]
pub struct ImageManifest {
    document: Manifest,
    blob: MemoryBlob,
    config: ImageConfig,
    layers: Vec<Arc<dyn Layer>>,
    warnings: Vec<Warning>,
}

impl ImageManifest {
    /// Probable mistakes in the image.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The parsed manifest.
    pub fn document(&self) -> &Manifest {
        &self.document
    }

    /// The bytes that the digest covers.
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

    /// The layers, lowest first, including those of a base image.
    pub fn layers(&self) -> &[Arc<dyn Layer>] {
        &self.layers
    }

    /// The image with a tag, or a full name with a tag. See [`Image::tagged`].
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

/// Uses an image that was just made.
impl From<ImageManifest> for PlatformImage {
    fn from(made: ImageManifest) -> Self {
        let (manifest, configuration) = (made.document().clone(), made.config().document().clone());
        let layers = made.layers().to_vec();
        let image = Image::from(made);
        let (descriptor, blobs) = (image.descriptor().clone(), image.blobs().to_vec());
        Self::of_parts(descriptor, manifest, configuration, layers, blobs)
    }
}
