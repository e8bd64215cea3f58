//! The four steps, each from folders into a folder.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use oci_layout::{
    BaseFiles, Blob, Compression, ConfigOptions, Error, Image, LayerFolder, LayerOptions, LayerSpec, LayoutOptions,
    ManifestOptions, Platform, PlatformImage, Pool, ReadLock, RecipeTrust, Result, Warning, folder, image_config,
    image_layout, image_manifest, layer_tar,
};
use serde_json::json;

use crate::{
    Warnings,
    args::{self, Json, LayoutTag, TaggedFolder},
    base_folders,
    layer_args::LayerArgs,
    out::print,
    output::Output,
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Packs files into a layer.
///
/// The folder has the blob, its descriptor and its diff ID, and is what image-config and image-manifest take. The
/// digest of the blob is printed on standard output.
#[derive(Args)]
#[command(group = ArgGroup::new("what").args(["files", "spec"]).required(true), after_help = "\
Example:
  oci-layout layer-tar -f target/release/app:/bin/app -f assets:/srv/www -o layer

A specification, for modes, owners, links and whatever else can be said of a file:
  { \"files\": [ { \"source\": \"app\", \"destination\": \"/bin/app\", \"mode\": \"0755\" },
               { \"directory\": true, \"destination\": \"/tmp\", \"mode\": \"1777\" } ],
    \"compression\": \"zstd\" }")]
pub(crate) struct LayerTar {
    #[command(flatten)]
    layer: LayerArgs,

    /// A JSON file that says what goes into the layer and how, in place of -f and its options; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "LayerArgs")]
    spec: Option<PathBuf>,

    #[command(flatten)]
    base: BaseArgs,

    /// The folder of a layer, made by layer-tar, that this one comes above; those of --base are below all of them; the
    /// lowest first
    #[arg(long, value_name = "DIR", num_args = 1..)]
    above: Vec<PathBuf>,

    #[command(flatten)]
    over: AboveArgs,

    /// gzip, zstd or none, and a level: gzip:1 to gzip:12, zstd:1 to zstd:19 [default: the specification's, or gzip:5]
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    compression: Option<Compression>,

    /// Keep a recipe in the place of the blob, some kilobytes that say how it is made of the same files again. They must
    /// stay as they are; that one changed is an error when the layer is made. A layer with a compressed tar or a pipe
    /// among its sources is kept itself
    #[arg(long)]
    lazy: bool,

    /// The folder to make; one that is there must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl LayerTar {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let LayerSpec { files, options } = match &self.spec {
            Some(spec) => read_spec(spec)?,
            None => {
                let (files, options) = self.layer.apply(LayerOptions::default());
                LayerSpec { files, options }
            }
        };
        let compression = self.compression.unwrap_or(options.compression);
        let _lock = self.base.lock();
        let mut base = self.base.open(trust)?.as_ref().map(BaseFiles::from);
        for layer in open_layers(&self.above, trust)? {
            base = Some(base.unwrap_or_else(|| BaseFiles::new([] as [LayerFolder; 0])).and(layer));
        }
        let options = self.over.options(options, base);
        let output = Output::claim(&self.output, self.write.options())?;
        let layer = progress::show("packing", |bytes| {
            let strict = options.strict || warnings.strict;
            let options = LayerOptions { progress: Some(bytes.progress()), compression, strict, ..options };
            layer_tar(files, kept(options, self.lazy, output.dir()).write(self.write.options()).pool(pool))
        })?;
        warnings.print(layer.warnings());
        folder::write_layer(output.dir(), &layer, &recipe_trust(self.lazy, trust), self.write.options())?;
        print(layer.descriptor().digest)?;
        output.keep()
    }
}

/// Either a recipe is made, or the blob is stored in this folder.
pub(crate) fn kept(options: LayerOptions, lazy: bool, dir: &Path) -> LayerOptions {
    if lazy { options.recipe(true).scratch(dir) } else { options.store(dir) }
}

/// Whose recipes are followed. If recipes are written, with the key that seals them, which is made if there is none.
pub(crate) fn recipe_trust(writes_recipes: bool, trust: &Trust) -> RecipeTrust {
    if writes_recipes { trust.sealing() } else { trust.recipes() }
}

