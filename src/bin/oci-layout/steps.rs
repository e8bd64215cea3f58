//! The four steps. Each reads folders and writes a folder.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use oci_layout::{
    BaseFiles, Blob, Compression, Error, FileMapping, LayerOptions, LayerSpec, LayoutOptions,
    ManifestOptions, Pool, RecipeTrust, Result, TarLayer, document::Platform, folder, image_config,
    image_layout, image_manifest, layer_tar, layer_tars, split::SplitOptions,
};

use crate::{
    Warnings,
    args::{self, Json},
    base_args::{AboveArgs, BaseArgs},
    config_args::{ConfigArgs, ManifestArgs},
    errors,
    layer_args::{FILES, Files, LayerArgs},
    named_image::{NamedImage, lock_images, open_images},
    out::print,
    output::Output,
    progress,
    reuse_args::ReuseArgs,
    trust::Trust,
    write_args::WriteArgs,
};

/// Packs files into a layer.
///
/// The output folder has the blob, its descriptor and its diff ID. It is an input of image-config
/// and image-manifest. Prints the digest of the blob.
#[derive(Args)]
#[command(
    group = ArgGroup::new("what")
        .args(args::ids_of::<Files>()).arg("spec").required(true).multiple(true),
    override_usage = "oci-layout layer-tar [OPTIONS] -o <DIR> -f <SRC[:DEST]>\n       \
                      oci-layout layer-tar [OPTIONS] -o <DIR> --spec <FILE>",
    after_help = "\
Example:
  oci-layout layer-tar -f app:/bin/app -f assets:/srv/www -o layer

A specification, which sets the mode, owner, links and other attributes of each file:
  { \"files\": [ { \"source\": \"app\", \"destination\": \"/bin/app\", \"mode\": \"0755\" },
               { \"directory\": true, \"destination\": \"/tmp\", \"mode\": \"1777\" } ],
    \"compression\": \"zstd\" }"
)]
pub(crate) struct LayerTar {
    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    layer: LayerArgs,

    /// JSON file that describes the files of the layer and their attributes, instead of -f and its
    /// options; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = args::ids_of::<LayerArgs>())]
    spec: Option<PathBuf>,

    #[command(flatten)]
    base: BaseArgs,

    /// Platform of the base image, as in linux/arm64 [default: the only one, or linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "base")]
    platform: Option<Platform>,

    /// Folder of a layer, written by layer-tar, that this layer is placed above; lowest first. The
    /// layers of --base are below all of them
    #[arg(long, value_name = "DIR", num_args = 1..)]
    above: Vec<PathBuf>,

    #[command(flatten)]
    over: AboveArgs,

    /// Compression of the layer: gzip, zstd, zstd:chunked or none, with an optional level from
    /// gzip:1 to gzip:12 or zstd:1 to zstd:19 (zstd:chunked:1 to zstd:chunked:19). Of a layer with
    /// zstd:chunked, podman fetches only those files that it lacks [default: that of
    /// the specification, or gzip:5]
    #[arg(long, value_name = "CODEC[:LEVEL]", help_heading = FILES)]
    compression: Option<Compression>,

    #[command(flatten)]
    reuse: ReuseArgs,

    /// Write a recipe of a few kilobytes instead of the blob. It describes how to build the blob
    /// from the same files, which must not change. Changing a source afterwards is an error when
    /// the layer is built. If a source is a compressed tar or a pipe, the blob is written instead
    #[arg(long, help_heading = FILES)]
    lazy: bool,

    #[command(flatten)]
    write: WriteArgs,
}

impl LayerTar {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        self.layer.warn_of_unused_ignore_files(warnings)?;
        let LayerSpec { files, options } = match &self.spec {
            Some(spec) => read_spec(spec)?,
            None => LayerSpec {
                files: self.layer.mappings()?,
                options: self.layer.apply(LayerOptions::default())?,
            },
        };
        let compression = self.compression.unwrap_or(options.compression);
        let (base, _lock) = self.base.open(self.platform.as_ref(), trust)?.unzip();
        let mut below = base.as_ref().map(BaseFiles::from);
        for layer in folder::open_layers(&self.above, &trust.recipes())? {
            below = Some(below.unwrap_or_default().and(layer));
        }
        let options = self.over.options(options, &self.base, below);
        let output = Output::claim(&self.output, self.write.options())?;
        let options = options.compression(compression).write(self.write.options());
        let options = self.reuse.options(options, &self.base, trust)?;
        let layer = pack(files, options.pool(pool), self.lazy, output.dir(), warnings)?;
        let trust = recipe_trust(self.lazy, trust);
        folder::write_layer(output.dir(), &layer, &trust, self.write.options())?;
        print(layer.descriptor().digest)?;
        output.keep()
    }
}

