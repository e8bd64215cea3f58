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
    /// Its JSON has the members in the order of the fields, without absent ones.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Configuration {
        /// When the image was created, in the format of RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created: Option<String>,
        /// The author of the image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub author: Option<String>,
        /// The architecture that the image runs on: `amd64`, `arm64`, …
        #[serde(default)]
        pub architecture: String,
        /// The operating system: `linux`, …
        #[serde(default)]
        pub os: String,
        /// The build number of Windows.
        #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
        pub os_version: Option<String>,
        /// Required features of the operating system: `win32k` for Windows.
        #[serde(
            rename = "os.features",
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "null_is_empty"
        )]
        pub os_features: Vec<String>,
        /// The variant of the architecture: `v7`, `v8`, …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub variant: Option<String>,
        /// How a container of the image runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub config: Option<ContainerConfig>,
        /// The layers.
        #[serde(default)]
        pub rootfs: RootFs,
        /// How each layer was created, lowest first.
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
        pub history: Vec<History>,
    }
}

impl Configuration {
    /// The platform that the image runs on.
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
    /// How a container of the image runs: the member
    /// [`config`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties) of
    /// a configuration.
    ///
    /// `Healthcheck` and `Shell` are in `extra`.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    #[serde(rename_all = "PascalCase")]
    pub struct ContainerConfig {
        /// A user name or ID, optionally followed by a colon and a group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub user: Option<String>,
        /// Ports, such as `80/tcp`. The values are empty objects.
        #[serde(default, skip_serializing_if = "Extra::is_empty", deserialize_with = "null_is_empty")]
        pub exposed_ports: Extra,
        /// Environment variables as `NAME=VALUE`.
        #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
        pub env: Vec<String>,
        /// The program and its fixed arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub entrypoint: Option<Vec<String>>,
        /// The default arguments, which the user can replace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub cmd: Option<Vec<String>>,
        /// Paths whose contents belong to the container instead of the image. The values are empty
        /// objects.
        #[serde(default, skip_serializing_if = "Extra::is_empty", deserialize_with = "null_is_empty")]
        pub volumes: Extra,
        /// The working directory of the program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub working_dir: Option<String>,
        /// Key and value pairs.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
        pub labels: BTreeMap<String, String>,
        /// The signal that stops the container, such as `SIGTERM`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop_signal: Option<String>,
    }
}

object! {
    /// The layers of an image: the member
    /// [`rootfs`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties) of
    /// a configuration.
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
    /// How one layer was created, or a step that created no layer: an entry of the member
    /// [`history`](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties)
    /// of a configuration.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    pub struct History {
        /// When the step ran, in the format of RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created: Option<String>,
        /// The author of the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub author: Option<String>,
        /// The command of the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub created_by: Option<String>,
        /// A comment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub comment: Option<String>,
        /// Whether the step created no layer. All other entries correspond to one layer each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub empty_layer: Option<bool>,
    }
}

/// Checks the members that a configuration must have, and the history against the layers.
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
            "it has {made} entries for layers, but the image has {layers} layers: provide one \
             entry for each layer, or omit the history"
        );
        return refuse("history", &reason);
    }
    Ok(())
}
