//! The image configuration as a value:
//! [properties](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).

use std::collections::BTreeMap;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    document::{
        descriptor::{Platform, null_is_empty},
        extra::{Extra, object},
    },
};

object! {
    /// An [image
    /// configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).
    /// Written as JSON, the members stand in the order of the fields, absent ones left out.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Configuration {
        /// When the image was made, as RFC 3339 writes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created: Option<String>,
        /// Who made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub author: Option<String>,
        /// What it runs on: `amd64`, `arm64`, …
        #[serde(default)]
        pub architecture: String,
        /// `linux`, …
        #[serde(default)]
        pub os: String,
        /// Windows' build number.
        #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
        pub os_version: Option<String>,
        /// Windows' `win32k`.
        #[serde(
            rename = "os.features",
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "null_is_empty"
        )]
        pub os_features: Vec<String>,
        /// `v7`, `v8`, …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub variant: Option<String>,
        /// How a container of the image runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub config: Option<ContainerConfig>,
        /// The layers.
        #[serde(default)]
        pub rootfs: RootFs,
        /// What each layer was made by, lowest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
        pub history: Vec<History>,
    }
}

impl Configuration {
    /// What the image runs on.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: self.variant.clone(),
            extra: Extra::default(),
        }
    }
}

object! {
    /// How a container of the image runs: the configuration's
    /// [`config`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).
    ///
    /// `Healthcheck` and `Shell` are in `extra`.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    #[serde(rename_all = "PascalCase")]
    pub struct ContainerConfig {
        /// A name or number, and possibly a group behind a colon.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub user: Option<String>,
        /// Ports by `80/tcp` and the like; the values are empty objects.
        #[serde(default, skip_serializing_if = "Extra::is_empty", deserialize_with = "null_is_empty")]
        pub exposed_ports: Extra,
        /// `NAME=VALUE`.
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
        pub env: Vec<String>,
        /// The program and the arguments it always has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub entrypoint: Option<Vec<String>>,
        /// The arguments it has unless the user gives others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub cmd: Option<Vec<String>>,
        /// Paths whose contents belong to the container, not to the image; the values are empty
        /// objects.
        #[serde(default, skip_serializing_if = "Extra::is_empty", deserialize_with = "null_is_empty")]
        pub volumes: Extra,
        /// Where the program starts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub working_dir: Option<String>,
        /// Key and value pairs.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
        pub labels: BTreeMap<String, String>,
        /// `SIGTERM` and the like.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop_signal: Option<String>,
    }
}

object! {
    /// The layers of an image: the configuration's
    /// [`rootfs`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct RootFs {
        /// Always `layers`.
        #[serde(rename = "type")]
        pub kind: String,
        /// The digests of the uncompressed layers, lowest first.
        #[serde(default, deserialize_with = "null_is_empty")]
        pub diff_ids: Vec<Digest>,
    }
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new(), extra: Extra::default() }
    }
}

object! {
    /// What one layer was made by, or a step that made none: an entry of the configuration's
    /// [`history`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties).
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    pub struct History {
        /// When, as RFC 3339 writes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created: Option<String>,
        /// By whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub author: Option<String>,
        /// By which command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_by: Option<String>,
        /// Whatever else there is to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub comment: Option<String>,
        /// Whether the step made no layer: only the other entries have one each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub empty_layer: Option<bool>,
    }
}

/// What depends on the layers, and what a configuration must have.
pub(crate) fn check(document: &Configuration) -> Result<()> {
    let refuse = |member: &str, reason: &str| {
        Err(Error::invalid(format!("image configuration, {member}"), reason))
    };
    for (member, value) in [("architecture", &document.architecture), ("os", &document.os)] {
        if value.is_empty() {
            return refuse(member, "it must not be empty");
        }
    }
    let made = document.history.iter().filter(|history| history.empty_layer != Some(true)).count();
    let layers = document.rootfs.diff_ids.len();
    if !document.history.is_empty() && made != layers {
        let reason = format!(
            "it has {made} entries that made a layer, and the image has {layers} layers: give one \
             for each, or leave the history out"
        );
        return refuse("history", &reason);
    }
    Ok(())
}
