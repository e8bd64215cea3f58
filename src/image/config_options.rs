//! Options for making an image configuration.

use serde_json::Value;

use crate::{
    document::Platform,
    image::{inherit::Inherit, platform_image::PlatformImage},
};

/// Options for [`image_config`](crate::image_config()). JSON converts into them.
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct ConfigOptions {
    /// Members that are merged over everything else, in this order.
    pub extra: Vec<ExtraConfig>,
    /// The platform, unless `extra` sets another. The default is that of the base image, or
    /// linux/amd64.
    pub platform: Option<Platform>,
    /// The image below the layers.
    pub base: Option<PlatformImage>,
    /// The parts of the base image's configuration to inherit. The default is everything.
    pub inherit: Inherit,
    /// The names of variables in the base image's `Env` that are not inherited.
    pub unset_env: Vec<String>,
    /// Whether a [`Warning`](crate::Warning) is an error. The default is false.
    pub strict: bool,
}

/// Members of an image configuration, and their source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExtraConfig {
    /// The source in messages: `--env`, or the name of an attribute.
    pub source: String,
    /// A JSON object. `null` stands for an empty object.
    pub members: Value,
}

impl ConfigOptions {
    /// Creates options from this JSON.
    pub fn new(extra: Value) -> Self {
        extra.into()
    }

    /// Merges JSON into `extra`. Keys can have any case, and `Env` is merged by name, as over a
    /// base image.
    pub fn merge_json(self, over: Value) -> Self {
        self.merge_json_from("the options", over)
    }

    /// Merges JSON. Errors and warnings name its source: "set by `source`".
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

    /// Sets the parts of the base image's configuration to inherit.
    pub fn inherit(self, inherit: Inherit) -> Self {
        Self { inherit, ..self }
    }

    /// Excludes a variable of the base image's `Env` from inheritance.
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