/// Whether the layer is only a recipe.
fn is_lazy(layer: &LayerFolder) -> bool {
    layer.recipe().is_some_and(|recipe| recipe.lies_in().is_none())
}

fn read_spec(path: &Path) -> Result<LayerSpec> {
    LayerSpec::from_value(args::read_json(path)?).map_err(|error| match error {
        Error::Invalid { what, reason } => Error::Invalid { what: format!("{path:?}, {what}"), reason },
        other => other,
    })
}

/// What an image configuration is made of, beside the layers.
#[derive(Args)]
pub(crate) struct ConfigArgs {
    /// JSON to merge over the image configuration, or @ and the file that holds it, as in '{ "config": { "User": "1000" } }'.
    /// null removes a member: '{ "config": { "Labels": { "KEY": null } } }' removes one label of the base image
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra: Option<Json>,

    #[command(flatten)]
    base: BaseArgs,
}

/// The image below the layers, and what it all runs on.
#[derive(Args)]
pub(crate) struct BaseArgs {
    /// The image to build on: a layout (a folder, an oci-archive or a docker-archive), and a tag or digest if
    /// it has several images, of which --platform may choose one too. Its layers
    /// come first, and its configuration is taken over where nothing else is said. A colon in the path is written
    /// `\:` [default: none]
    #[arg(long, value_name = "LAYOUT[:TAG]", value_parser = args::os(LayoutTag::parse))]
    base: Option<LayoutTag>,

    /// An environment variable of the base image that is not taken over; once for each
    #[arg(long, value_name = "NAME", requires = "base", value_parser = args::variable_name)]
    unset_env: Vec<String>,

    /// What the image runs on, by Go's names or others, as in linux/arm64, linux/aarch64 or linux/arm/v7 [default: what
    /// its base image does, or linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

/// How a layer is made above a base image.
#[derive(Args)]
pub(crate) struct AboveArgs {
    /// The folder that remembers which files the layers of base images have, so that each layer is read once; - is none
    /// [default: $XDG_CACHE_HOME/oci-layout, or ~/.cache/oci-layout]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Let a file take the place of a directory of the base image, and a directory that of a file
    #[arg(long)]
    replace: bool,
}

impl AboveArgs {
    /// The options for a layer above these layers, lowest first.
    pub(crate) fn options(self, options: LayerOptions, base: Option<BaseFiles>) -> LayerOptions {
        let options = LayerOptions { replace: options.replace || self.replace, ..options };
        match base {
            Some(base) => options.above(self.cached(base)),
            None => options,
        }
    }

    fn cached(&self, base: BaseFiles) -> BaseFiles {
        match self.cache.clone().or_else(base_folders::cache) {
            Some(cache) if cache.as_os_str() != "-" => base.cache(cache),
            _ => base,
        }
    }

    /// Looks for what these layers, lowest first, would not do if each had been made above the base and those before it.
    /// A lazy layer is not looked at: it would have to be made.
    fn check(&self, base: Option<&PlatformImage>, layers: &[LayerFolder], warnings: Warnings) -> Result<()> {
        if base.is_none() && layers.len() < 2 {
            return Ok(());
        }
        let mut base = self.cached(base.map_or_else(|| BaseFiles::new([] as [LayerFolder; 0]), BaseFiles::from));
        for layer in layers.iter().filter(|layer| layer.file().is_some()) {
            let is_reset = |warning: &Warning| matches!(warning, Warning::DirectoryReset { .. });
            let (resets, replaces): (Vec<_>, Vec<_>) = base.check(layer)?.into_iter().partition(is_reset);
            if let (Some(replaced), false) = (replaces.into_iter().next(), self.replace) {
                return Err(Error::Replaced(replaced));
            }
            warnings.take(&resets)?;
            base = base.and(layer.clone());
        }
        Ok(())
    }
}

impl BaseArgs {
    /// Keeps collectors of garbage away from the base, until it is read to its last layer.
    fn lock(&self) -> Option<ReadLock> {
        self.base.as_ref().map(LayoutTag::lock)
    }

