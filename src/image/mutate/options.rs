//! What `mutate` changes.

use std::{fmt, sync::Arc};

use serde_json::Value;

use crate::{
    blob::Layer,
    document::Platform,
    image::{config_options::ConfigOptions, graph::Image},
};

/// What [`mutate`](crate::mutate()) changes. The default changes nothing.
#[derive(Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct MutateOptions {
    /// Changes of the configuration. `base` and `inherit` do not apply. As over a base image, a new
    /// `Entrypoint` clears `Cmd`.
    pub config: ConfigOptions,
    /// JSON that is merged over the manifest; `null` removes. `config` and `layers` do not apply.
    pub manifest: Value,
    /// The base below the image, and the base to replace it with. The layers of the image above the
    /// old base stay. The annotation `org.opencontainers.image.base.digest` names the new base.
    pub rebase: Option<(Image, Image)>,
    /// How many of the highest layers to drop, before others are appended.
    pub drop_layers: usize,
    /// Layers to append, lowest first.
    pub layers: Vec<Arc<dyn Layer>>,
    /// The platform to change in an image for several platforms. The default is all of them.
    pub only: Option<Platform>,
}

impl MutateOptions {
    /// Creates options that change the configuration.
    pub fn new(config: impl Into<ConfigOptions>) -> Self {
        Self { config: config.into(), ..Self::default() }
    }

    /// Sets JSON that is merged over the manifest.
    pub fn manifest(self, manifest: Value) -> Self {
        Self { manifest, ..self }
    }

    /// Sets the base to replace, and the new base.
    pub fn rebase(self, old: Image, new: Image) -> Self {
        Self { rebase: Some((old, new)), ..self }
    }

    /// Sets how many of the highest layers to drop.
    pub fn drop_layers(self, layers: usize) -> Self {
        Self { drop_layers: layers, ..self }
    }

    /// Appends a layer.
    pub fn append(mut self, layer: impl Into<Arc<dyn Layer>>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Sets the platform to change in an image for several platforms.
    pub fn only(self, platform: Platform) -> Self {
        Self { only: Some(platform), ..self }
    }
}

impl fmt::Debug for MutateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.descriptor()).collect();
        f.debug_struct("MutateOptions")
            .field("config", &self.config)
            .field("manifest", &self.manifest)
            .field("rebase", &self.rebase)
            .field("drop_layers", &self.drop_layers)
            .field("layers", &layers)
            .field("only", &self.only)
            .finish()
    }
}
