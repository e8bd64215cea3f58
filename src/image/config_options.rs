//! What an image configuration is made from, beside the layers.

use serde_json::Value;

use crate::{
    document::descriptor::Platform,
    image::{inherit::Inherit, platform_image::PlatformImage},
};

/// What [`image_config`](crate::image_config()) makes the configuration from, beside the layers.
/// JSON converts into it.
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct ConfigOptions {
    /// Merged over everything else, the later over the earlier.
    pub extra: Vec<ExtraConfig>,
    /// The platform, unless `extra` says otherwise; by default the base image's, or linux/amd64.
    pub platform: Option<Platform>,
    /// The image below the layers.
    pub base: Option<PlatformImage>,
    /// What is taken over from the base image's configuration; everything by default.
    pub inherit: Inherit,
    /// The names of variables in the base image's `Env` that are not taken over.
    pub unset_env: Vec<String>,
    /// Whether a [`Warning`](crate::Warning) is an error; off by default.
    pub strict: bool,
}

/// Members of an image configuration, and where they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExtraConfig {
    /// What errors call the place: `--env`, the name of an attribute.
    pub source: String,
    /// A JSON object; `null` is nothing.
    pub members: Value,
}

impl ConfigOptions {
    /// Options with this JSON.
    pub fn new(extra: Value) -> Self {
        extra.into()
    }

    /// Merges JSON over what `extra` says already. Keys may be in any case, and `Env` merges by
    /// name, as over a base image.
    pub fn merge_json(self, over: Value) -> Self {
        self.merge_json_from("the options", over)
    }

    /// The same, for JSON that errors and warnings name the source of: "set by `source`".
    pub fn merge_json_from(mut self, source: impl Into<String>, over: Value) -> Self {
        if !over.is_null() {
            self.extra.push(ExtraConfig { source: source.into(), members: over });
        }
        self
    }

    /// Sets the platform.
    pub fn platform(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// Sets the image below the layers.
    pub fn base(self, base: PlatformImage) -> Self {
        Self { base: Some(base), ..self }
    }

    /// Sets what is taken over from the base image's configuration.
    pub fn inherit(self, inherit: Inherit) -> Self {
        Self { inherit, ..self }
    }

    /// Adds a variable of the base image's `Env` that is not taken over.
    pub fn unset_env(mut self, name: impl Into<String>) -> Self {
        self.unset_env.push(name.into());
        self
    }

    /// Sets whether a [`Warning`](crate::Warning) is an error.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }
}

impl From<Value> for ConfigOptions {
    fn from(extra: Value) -> Self {
        Self::default().merge_json(extra)
    }
}