    fn open(&self, trust: &Trust) -> Result<Option<PlatformImage>> {
        self.base.as_ref().map(|base| base.open(self.platform.as_ref(), trust)).transpose()
    }
}

impl ConfigArgs {
    /// As [`BaseArgs::lock`].
    pub(crate) fn lock(&self) -> Option<ReadLock> {
        self.base.lock()
    }

    pub(crate) fn options(&self, trust: &Trust) -> Result<ConfigOptions> {
        config_options("--extra", self.extra.as_ref(), &self.base, trust)
    }
}

/// Options with the JSON that an option of this name gives.
fn config_options(name: &str, extra: Option<&Json>, base: &BaseArgs, trust: &Trust) -> Result<ConfigOptions> {
    let created = args::created()?.map(|created| json!({ "created": created }));
    let options = ConfigOptions::default().merge_from("SOURCE_DATE_EPOCH", created.unwrap_or_default());
    let options = options.merge_from(name, Json::read_or_null(extra)?);
    let (platform, unset_env) = (base.platform.clone(), base.unset_env.clone());
    Ok(ConfigOptions { platform, base: base.open(trust)?, unset_env, ..options })
}

/// Makes the configuration of an image with these layers.
///
/// The folder has the configuration, its descriptor and its platform, and is what image-manifest takes. Its digest,
/// which is also the image's ID, is printed on standard output. The time of creation is that of
/// SOURCE_DATE_EPOCH, or else 1970.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout image-config --layer layer -o config \\
      --extra '{ \"config\": { \"Entrypoint\": [\"/bin/app\"] } }'")]
pub(crate) struct ImageConfig {
    /// The folder of a layer, made by layer-tar; the lowest first
    #[arg(long, value_name = "DIR", num_args = 1..)]
    layer: Vec<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,

    /// The folder to make; one that is there must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl ImageConfig {
    pub(crate) fn run(self, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _lock = self.config.lock();
        let options = self.config.options(trust)?.strict(warnings.strict);
        let config = image_config(&open_layers(&self.layer, trust)?, options)?;
        warnings.print(config.warnings());
        let output = Output::claim(&self.output, self.write.options())?;
        folder::write_config(output.dir(), &config, self.write.options())?;
        print(config.digest())?;
        output.keep()
    }
}

fn open_layers(dirs: &[PathBuf], trust: &Trust) -> Result<Vec<LayerFolder>> {
    let trust = trust.recipes();
    let mut layers = Vec::new();
    for dir in dirs {
        layers.extend(folder::open_layers(dir, &trust)?);
    }
    Ok(layers)
}

/// Makes an image of layers and a configuration.
///
/// The folder has the manifest and all that belongs to it, and is what image-layout takes. Without --config, the configuration is made too, as image-config does. The digest of the manifest is printed on
/// standard output.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout image-manifest --layer layer --config config -o manifest")]
pub(crate) struct ImageManifest {
    /// The folder of a layer, made by layer-tar; the lowest first
    #[arg(long, value_name = "DIR", num_args = 1..)]
    layer: Vec<PathBuf>,

    /// The folder of the configuration, made by image-config of the same layers. If that had a --base, give it here too
    #[arg(long, value_name = "DIR", conflicts_with_all = ["extra_config", "platform", "unset_env"])]
    config: Option<PathBuf>,

    /// JSON to merge over the image configuration that is made, or @ and the file that holds it
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_config: Option<Json>,

    #[command(flatten)]
    base: BaseArgs,

    #[command(flatten)]
    over: AboveArgs,

    /// JSON to merge over the manifest, or @ and the file that holds it, as in '{ "annotations": { "KEY": "VALUE" } }'
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_manifest: Option<Json>,

