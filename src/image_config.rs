//! `image_config`: layers in, the image configuration that names their diff IDs out.

mod document;
mod inherit;

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

pub(crate) use self::document::is_rfc3339;
pub use self::{
    document::{Configuration, ContainerConfig, History, RootFs},
    inherit::Inherit,
};
use crate::{
    blob::{Blob, Layer, MemoryBlob},
    descriptor::{Descriptor, MediaType, Platform},
    digest::Digest,
    error::{Error, Result},
    image_layout::LayoutImage,
    json,
    warning::Warning,
};

/// The time that images are created at unless somebody says otherwise.
const CREATED: &str = "1970-01-01T00:00:01Z";

/// Makes the [image configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md) of an image
/// with these layers, lowest first, on top of those of a base image if the options have one.
///
/// The options are JSON to merge over the defaults, or [`ConfigOptions`]. Objects merge, everything else replaces,
/// `null` removes. The platform is linux/amd64 unless something says otherwise: a base image, the options, the JSON.
/// `rootfs` is always that of the layers. The history has one entry a layer.
///
/// Keys may be given in any case (`entrypoint`), and are written as the specification does.
///
/// ```
/// # use oci_layout::{FileMapping, LayerOptions, image_config, layer_tar};
/// use serde_json::json;
/// # let app = layer_tar([FileMapping::text("", "/bin/app").mode(0o755)], LayerOptions::default())?;
/// let config = image_config([&app], json!({ "config": { "Entrypoint": ["/bin/app"], "Env": ["PORT=80"] } }))?;
/// assert_eq!(config.document().architecture, "amd64");
/// assert_eq!(config.document().rootfs.diff_ids.len(), 1);
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Invalid`] for JSON that is not an object, a top-level member that no image configuration has, a value of
/// the wrong type, an `Env` entry without `=`, a time that is not RFC 3339, a history that does not fit the layers,
/// or a platform that is not the base image's. [`Error::Warning`] if `strict` is set and there is a [`Warning`].
pub fn image_config<'a, L: Layer + ?Sized + 'a>(
    layers: impl IntoIterator<Item = &'a L>,
    options: impl Into<ConfigOptions>,
) -> Result<ImageConfig> {
    let ConfigOptions { extra, platform, base, inherit, strict } = options.into();
    let mut extra = document::normalise(extra)?;
    // Its place is the layers'.
    extra.remove("rootfs");

    let mut value = json!({ "created": CREATED });
    let mut diff_ids = Vec::new();
    if let Some(base) = &base {
        json::merge(&mut value, inherit::inherited(base, &inherit, &mut extra));
        diff_ids.extend(&base.configuration().rootfs.diff_ids);
    }
    let base_platform = base.as_ref().map(|base| base.configuration().platform());
    let platform = match (platform, &base_platform) {
        // The base image's says more: it may have a variant.
        (Some(platform), Some(base)) if platform.accepts(base) => base.clone(),
        (Some(platform), _) => platform,
        (None, base) => base.clone().unwrap_or_default(),
    };
    json::merge(&mut value, json::to_value(&platform));
    let says_history = extra.contains_key("history");
    json::merge(&mut value, Value::Object(extra));

    let created = value.get("created").cloned();
    let mut made: Vec<Value> = Vec::new();
    for layer in layers {
        diff_ids.push(layer.diff_id());
        made.push(json!({ "created": created, "created_by": layer.created_by() }));
    }
    if !says_history {
        let mut history = inherit::history(base.as_ref(), &inherit);
        history.extend(made);
        value["history"] = history.into();
    }
    value["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });

    let document: Configuration = json::from_value("image configuration", value)?;
    document::check(&document)?;
    if let Some(base_platform) = base_platform
        && !base_platform.accepts(&document.platform())
    {
        let reason = format!("the base image is for {base_platform}: choose the base image of that platform");
        return Err(Error::invalid(format!("platform {}", document.platform()), reason));
    }
    let warnings = Vec::new();
    Warning::refuse(&warnings, strict)?;
    let bytes = json::to_bytes(&document);
    let base_layers = base.map(|base| base.layers().to_vec()).unwrap_or_default();
    Ok(ImageConfig { blob: MemoryBlob::new(MediaType::CONFIG, bytes), document, base_layers, warnings })
}

/// What [`image_config`] makes the configuration from, beside the layers. JSON converts into it.
#[derive(Clone, Debug, Default)]
pub struct ConfigOptions {
    /// Merged over everything else; `null` is nothing.
    pub extra: Value,
    /// The platform, unless `extra` says otherwise; by default the base image's, or linux/amd64.
    pub platform: Option<Platform>,
    /// The image below the layers.
    pub base: Option<LayoutImage>,
    /// What is taken over from the base image's configuration; everything by default.
    pub inherit: Inherit,
    /// Whether a [`Warning`] is an error; off by default.
    pub strict: bool,
}

impl ConfigOptions {
    /// Options with this JSON.
    pub fn new(extra: Value) -> Self {
        extra.into()
    }

    /// Merges JSON over what `extra` says already. Keys may be in any case, and `Env` merges by name, as over a base
    /// image.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] as for [`image_config`], for either of the two.
    pub fn merge(self, over: Value) -> Result<Self> {
        let mut over = document::normalise(over)?;
        let mut extra = document::normalise(self.extra)?;
        if let Some(Value::Object(config)) = extra.get_mut("config") {
            inherit::complete_env(config, &mut over);
        }
        let mut extra = Value::Object(extra);
        json::compose(&mut extra, Value::Object(over));
        Ok(Self { extra, ..self })
    }

    /// Sets the platform.
    pub fn platform(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// Sets the image below the layers.
    pub fn base(self, base: LayoutImage) -> Self {
        Self { base: Some(base), ..self }
    }

    /// Sets what is taken over from the base image's configuration.
    pub fn inherit(self, inherit: Inherit) -> Self {
        Self { inherit, ..self }
    }

    /// Sets whether a [`Warning`] is an error.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }
}

impl From<Value> for ConfigOptions {
    fn from(extra: Value) -> Self {
        Self { extra, ..Self::default() }
    }
}

/// An image configuration and its bytes.
#[derive(Clone)]
pub struct ImageConfig {
    document: Configuration,
    blob: MemoryBlob,
    base_layers: Vec<Arc<dyn Layer>>,
    warnings: Vec<Warning>,
}

impl ImageConfig {
    /// What is probably a mistake in the options.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A configuration that exists already, by its bytes, which stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if they are no image configuration.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        let document =
            serde_json::from_slice(&bytes).map_err(|error| Error::invalid("image configuration", error.to_string()))?;
        Ok(Self {
            document,
            blob: MemoryBlob::new(MediaType::CONFIG, bytes),
            base_layers: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// What it says.
    pub fn document(&self) -> &Configuration {
        &self.document
    }

    /// The bytes, as the digest has them.
    pub fn bytes(&self) -> &[u8] {
        self.blob.bytes()
    }

    /// The digest, which is also the image's ID.
    pub fn digest(&self) -> Digest {
        self.descriptor().digest
    }

    /// The layers of the base image, lowest first.
    pub fn base_layers(&self) -> &[Arc<dyn Layer>] {
        &self.base_layers
    }
}

impl Blob for ImageConfig {
    fn descriptor(&self) -> &Descriptor {
        self.blob.descriptor()
    }

    fn open(&self) -> Result<Box<dyn std::io::Read + Send>> {
        self.blob.open()
    }
}

impl fmt::Debug for ImageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageConfig")
            .field("digest", &self.digest())
            .field("document", &self.document)
            .finish_non_exhaustive()
    }
}
