//! `image_config`: layers in, the image configuration that names their diff IDs out.

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
/// with these layers, lowest first, on top of those of a base image if the options have one.
///
/// The options are JSON to merge over the defaults, or [`ConfigOptions`]. Objects merge, everything
/// else replaces, `null` removes. The platform is linux/amd64 unless something says otherwise: a
/// base image, the options, the JSON. `rootfs` is always that of the layers. The history has one
/// entry a layer.
///
/// Keys may be given in any case (`entrypoint`), and are written as the specification does. So are
/// platforms (`x86_64`), with a [`Warning`].
///
/// `Env` merges by name. Its values may refer to variables that the base image sets, or an earlier
/// entry: `$NAME`, `${NAME}`, `${NAME:-DEFAULT}` and `${NAME:+WORD}` mean what they do in a
/// Dockerfile. `$$` is a dollar sign. A reference to a variable that is not set stays as it is,
/// with a [`Warning`].
///
/// What engines refuse is an error if the options say it. If the base image says it, it is an error
/// only if no engine takes it, and a [`Warning`] otherwise. Triggers (`OnBuild`) of the base image
/// are not taken over.
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
/// [`Error::Invalid`] for JSON that is not an object, a top-level member that no image
/// configuration has, a value of the wrong type or one that engines refuse, a history that does not
/// fit the layers, or a platform that is not the base image's. The error names the member, and what
/// set it. [`Error::Warning`] if `strict` is set and there is a [`Warning`].
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
    /// Finds out what [`image_config`](crate::image_config()) will refuse or warn of, before there
    /// are layers.
    ///
    /// # Errors
    ///
    /// As [`image_config`](crate::image_config()), except what depends on the layers: a history
    /// that does not fit them.
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
        let document = json::from_slice(&bytes)
            .map_err(|error| Error::invalid("image configuration", error))?;
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