    /// The folder to make; one that is there must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl ImageManifest {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _lock = self.base.lock();
        let layers = open_layers(&self.layer, trust)?;
        let writing = recipe_trust(layers.iter().any(is_lazy), trust);
        let manifest = ManifestOptions::new(Json::read_or_null(self.extra_manifest.as_ref())?).strict(warnings.strict);
        let image = match &self.config {
            Some(dir) => {
                let config = folder::open_config(dir, &trust.recipes())?;
                let platform = config.document().platform();
                let base = self.base.base.map(|base| base.open(Some(&platform), trust)).transpose()?;
                self.over.check(base.as_ref(), &layers, warnings)?;
                image_manifest(config, layers, ManifestOptions { base, ..manifest })?
            }
            None => {
                let extra = self.extra_config.as_ref();
                let options = config_options("--extra-config", extra, &self.base, trust)?.strict(warnings.strict);
                self.over.check(options.base.as_ref(), &layers, warnings)?;
                let config = image_config(&layers, options)?;
                warnings.print(config.warnings());
                image_manifest(config, layers, manifest)?
            }
        };
        warnings.print(image.warnings());
        let output = Output::claim(&self.output, self.write.options())?;
        let digest = image.digest();
        let write = self.write.options();
        progress::show("writing the image", |_| folder::write_image(output.dir(), image, &writing, pool, write))?;
        print(digest)?;
        output.keep()
    }
}

/// Makes a layout of images, the folder that crane, podman and skopeo take.
///
/// Images under one tag and for different platforms become one image for all of them. The digest of each image is
/// printed on standard output.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout image-layout latest=manifest -o image
  oci-layout image-layout latest=manifest-amd64 latest=manifest-arm64 -o image")]
pub(crate) struct ImageLayout {
    /// The folder of an image, made by image-manifest, and a tag or full name for it; or a layout (a folder, or an
    /// oci-archive), whose images keep their tags where none is given. An equals sign in a path is written `\=`. None
    /// at all makes an empty layout, to append to
    #[arg(value_name = "[TAG=]DIR", value_parser = args::os(TaggedFolder::parse))]
    images: Vec<TaggedFolder>,

    /// JSON to merge over index.json, or @ and the file that holds it, as in '{ "annotations": { "KEY": "VALUE" } }'
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_index: Option<Json>,

    /// Keep recipes in the place of layers, which say where these lie or how they are made: no layer is copied or made.
    /// What they name must stay as it is until `oci-layout fill` puts the layers in their place
    #[arg(long)]
    sparse: bool,

    /// The folder to make; one that is there must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl ImageLayout {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _locks = lock_images(&self.images);
        let images = open_images(&self.images, warnings, trust)?;
        let options = LayoutOptions::new(Json::read_or_null(self.extra_index.as_ref())?).sparse(self.sparse).pool(pool);
        let options = options.trust(recipe_trust(self.sparse, trust)).write(self.write.options());
        let output = Output::claim(&self.output, self.write.options())?;
        let layout = progress::show("writing the layout", |_| image_layout(output.dir(), images, options))?;
        let mut digests: Vec<_> = layout.index()?.manifests.iter().map(|image| image.digest).collect();
        // An image with several tags is there once for each, one after the other.
        digests.dedup();
        digests.iter().try_for_each(print)?;
        output.keep()
    }
}

/// Keeps collectors of garbage away from the layouts among these, until their images are read to the last blob.
pub(crate) fn lock_images(folders: &[TaggedFolder]) -> Vec<ReadLock> {
    folders.iter().map(|folder| ReadLock::new(&folder.dir)).collect()
}

/// The images that these name, under the names given.
pub(crate) fn open_images(folders: &[TaggedFolder], warnings: Warnings, trust: &Trust) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for TaggedFolder { tag, dir } in folders {
        let named = |image: Image| tag.iter().fold(image, Image::tagged);
        if !is_layout(dir) {
            images.push(named(folder::open_image(dir, &trust.recipes())?));
            continue;
        }
        let (all, left_out) = trust.open(dir)?.present_images()?;
        warnings.report(&left_out)?;
        all.iter().try_for_each(|image| warnings.report(image.warnings()))?;
        if let (Some(tag), true) = (tag, all.len() != 1) {
            let reason =
                format!("has {} images, and {tag} can name one: leave the tag out to take all as they are", all.len());
            return Err(Error::Layout { path: dir.clone(), reason });
        }
        images.extend(all.into_iter().map(named));
    }
    Ok(images)
}

/// Whether this is a layout, in a folder or an archive, rather than the folder of an image.
fn is_layout(path: &Path) -> bool {
    path.is_file() || path.join("oci-layout").exists()
}
