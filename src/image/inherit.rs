//! What an image takes over from its base image's configuration.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    basics::{json, warning::Warning},
    image::platform_image::PlatformImage,
};

/// The parts of a base image's configuration that an image takes over. What the user gives goes
/// over them; `Env` merges by name, and a new `Entrypoint` clears an inherited `Cmd`.
///
/// Read from JSON, its members are written in camel case, and what is not named is `true`.
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
    /// What else `config` holds: `Healthcheck`, `Shell`, unknown members. Never `OnBuild`: its
    /// triggers are for the image that is built on the base, and not for those built on that.
    pub other: bool,
    /// The entries of `history`; without them, the base's layers have one each that says only that
    /// they are there.
    pub history: bool,
    /// `author` and the unknown members beside `config`. Never `created`: that is the new image's
    /// own.
    pub metadata: bool,
}

impl Inherit {
    /// All there is.
    pub const EVERYTHING: Self = Self {
        env: true,
        entrypoint: true,
        cmd: true,
        user: true,
        working_dir: true,
        exposed_ports: true,
        volumes: true,
        labels: true,
        stop_signal: true,
        other: true,
        history: true,
        metadata: true,
    };

    /// The layers alone.
    pub const NOTHING: Self = Self {
        env: false,
        entrypoint: false,
        cmd: false,
        user: false,
        working_dir: false,
        exposed_ports: false,
        volumes: false,
        labels: false,
        stop_signal: false,
        other: false,
        history: false,
        metadata: false,
    };

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
            // The new image's own, or derived from its layers.
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

/// What the base image gives; a new `Entrypoint` clears its `Cmd`.
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

/// The entries of the base image's history that the new one begins with.
pub(crate) fn history(base: Option<&PlatformImage>, inherit: &Inherit) -> Vec<Value> {
    let Some(base) = base else { return Vec::new() };
    let configuration = base.configuration();
    // Entries and layers must agree in number, and not every base image's do: one without a history
    // has layers too.
    let made = configuration.history.iter().filter(|entry| entry.empty_layer != Some(true)).count();
    if inherit.history && made == configuration.rootfs.diff_ids.len() {
        return configuration.history.iter().map(json::to_value).collect();
    }
    let layer = serde_json::json!({ "comment": "layer of the base image" });
    vec![layer; configuration.rootfs.diff_ids.len()]
}
