//! `build`: one layer, one image, one layout.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use oci_layout::{
    BaseFiles, Compression, ConfigOptions, Image, LayerOptions, LayoutOptions, ManifestOptions, Pool, Result,
    image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::{Map, Value, json};

use crate::{
    Warnings, args,
    layer_args::LayerArgs,
    out::print,
    output::Output,
    progress,
    steps::{AboveArgs, ConfigArgs, kept, recipe_trust},
    trust::Trust,
    write_args::WriteArgs,
};

/// Packs files into an image in a layout of its own, in one go.
///
/// Files land in the image as root's, mode 0755 or 0644, with one fixed time, unless --chown, --chmod and --mtime say
/// otherwise; use layer-tar and its --spec to say it file by file. SOURCE_DATE_EPOCH, a number of seconds since 1970, is
/// the time of creation that the image's configuration has (1970 without it); it is no time of any file. The digest of
/// the image is printed on standard output.
#[derive(Args)]
#[command(group = ArgGroup::new("what").args(["files"]).required(true), after_help = "\
Example:
  oci-layout build -f target/release/app:/bin/app -f assets:/srv/www \\
      --entrypoint /bin/app --env PORT=80 -o image
  podman run oci:image")]
pub(crate) struct Build {
    #[command(flatten)]
    layer: LayerArgs,

    /// The folder to make; one that is there must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// A name of the image in the layout: a tag (1.0) or a full name (ghcr.io/me/app:1.0); once for each [default: none,
    /// which is enough where a layout has one image]
    #[arg(long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// gzip, zstd or none, and a level: gzip:1 to gzip:12, zstd:1 to zstd:19
    #[arg(long, value_name = "CODEC[:LEVEL]", default_value_t)]
    compression: Compression,

    /// Write no layer, but a recipe of some kilobytes that says how it is made of the same files again. They must stay as
    /// they are until `oci-layout fill` makes it; that one changed is an error then
    #[arg(long)]
    sparse: bool,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    over: AboveArgs,

    /// An annotation of the image's manifest; once for each
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
    /// The program, then one by one the arguments that it always has
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    entrypoint: Vec<String>,

    /// One by one, the arguments that it has unless the user gives others
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    cmd: Vec<String>,

    /// An environment variable; once for each. $NAME, ${NAME} and ${NAME:-DEFAULT} in a value mean a variable of the base
    /// image or one before, as in 'PATH=/app/bin:$PATH'; $$ is a dollar sign
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    env: Vec<(String, String)>,

    /// A user's name or number, and a group's behind a colon [default: root]
    #[arg(long)]
    user: Option<String>,

    /// Where the program starts [default: /]
    #[arg(long, value_name = "DIR")]
    workdir: Option<String>,

    /// A label; once for each
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    label: Vec<(String, String)>,

    /// A port that the program listens on, or a range of them, as in 80, 53/udp or 8000-8010; once for each
    #[arg(long, value_name = "PORT[-PORT][/PROTOCOL]", value_parser = args::ports)]
    expose: Vec<Vec<String>>,

    /// A path whose contents belong to the container and not to the image; once for each
    #[arg(long, value_name = "DIR")]
    volume: Vec<String>,

    /// The signal that asks the program to stop [default: SIGTERM]
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
}

impl Build {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _lock = self.config.lock();
        let config = self.run.merge_into(self.config.options(trust)?).strict(warnings.strict);
        // What is wrong with it is known before files are packed.
        config.check()?;
        let write = self.write.options();
        let output = Output::claim(&self.output, write)?;
        let layer = progress::show("packing", |bytes| {
            let (files, options) = self.layer.apply(self.compression.into());
            let options = self.over.options(options, config.base.as_ref().map(BaseFiles::from));
            let options = LayerOptions { progress: Some(bytes.progress()), strict: warnings.strict, ..options };
            layer_tar(files, kept(options, self.sparse, output.dir()).write(write).pool(pool))
        })?;
        warnings.print(layer.warnings());
        let config = image_config([&layer], config)?;
        warnings.print(config.warnings());
        let annotations: Map<String, Value> = self.annotation.into_iter().map(|(k, v)| (k, v.into())).collect();
        let extra = if annotations.is_empty() { Value::Null } else { json!({ "annotations": annotations }) };
        let image = image_manifest(config, [layer], ManifestOptions::new(extra).strict(warnings.strict))?;
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
    /// As the image configuration has it. What was not given is not in it: the steps by themselves make the same bytes.
    fn merge_into(self, options: ConfigOptions) -> ConfigOptions {
        let pairs = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>();
        let set = |keys: Vec<String>| keys.into_iter().map(|key| (key, json!({}))).collect::<Map<_, _>>();
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
        given.into_iter().filter(|(_, _, value)| is_given(value)).fold(options, |options, (option, member, value)| {
            options.merge_from(option, json!({ "config": { member: value } }))
        })
    }
}
