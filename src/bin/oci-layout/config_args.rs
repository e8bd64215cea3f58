//! Options for the configuration of an image, shared by `build`, `image-config` and
//! `image-manifest`.

use clap::Args;
use oci_layout::{ConfigOptions, PlatformImage, Result, document::Platform};
use serde_json::{Map, Value, json};

use crate::{
    args::{self, Json},
    base_args::BaseArgs,
};

/// The configuration other than the layers and the platform.
#[derive(Args, Clone)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    run: RunArgs,

    /// Creation time of the image, as in 2026-01-31T12:00:00Z or in seconds since 1970. Files have
    /// times of their own [default: $SOURCE_DATE_EPOCH, or 1970]
    #[arg(long, value_name = "TIME", value_parser = args::time, help_heading = CONFIG)]
    created: Option<String>,

    /// JSON to merge over the image configuration, or @ and the name of a JSON file, as in '{
    /// "config": { "User": "1000" } }'. null removes a member: '{ "config": { "Labels": { "KEY":
    /// null } } }' removes one label of the base image
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse), help_heading = CONFIG)]
    extra_config: Option<Json>,
}

const CONFIG: &str = "How a container of the image runs";

/// How a container of the image runs.
#[derive(Args, Clone)]
#[command(next_help_heading = CONFIG)]
pub(crate) struct RunArgs {
    /// The program to run; repeat the option for each of its fixed arguments
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    entrypoint: Vec<String>,

    /// Default argument of the program, which a user can replace. May be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    cmd: Vec<String>,

    /// Environment variable. May be repeated. $NAME, ${NAME} and ${NAME:-DEFAULT} in a value expand
    /// to a variable that the image or an earlier --env has set, as in 'PATH=/app/bin:$PATH'; $$ is
    /// a dollar sign
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = args::pair)]
    env: Vec<(String, String)>,

    /// User name or ID, optionally followed by a colon and a group name or ID. Without one, the
    /// program runs as root
    #[arg(short, long)]
    user: Option<String>,

    /// Working directory of the program. Without one, it is /
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,

    /// Label of the image. May be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = args::pair)]
    label: Vec<(String, String)>,

    /// Port or range of ports that the program listens on, as in 80, 53/udp or 8000-8010. May be
    /// repeated
    #[arg(long, value_name = "PORT[-PORT][/PROTOCOL]", value_parser = args::ports)]
    expose: Vec<Vec<String>>,

    /// Path in the image where each container has storage of its own. May be repeated
    #[arg(long, value_name = "DIR")]
    volume: Vec<String>,

    /// Signal that asks the program to stop. Without one, it is SIGTERM
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
}

impl ConfigArgs {
    /// Lets each variable and label replace the same one before it, in its place.
    pub(crate) fn replace_earlier(&mut self) {
        for pairs in [&mut self.run.env, &mut self.run.label] {
            let mut merged: Vec<(String, String)> = Vec::new();
            for (name, value) in pairs.drain(..) {
                match merged.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, old)) => *old = value,
                    None => merged.push((name, value)),
                }
            }
            *pairs = merged;
        }
    }

    /// Returns the options for an image on this base.
    pub(crate) fn options(
        &self,
        base: Option<PlatformImage>,
        args: &BaseArgs,
        platform: Option<&Platform>,
    ) -> Result<ConfigOptions> {
        let (source, created) = match &self.created {
            Some(created) => ("--created", Some(created.clone())),
            None => ("SOURCE_DATE_EPOCH", args::created()?),
        };
        let created = created.map(|created| json!({ "created": created }));
        let options = ConfigOptions::default()
            .merge_json_from(source, created.unwrap_or_default())
            .merge_json_from("--extra-config", Json::read_or_null(self.extra_config.as_ref())?);
        let mut options = self.run.merge_into(options);
        options.platform = platform.cloned();
        options.unset_env.clone_from(&args.unset_env);
        options.base = base;
        Ok(options)
    }
}

impl RunArgs {
    /// Merges only the options that were given.
    pub(crate) fn merge_into(&self, options: ConfigOptions) -> ConfigOptions {
        let pairs = |pairs: &[(String, String)]| {
            pairs.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect::<Map<_, _>>()
        };
        let set = |keys: &[String]| {
            keys.iter().map(|key| (key.clone(), json!({}))).collect::<Map<_, _>>()
        };
        let env: Vec<_> = self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let given = [
            ("--user", "User", json!(self.user)),
            ("--expose", "ExposedPorts", set(&self.expose.concat()).into()),
            ("--env", "Env", env.into()),
            ("--entrypoint", "Entrypoint", json!(self.entrypoint)),
            ("--cmd", "Cmd", json!(self.cmd)),
            ("--volume", "Volumes", set(&self.volume).into()),
            ("--workdir", "WorkingDir", json!(self.workdir)),
            ("--label", "Labels", pairs(&self.label).into()),
            ("--stop-signal", "StopSignal", json!(self.stop_signal)),
        ];
        let is_given = |value: &Value| match value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(members) => !members.is_empty(),
            value => !value.is_null(),
        };
        given.into_iter().filter(|(_, _, value)| is_given(value)).fold(
            options,
            |options, (option, member, value)| {
                options.merge_json_from(option, json!({ "config": { member: value } }))
            },
        )
    }
}

/// Annotations and other members of the manifest.
#[derive(Args, Clone)]
#[command(next_help_heading = "Annotations and other members")]
pub(crate) struct ManifestArgs {
    /// Annotation of the image manifest. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    annotation: Vec<(String, String)>,

    /// JSON to merge over the manifest, or @ and the name of a JSON file, as in '{ "annotations": {
    /// "KEY": "VALUE" } }'
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_manifest: Option<Json>,
}

impl ManifestArgs {
    /// Returns the JSON to merge over the manifest.
    pub(crate) fn extra(&self) -> Result<Value> {
        let mut extra = Json::read_or_null(self.extra_manifest.as_ref())?;
        let annotations = self.annotation.iter();
        let annotations: Map<String, Value> =
            annotations.map(|(key, value)| (key.clone(), value.clone().into())).collect();
        if !annotations.is_empty() {
            add_annotations(&mut extra, annotations);
        }
        Ok(extra)
    }
}

/// Adds annotations to JSON for a manifest. A value that is not an object stays for the library to
/// refuse.
fn add_annotations(extra: &mut Value, annotations: Map<String, Value>) {
    if extra.is_null() {
        *extra = json!({});
    }
    let Value::Object(members) = extra else { return };
    match members.entry("annotations").or_insert_with(|| json!({})) {
        Value::Object(present) => present.extend(annotations),
        other if other.is_null() => *other = annotations.into(),
        _ => {}
    }
}
