//! `image_config` makes the image configuration for a list of layers.

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use crate::{
    basics::{Digest, Error, Result, Warning, json},
    blob::{Blob, Layer, MemoryBlob},
    document::{Configuration, Descriptor, MediaType, configuration},
    image::{config_options::ConfigOptions, draft::Draft},
};

/// Makes the [image
/// configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md) of an image
/// with these layers, lowest first. If the options have a base image, its layers come below them.
///
/// The options are JSON that is merged over the defaults, or [`ConfigOptions`]. Objects are merged,
/// `null` removes, and everything else replaces. The platform is that of the base image or
/// linux/amd64, unless the options or the JSON set another. `rootfs` always lists the layers. The
/// history has one entry for each layer.
///
/// Keys can have any case (`entrypoint`), and are written as in the specification. Platform names
/// are normalised (`x86_64`), with a [`Warning`].
///
/// `Env` is merged by name. Its values can refer to variables of the base image or of earlier
/// entries: `$NAME`, `${NAME}`, `${NAME:-DEFAULT}` and `${NAME:+WORD}` have the same meaning as in
/// a Dockerfile. `$$` is a dollar sign. A reference to a variable that is not set is not expanded,
/// with a [`Warning`].
///
/// A value that engines refuse is an error if it comes from the options. If it comes from the base
/// image, it is an error if no engine accepts it, and a [`Warning`] otherwise. Triggers (`OnBuild`)
/// of the base image are not inherited.
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
/// [`Error::Invalid`] for JSON that is not an object, an unknown top-level member, a value of the
/// wrong type or one that engines refuse, a history that does not match the layers, and a platform
/// that differs from that of the base image. The error names the member and its source.
/// [`Error::Warning`] if `strict` is set and there is a [`Warning`].
pub fn image_config<'a, L: Layer + ?Sized + 'a>(
    layers: impl IntoIterator<Item = &'a L>,
    options: impl Into<ConfigOptions>,
) -> Result<ImageConfig> {
    let options = options.into();
    let strict = options.strict;
    let Draft { mut value, history, base, warnings } = Draft::new(options)?;
    Error::refuse_warnings(&warnings, strict)?;

    let mut diff_ids =
        base.as_ref().map(|base| base.configuration().rootfs.diff_ids.clone()).unwrap_or_default();
    let mut made: Vec<Value> = Vec::new();
    for layer in layers {
        diff_ids.push(layer.diff_id());
        made.push(json!({ "created": value.get("created"), "created_by": layer.created_by() }));
    }
    if let Some(mut history) = history {
        history.extend(made);
        value["history"] = history.into();
    }
    value["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });

    let document: Configuration = json::from_value("image configuration", value)?;
    configuration::check(&document)?;
    let bytes = json::to_bytes(&document);
    let base_layers = base.map(|base| base.layers().to_vec()).unwrap_or_default();
    Ok(ImageConfig {
        blob: MemoryBlob::new(MediaType::CONFIG, bytes),
        document,
        base_layers,
        warnings,
    })
}

impl ConfigOptions {
    /// Checks the options before there are layers, and returns the warnings of
    /// [`image_config`](crate::image_config()).
    ///
    /// # Errors
    ///
    /// The same as [`image_config`](crate::image_config()), except for a history that does not
    /// match the layers.
    pub fn check(&self) -> Result<Vec<Warning>> {
        let Draft { warnings, .. } = Draft::new(self.clone())?;
        Error::refuse_warnings(&warnings, self.strict)?;
        Ok(warnings)
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
    /// Probable mistakes in the options.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Reads an existing configuration. Its bytes stay unchanged.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the bytes are not an image configuration.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        let document = json::from_slice(&bytes)
            .map_err(|error| Error::invalid("image configuration", error))?;
        Ok(Self {
            document,
            blob: MemoryBlob::new(MediaType::CONFIG, bytes),
            base_layers: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// The parsed configuration.
    pub fn document(&self) -> &Configuration {
        &self.document
    }

    /// The bytes that the digest covers.
    pub fn bytes(&self) -> &[u8] {
        self.blob.bytes()
    }

    /// The digest, which is also the ID of the image.
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
