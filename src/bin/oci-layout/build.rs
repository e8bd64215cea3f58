//! `build`: writes one layer, one image and one layout in a single step.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use oci_layout::{
    BaseFiles, Compression, ConfigOptions, Image, LayoutOptions, ManifestOptions, Pool, Result,
    image_config, image_layout, image_manifest,
};
use serde_json::{Map, Value, json};

use crate::{
    Warnings, args,
    layer_args::LayerArgs,
    out::print,
    output::Output,
    progress,
    steps::{AboveArgs, ConfigArgs, pack, recipe_trust},
    trust::Trust,
    write_args::WriteArgs,
};

/// Packs files into an image in a new layout.
///
/// Files are owned by root, have mode 0755 or 0644 and a fixed modification time, unless --chown,
/// --chmod or --mtime is given; layer-tar can set these for each file, in a specification.
/// SOURCE_DATE_EPOCH, in seconds since 1970, sets the creation time in the image configuration
/// (default: 1970); it does not affect files. Prints the digest of the image.
#[derive(Args)]
#[command(group = ArgGroup::new("what").args(["files"]).required(true), after_help = "\
Example:
  oci-layout build -f target/release/app:/bin/app -f assets:/srv/www \\
      --entrypoint /bin/app --env PORT=80 -o image
  podman run oci:image")]
pub(crate) struct Build {
    #[command(flatten)]
    layer: LayerArgs,

    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Name of the image in the layout: a tag (1.0) or a full name (ghcr.io/me/app:1.0). May be
    /// repeated [default: none, which is enough for a layout with one image]
    #[arg(long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// Compression of the layer: gzip, zstd or none, with an optional level from gzip:1 to gzip:12
    /// or zstd:1 to zstd:19
    #[arg(long, value_name = "CODEC[:LEVEL]", default_value_t)]
    compression: Compression,

    /// Write a recipe of a few kilobytes instead of the layer. It describes how to build the layer
    /// from the same files, which must not change until `oci-layout fill` builds it. Changing a
    /// source afterwards is an error
    #[arg(long)]
    sparse: bool,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    over: AboveArgs,

    /// Annotation of the image manifest. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    annotation: Vec<(String, String)>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    write: WriteArgs,
}

/// How a container of the image runs.
#[derive(Args)]
#[command(next_help_heading = "How a container of the image runs")]
pub(crate) struct RunArgs {
    /// The program to run; repeat the option for each of its fixed arguments
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    entrypoint: Vec<String>,

    /// Default argument of the program, which a user can replace. May be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    cmd: Vec<String>,

    /// Environment variable. May be repeated. $NAME, ${NAME} and ${NAME:-DEFAULT} in a value expand
    /// to a variable of the base image or an earlier --env, as in 'PATH=/app/bin:$PATH'; $$ is a
    /// dollar sign
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    env: Vec<(String, String)>,

    /// User name or ID, optionally followed by a colon and a group name or ID [default: root]
    #[arg(long)]
    user: Option<String>,

    /// Working directory of the program [default: /]
    #[arg(long, value_name = "DIR")]
    workdir: Option<String>,

    /// Label of the image. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    label: Vec<(String, String)>,

    /// Port or range of ports that the program listens on, as in 80, 53/udp or 8000-8010. May be
    /// repeated
    #[arg(long, value_name = "PORT[-PORT][/PROTOCOL]", value_parser = args::ports)]
    expose: Vec<Vec<String>>,

    /// Path whose contents belong to the container instead of the image. May be repeated
    #[arg(long, value_name = "DIR")]
    volume: Vec<String>,

    /// Signal that asks the program to stop [default: SIGTERM]
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
}

impl Build {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _lock = self.config.lock();
        let config = self.run.merge_into(self.config.options(trust)?).strict(warnings.strict);
        // Report errors in the configuration before files are packed.
        config.check()?;
        let write = self.write.options();
        let output = Output::claim(&self.output, write)?;
        let (files, options) = self.layer.apply(self.compression.into());
        let options = self.over.options(options, config.base.as_ref().map(BaseFiles::from));
        let options = options.write(write).pool(pool);
        let layer = pack(files, options, self.sparse, output.dir(), warnings)?;
        let config = image_config([&layer], config)?;
        warnings.print(config.warnings());
        let annotations: Map<String, Value> =
            self.annotation.into_iter().map(|(k, v)| (k, v.into())).collect();
        let extra = if annotations.is_empty() {
            Value::Null
        } else {
            json!({ "annotations": annotations })
        };
        let image =
            image_manifest(config, [layer], ManifestOptions::new(extra).strict(warnings.strict))?;
        warnings.print(image.warnings());
        let digest = image.digest();
        let image = self.tag.into_iter().fold(Image::from(image), Image::tagged);
        let options = LayoutOptions::default().sparse(self.sparse).write(write).pool(pool);
        let options = options.trust(recipe_trust(self.sparse, trust));
        progress::show("writing the layout", |_| image_layout(output.dir(), [image], options))?;
        print(digest)?;
        output.keep()
    }
}

impl RunArgs {
    /// Merges only the options that were given, so that `build` writes the same bytes as the
    /// separate steps.
    pub(crate) fn merge_into(self, options: ConfigOptions) -> ConfigOptions {
        let pairs = |pairs: Vec<(String, String)>| {
            pairs.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>()
        };
        let set =
            |keys: Vec<String>| keys.into_iter().map(|key| (key, json!({}))).collect::<Map<_, _>>();
        let env: Vec<_> = self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let given = [
            ("--user", "User", json!(self.user)),
            ("--expose", "ExposedPorts", set(self.expose.concat()).into()),
            ("--env", "Env", env.into()),
            ("--entrypoint", "Entrypoint", self.entrypoint.into()),
            ("--cmd", "Cmd", self.cmd.into()),
            ("--volume", "Volumes", set(self.volume).into()),
            ("--workdir", "WorkingDir", json!(self.workdir)),
            ("--label", "Labels", pairs(self.label).into()),
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
