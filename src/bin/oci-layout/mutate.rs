//! `mutate`: changes an image without reading its layers.

mod changes;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use oci_layout::{
    ConfigOptions, Image, LayoutOptions, MutateOptions, Pool, Result, document::Platform, folder,
    image_layout, mutate,
};
use serde_json::{Map, Value, json};

use self::changes::changes;
use crate::{
    Warnings,
    args::{self, Json, LayoutTag},
    config_args::RunArgs,
    errors,
    image_arg::{ImageArg, WholeImage},
    out::{print, say},
    output::{self, Output},
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Changes an image: its configuration, its annotations, and the list of its layers.
///
/// Without -o, the layout is changed in place: the tag then names the new image, and gc removes
/// blobs that no image uses. No layer is read, so that, unlike build, mutate does not warn of a
/// program or user that the image lacks. All other members of the configuration and the manifest
/// stay. An image for several platforms is changed for all of them, unless --platform selects one.
/// As in build, a new --entrypoint removes the default arguments. Prints the digest of the new
/// image.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout mutate image:1.0 --env PORT=8080 --label version=1.0 --user 1000
  oci-layout mutate image:1.0 --append layer -o changed --tag 1.1
  oci-layout mutate image --rebase docker://debian:12.1 docker://debian:12.2")]
pub(crate) struct Mutate {
    #[command(flatten)]
    image: WholeImage,

    /// The layout to create, or to add the image to [default: change the image in place]
    #[arg(short, long, value_name = "LAYOUT")]
    output: Option<PathBuf>,

    /// Name of the changed image: a tag (1.0) or a full name (ghcr.io/me/app:1.0). May be repeated
    /// [default: the names of the image]
    #[arg(short, long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// Folder of a layer to append, written by layer-tar; lowest first
    #[arg(long, value_name = "DIR", num_args = 1..)]
    append: Vec<PathBuf>,

    /// Number of layers to drop from the top, before others are appended
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    drop_layers: usize,

    /// Replace the layers of the base image on which the image was built by those of another base
    /// image
    #[arg(long, num_args = 2, value_names = ["OLD_BASE", "NEW_BASE"],
        value_parser = args::os(ImageArg::parse))]
    rebase: Vec<ImageArg>,

    /// Annotation of the image manifest. May be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = args::pair)]
    annotation: Vec<(String, String)>,

    /// Annotation of the image manifest to remove. May be repeated
    #[arg(long, value_name = "KEY")]
    unset_annotation: Vec<String>,

    /// Environment variable to remove. May be repeated
    #[arg(long, value_name = "NAME", value_parser = args::variable_name)]
    unset_env: Vec<String>,

    /// Label to remove. May be repeated
    #[arg(long, value_name = "KEY")]
    unset_label: Vec<String>,

    /// Member of the configuration to remove, before other options set it. May be repeated
    #[arg(long, value_name = "MEMBER")]
    clear: Vec<Member>,

    /// The platform that the image is for. This changes only what the image says
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    set_platform: Option<Platform>,

    /// Creation time of the image, as in 2026-01-31T12:00:00Z or in seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = args::time)]
    created: Option<String>,

    /// JSON to merge over the image configuration, or @ and the name of a JSON file; null removes a
    /// member
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_config: Option<Json>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    write: WriteArgs,
}

/// A member of `config` that can be removed.
#[derive(Clone, Copy, ValueEnum)]
enum Member {
    Entrypoint,
    Cmd,
    Env,
    User,
    Workdir,
    Label,
    Expose,
    Volume,
    StopSignal,
    Healthcheck,
}

impl Member {
    fn name(self) -> &'static str {
        match self {
            Self::Entrypoint => "Entrypoint",
            Self::Cmd => "Cmd",
            Self::Env => "Env",
            Self::User => "User",
            Self::Workdir => "WorkingDir",
            Self::Label => "Labels",
            Self::Expose => "ExposedPorts",
            Self::Volume => "Volumes",
            Self::StopSignal => "StopSignal",
            Self::Healthcheck => "Healthcheck",
        }
    }
}