/// Packs files into a layer. Stores its blob in this folder, or records its recipe.
pub(crate) fn pack(
    files: Vec<FileMapping>,
    options: LayerOptions,
    lazy: bool,
    dir: &Path,
    warnings: Warnings,
) -> Result<TarLayer> {
    let strict = options.strict || warnings.strict;
    let layer = progress::show("packing", |bytes| {
        let options = options.progress(bytes.progress()).strict(strict);
        layer_tar(files, folder::keep_layer(options, dir, lazy))
    })?;
    warnings.print(layer.warnings());
    Ok(layer)
}

/// Packs files into several layers.
pub(crate) fn pack_split(
    files: Vec<FileMapping>,
    options: LayerOptions,
    split: &SplitOptions,
    lazy: bool,
    dir: &Path,
    warnings: Warnings,
) -> Result<Vec<TarLayer>> {
    let strict = options.strict || warnings.strict;
    let layers = progress::show("packing", |bytes| {
        let options = options.progress(bytes.progress()).strict(strict);
        layer_tars(files, folder::keep_layer(options, dir, lazy), split)
    })?;
    layers.iter().for_each(|layer| warnings.print(layer.warnings()));
    Ok(layers)
}

/// Returns which recipes are followed. If recipes are written, this includes the key that seals
/// them, which is created if it does not exist.
pub(crate) fn recipe_trust(writes_recipes: bool, trust: &Trust) -> RecipeTrust {
    if writes_recipes { trust.sealing() } else { trust.recipes() }
}

/// Whether the layer exists only as a recipe for building it.
fn is_lazy(layer: &folder::LayerFolder) -> bool {
    layer.recipe().is_some_and(|recipe| recipe.lies_in().is_none())
}

pub(crate) fn read_spec(path: &Path) -> Result<LayerSpec> {
    LayerSpec::from_value(args::read_json(path)?).map_err(|error| match error {
        Error::Invalid { what, reason } => errors::invalid(format!("{path:?}, {what}"), reason),
        other => other,
    })
}

/// Creates the configuration of an image with these layers.
///
/// The output folder has the configuration, its descriptor and its platform. It is an input of
/// image-manifest. Prints the digest of the configuration, which is also the image ID.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout image-config --layer layer --entrypoint /bin/app -o config")]
pub(crate) struct ImageConfig {
    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Folder of a layer, written by layer-tar; lowest first
    #[arg(long, value_name = "DIR", num_args = 1..)]
    layer: Vec<PathBuf>,

    #[command(flatten)]
    platform: PlatformArg,

    #[command(flatten)]
    base: BaseArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    write: WriteArgs,
}

/// The platform of an image.
#[derive(Args)]
pub(crate) struct PlatformArg {
    /// Platform of the image, by Go's names or common aliases, as in linux/arm64, linux/aarch64 or
    /// linux/arm/v7 [default: that of the base image, or linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

impl ImageConfig {
    pub(crate) fn run(self, warnings: Warnings, trust: &Trust) -> Result<()> {
        let platform = self.platform.platform.as_ref();
        let (base, _lock) = self.base.open(platform, trust)?.unzip();
        let options = self.config.options(base, &self.base, platform)?.strict(warnings.strict);
        let config = image_config(&folder::open_layers(&self.layer, &trust.recipes())?, options)?;
        warnings.print(config.warnings());
        let output = Output::claim(&self.output, self.write.options())?;
        folder::write_config(output.dir(), &config, self.write.options())?;
        print(config.digest())?;
        output.keep()
    }
}

/// Creates an image from layers and a configuration.
///
/// The output folder has the manifest and all blobs of the image. It is an input of image-layout.
/// Without --config, the configuration is created too, as by image-config. Prints the digest of the
/// manifest.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout image-manifest --layer layer --config config -o manifest")]
pub(crate) struct ImageManifest {
    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Folder of a layer, written by layer-tar; lowest first
    #[arg(long, value_name = "DIR", num_args = 1..)]
    layer: Vec<PathBuf>,

