//! Setters for the members of a configuration.

use serde_json::{Value, json};

use crate::{
    basics::json, document::configuration::ContainerConfig, image::config_options::ConfigOptions,
};

/// Each setter merges its value into the options, as [`ConfigOptions::merge_json`] does. Later
/// values take precedence.
impl ConfigOptions {
    /// Sets the program that a container runs, with its fixed arguments. This clears the `Cmd` of
    /// the base image.
    ///
    /// ```
    /// use oci_layout::{ConfigOptions, FileMapping, LayerOptions, image_config, layer_tar};
    /// let app = layer_tar([FileMapping::text("", "/bin/app").mode(0o755)], LayerOptions::default())?;
    /// let options = ConfigOptions::default().entrypoint(["/bin/app"]).cmd(["--port", "80"]).env("LANG", "C.UTF-8");
    /// let config = image_config([&app], options)?;
    /// let config = config.document().config.as_ref().unwrap();
    /// assert_eq!(config.entrypoint.as_deref(), Some(&["/bin/app".to_owned()][..]));
    /// assert_eq!(config.env, ["LANG=C.UTF-8"]);
    /// # Ok::<_, oci_layout::Error>(())
    /// ```
    pub fn entrypoint<A: Into<String>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.member("Entrypoint", texts(arguments))
    }

    /// Sets the default arguments of the entry point, or the program if there is no entry point.
    pub fn cmd<A: Into<String>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.member("Cmd", texts(arguments))
    }

    /// Sets an environment variable. The value can refer to variables of the base image or to
    /// variables that were set before.
    pub fn env(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.member("Env", texts([format!("{}={}", name.as_ref(), value.as_ref())]))
    }

    /// Sets the user that runs the program: a name or an ID, optionally followed by a colon and a
    /// group.
    pub fn user(self, user: impl Into<String>) -> Self {
        self.member("User", user.into().into())
    }

    /// Sets the working directory, an absolute path in the image.
    pub fn working_dir(self, path: impl Into<String>) -> Self {
        self.member("WorkingDir", path.into().into())
    }

    /// Sets a label.
    pub fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.member("Labels", json!({ (key.into()): value.into() }))
    }

    /// Adds a port on which the program listens, for example `80` or `53/udp`.
    pub fn expose(self, port: impl Into<String>) -> Self {
        let port = port.into();
        let port = if port.contains('/') { port } else { port + "/tcp" };
        self.member("ExposedPorts", json!({ (port): {} }))
    }

    /// Adds a directory that containers keep in a volume.
    pub fn volume(self, path: impl Into<String>) -> Self {
        self.member("Volumes", json!({ (path.into()): {} }))
    }

    /// Sets the signal that stops the program, for example `SIGTERM`.
    pub fn stop_signal(self, signal: impl Into<String>) -> Self {
        self.member("StopSignal", signal.into().into())
    }

    /// Sets the creation time of the image, in the format of RFC 3339.
    pub fn created(self, time: impl Into<String>) -> Self {
        self.merge_json(json!({ "created": time.into() }))
    }

    /// Sets the author of the image.
    pub fn author(self, author: impl Into<String>) -> Self {
        self.merge_json(json!({ "author": author.into() }))
    }

    fn member(self, name: &str, value: Value) -> Self {
        self.merge_json(json!({ "config": { (name): value } }))
    }
}

fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Value {
    texts.into_iter().map(Into::into).collect()
}

impl From<ContainerConfig> for ConfigOptions {
    fn from(config: ContainerConfig) -> Self {
        Self::default().merge_json(json!({ "config": json::to_value(&config) }))
    }
}