impl Mutate {
    pub(crate) fn run(mut self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let WholeImage { image: from, platform, registries } = &self.image;
        let _locks: Vec<_> = [from].into_iter().chain(&self.rebase).map(ImageArg::lock).collect();
        let old = from.whole(registries, trust)?;
        let mut options = MutateOptions::default();
        let mut base = None;
        if let [old_base, new_base] = &*self.rebase {
            let open = |base: &ImageArg| base.whole(registries, trust);
            let below = open(old_base)?;
            base = Some((below.digest(), old_base));
            options = options.rebase(below, open(new_base)?);
        }
        let naming = errors::naming((old.digest(), from), base);
        for layer in folder::open_layers(&self.append, &trust.recipes())? {
            options = options.append(layer);
        }
        options = options.drop_layers(self.drop_layers);
        options.only.clone_from(platform);
        let (from, output, write) = (from.clone(), self.output.take(), self.write);
        let names = std::mem::take(&mut self.tag);
        options = options.manifest(self.manifest());
        options.config = self.config()?.strict(warnings.strict);

        let new = mutate(&old, &options).map_err(naming)?;
        warnings.print(new.warnings());
        let digest = new.digest();
        let what = changes(&old, &new, options.only.as_ref());
        let what = what.unwrap_or_else(|| "the image".to_owned());
        let place = Place { from, output, names, write, sealed: !options.layers.is_empty() };
        let place = progress::show("writing the layout", |_| place.put(new, pool, trust))?;
        match old.digest() == digest {
            true => say(format_args!("{place}: nothing to change")),
            false => say(format_args!("changed {place}: {what}")),
        }
        print(digest)
    }

    /// The JSON that the options merge over the manifest.
    fn manifest(&self) -> Value {
        let set = self.annotation.iter().map(|(key, value)| (key.clone(), value.clone().into()));
        let unset = self.unset_annotation.iter().map(|key| (key.clone(), Value::Null));
        #[cfg(feature = "registry")]
        let base = match self.rebase.last() {
            Some(ImageArg::Registry(reference)) => {
                let name = Value::from(reference.to_string());
                Some(("org.opencontainers.image.base.name".to_owned(), name))
            }
            _ => None,
        };
        #[cfg(not(feature = "registry"))]
        let base = None;
        let annotations: Map<String, Value> = base.into_iter().chain(unset).chain(set).collect();
        match annotations.is_empty() {
            true => Value::Null,
            false => json!({ "annotations": annotations }),
        }
    }

    fn config(self) -> Result<ConfigOptions> {
        let mut options = ConfigOptions::default();
        for member in self.clear {
            let member = json!({ "config": { (member.name()): null } });
            options = options.merge_json_from("--clear", member);
        }
        if !self.unset_label.is_empty() {
            let labels: Map<String, Value> =
                self.unset_label.into_iter().map(|key| (key, Value::Null)).collect();
            options =
                options.merge_json_from("--unset-label", json!({ "config": { "Labels": labels } }));
        }
        if let Some(created) = self.created {
            options = options.merge_json_from("--created", json!({ "created": created }));
        }
        options = options
            .merge_json_from("--extra-config", Json::read_or_null(self.extra_config.as_ref())?);
        options.platform = self.set_platform;
        options.unset_env = self.unset_env;
        Ok(self.run.merge_into(options))
    }
}

/// Where the changed image goes.
struct Place {
    from: ImageArg,
    output: Option<PathBuf>,
    names: Vec<String>,
    write: WriteArgs,
    /// Whether recipes may be written that need a seal.
    sealed: bool,
}

impl Place {
    /// Writes the image, and returns where it is, for people.
    fn put(self, image: Image, pool: &Pool, trust: &Trust) -> Result<String> {
        let Self { from, output, names, write, sealed } = self;
        let write = write.options();
        let shown = |layout: &PathBuf, name: Option<&str>| {
            let name = name.map_or(String::new(), |name| format!(":{name}"));
            format!("{}{name}", layout.display())
        };
        let named = |image: Image| match names.is_empty() {
            true => image,
            false => names.iter().cloned().fold(image.without_names(), Image::tagged),
        };
        let name = names.first().map(String::as_str);
        let LayoutTag { layout, tag } = match (output, from) {
            (Some(output), _) => {
                let image = named(image);
                let name = shown(&output, name);
                if output::settled(&output, write)? {
                    trust.open(&output)?.write_options(write).append([image], pool)?;
                    return Ok(name);
                }
                let output = Output::claim(&output, write)?;
                let options = LayoutOptions::default().write(write).pool(pool);
                image_layout(output.dir(), [image], options)?;
                output.keep()?;
                return Ok(name);
            }
            (None, ImageArg::Layout(layout)) => layout,
            #[cfg(feature = "registry")]
            (None, ImageArg::Registry(reference)) => {
                let reason = "an image in a registry cannot be changed in place: give a layout \
                    with -o, and push it";
                return Err(errors::invalid(reference.to_string(), reason));
            }
        };
        let mut opened = trust.open(&layout)?.write_options(write);
        if sealed && opened.is_sparse() {
            opened = opened.trust(trust.sealing());
        }
        match names.is_empty() {
            true => opened.replace(tag.as_deref(), image, pool)?,
            false => _ = opened.append([named(image)], pool)?,
        }
        Ok(shown(&layout, name.or(tag.as_deref())))
    }
}
