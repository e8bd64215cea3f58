//! Inheritance of a base image's configuration.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    basics::{Warning, json},
    image::platform_image::PlatformImage,
};

/// The parts of a base image's configuration that an image inherits. The options take precedence
/// over them. `Env` is merged by name, and a new `Entrypoint` clears an inherited `Cmd`.
///
/// In JSON, the members are in camel case, and the default of each is `true`.
///
/// ```
/// use oci_layout::Inherit;
/// let nothing_but_env = Inherit { env: true, ..Inherit::NOTHING };
/// assert_ne!(nothing_but_env, Inherit::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Inherit {
    /// `Env`.
    pub env: bool,
    /// `Entrypoint`.
    pub entrypoint: bool,
    /// `Cmd`.
    pub cmd: bool,
    /// `User`.
    pub user: bool,
    /// `WorkingDir`.
    pub working_dir: bool,
    /// `ExposedPorts`.
    pub exposed_ports: bool,
    /// `Volumes`.
    pub volumes: bool,
    /// `Labels`.
    pub labels: bool,
    /// `StopSignal`.
    pub stop_signal: bool,
    /// Other members of `config`: `Healthcheck`, `Shell`, unknown members. Never `OnBuild`, whose
    /// triggers are for the image that is built on the base, not for further images.
    pub other: bool,
    /// The entries of `history`. Without them, the layers of the base get one entry each, without
    /// details.
    pub history: bool,
    /// `author` and the unknown members outside of `config`. Never `created`, which the new image sets.
    pub metadata: bool,
}

impl Inherit {
    /// Inherits everything.
    pub const EVERYTHING: Self = Self::all(true);

    /// Inherits only the layers.
    pub const NOTHING: Self = Self::all(false);

    const fn all(inherit: bool) -> Self {
        Self {
            env: inherit,
            entrypoint: inherit,
            cmd: inherit,
            user: inherit,
            working_dir: inherit,
            exposed_ports: inherit,
            volumes: inherit,
            labels: inherit,
            stop_signal: inherit,
            other: inherit,
            history: inherit,
            metadata: inherit,
        }
    }

    fn config_member(&self, name: &str) -> bool {
        match name {
            "Env" => self.env,
            "Entrypoint" => self.entrypoint,
            "Cmd" => self.cmd,
            "User" => self.user,
            "WorkingDir" => self.working_dir,
            "ExposedPorts" => self.exposed_ports,
            "Volumes" => self.volumes,
            "Labels" => self.labels,
            "StopSignal" => self.stop_signal,
            _ => self.other,
        }
    }

    fn member(&self, name: &str) -> bool {
        match name {
            "config" | "os.version" | "os.features" => true,
            // Set by the new image, or derived from its layers.
            "created" | "history" | "rootfs" | "architecture" | "os" | "variant" => false,
            _ => self.metadata,
        }
    }
}

impl Default for Inherit {
    fn default() -> Self {
        Self::EVERYTHING
    }
}

/// The inherited members. A new `Entrypoint` clears the inherited `Cmd`.
pub(crate) fn inherited(
    base: &PlatformImage,
    inherit: &Inherit,
    has_entrypoint: bool,
    warnings: &mut Vec<Warning>,
) -> Value {
    let Value::Object(mut members) = json::to_value(base.configuration()) else {
        return Value::Null;
    };
    members.retain(|name, _| inherit.member(name));
    if let Some(Value::Object(config)) = members.get_mut("config") {
        config.retain(|name, _| inherit.config_member(name));
        if has_entrypoint {
            config.remove("Cmd");
        }
        // "ONBUILD triggers are not inherited by grandchild images":
        // https://docs.docker.com/reference/dockerfile/#onbuild
        if let Some(Value::Array(triggers)) = config.remove("OnBuild")
            && !triggers.is_empty()
        {
            let triggers = triggers.iter().map(json::brief).collect();
            warnings.push(Warning::TriggersNotRun { triggers });
        }
    }
    Value::Object(members)
}

/// The history entries of the base image, with which the new history starts.
pub(crate) fn history(base: Option<&PlatformImage>, inherit: &Inherit) -> Vec<Value> {
    let Some(base) = base else { return Vec::new() };
    let configuration = base.configuration();
    // The numbers of entries and layers must be equal, but some base images have layers and no
    // history.
    let made = configuration.history.iter().filter(|entry| entry.empty_layer != Some(true)).count();
    if inherit.history && made == configuration.rootfs.diff_ids.len() {
        return configuration.history.iter().map(json::to_value).collect();
    }
    let layer = serde_json::json!({ "comment": "layer of the base image" });
    vec![layer; configuration.rootfs.diff_ids.len()]
}