    /// Folder of the configuration, written by image-config from the same layers. If image-config
    /// had a --base, give it here too
    #[arg(long, value_name = "DIR", conflicts_with_all = args::ids_of::<ConfigArgs>(),
        conflicts_with_all = ["platform", "unset_env"])]
    config: Option<PathBuf>,

    #[command(flatten)]
    platform: PlatformArg,

    #[command(flatten)]
    base: BaseArgs,

    #[command(flatten)]
    over: AboveArgs,

    #[command(flatten)]
    configuration: ConfigArgs,

    #[command(flatten)]
    manifest: ManifestArgs,

    #[command(flatten)]
    write: WriteArgs,
}

impl ImageManifest {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let layers = folder::open_layers(&self.layer, &trust.recipes())?;
        let writing = recipe_trust(layers.iter().any(is_lazy), trust);
        let mut manifest = ManifestOptions::new(self.manifest.extra()?).strict(warnings.strict);
        let (config, _lock) = match &self.config {
            Some(dir) => {
                let config = folder::open_config(dir, &trust.recipes())?;
                let platform = config.document().platform();
                let (base, lock) = self.base.open(Some(&platform), trust)?.unzip();
                self.over.check_all(&self.base, base.as_ref(), &layers, warnings)?;
                manifest.base = base;
                (config, lock)
            }
            None => {
                let platform = self.platform.platform.as_ref();
                let (base, lock) = self.base.open(platform, trust)?.unzip();
                self.over.check_all(&self.base, base.as_ref(), &layers, warnings)?;
                let options = self.configuration.options(base, &self.base, platform)?;
                let config = image_config(&layers, options.strict(warnings.strict))?;
                warnings.print(config.warnings());
                (config, lock)
            }
        };
        let image = image_manifest(config, layers, manifest)?;
        warnings.print(image.warnings());
        let output = Output::claim(&self.output, self.write.options())?;
        let digest = image.digest();
        let write = self.write.options();
        progress::show("writing the image", |_| {
            folder::write_image(output.dir(), image, &writing, pool, write)
        })?;
        print(digest)?;
        output.keep()
    }
}

/// Creates a layout from images, for crane, podman and skopeo.
///
/// Images with the same tag and different platforms become one image for all of them. Prints the
/// digest of each image.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout image-layout latest=manifest -o image
  oci-layout image-layout latest=manifest-amd64 latest=manifest-arm64 -o image")]
pub(crate) struct ImageLayout {
    /// The folder of an image, written by image-manifest; an image of a layout or archive; or a
    /// layout or archive, with all of its images. TAG is a tag or a full name. Without it, images
    /// keep their names. An equals sign in a path is written `\=`. Without any image, the layout is
    /// empty, for images to be appended
    #[arg(value_name = "[TAG=]IMAGE", value_parser = args::os(NamedImage::parse))]
    images: Vec<NamedImage>,

    /// JSON to merge over index.json, or @ and the name of a JSON file, as in '{ "annotations": {
    /// "KEY": "VALUE" } }'
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_index: Option<Json>,

    /// Write recipes instead of layers. They record where layers are or how to build them, so no
    /// layer is copied or built. The files that they name must not change until `oci-layout fill`
    /// replaces the recipes with layers
    #[arg(long)]
    sparse: bool,

    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl ImageLayout {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let _locks = lock_images(&self.images);
        let images = open_images(&self.images, warnings, trust)?;
        let options = LayoutOptions::new(Json::read_or_null(self.extra_index.as_ref())?)
            .sparse(self.sparse)
            .pool(pool);
        let options = options.trust(recipe_trust(self.sparse, trust)).write(self.write.options());
        let output = Output::claim(&self.output, self.write.options())?;
        let layout =
            progress::show("writing the layout", |_| image_layout(output.dir(), images, options))?;
        let mut digests: Vec<_> =
            layout.index()?.manifests.iter().map(|image| image.digest).collect();
        // An image with several tags appears once for each, consecutively.
        digests.dedup();
        digests.iter().try_for_each(print)?;
        output.keep()
    }
}
