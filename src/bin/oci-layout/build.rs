//! `build`: writes an image and its layout in a single step.

mod layers;
mod options_file;
mod platforms;

use std::path::{Path, PathBuf};

use clap::Args;
use oci_layout::{
    Compression, Image, LayoutOptions, ManifestOptions, Pool, Result, check_runnable, image_config,
    image_index, image_layout, image_manifest,
};
use serde_json::Value;

pub(crate) use self::options_file::{overriding, with_options_file};
use self::{
    layers::{LayerOrder, Packer, Plan},
    platforms::{PlatformArg, platforms},
};
use crate::{
    Warnings,
    args::{self, Json},
    base_args::{AboveArgs, BaseArgs},
    config_args::{ConfigArgs, ManifestArgs},
    layer_args::LayerArgs,
    out::{print, print_json, usage_error},
    output::Output,
    progress,
    reuse_args::ReuseArgs,
    split_args::SplitArgs,
    steps::recipe_trust,
    trust::Trust,
    write_args::WriteArgs,
};

/// Builds an image in a new layout, from files or by changing a base image.
///
/// Files are owned by root, have mode 0755 or 0644 and a fixed modification time, unless --chown,
/// --chmod or --mtime is given. Without files, the image has the layers of the base image, and only
/// its configuration changes. Prints the digest of the image.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout build -f app:/bin/app --entrypoint /bin/app -t 1.0 -o image
  oci-layout build --base docker://alpine -f app:/bin/app -e PORT=80 -o image
  oci-layout build --base image --entrypoint /bin/other -o other
  oci-layout build --platform linux/amd64=dist/amd64:/bin \\
      --platform linux/arm64=dist/arm64:/bin -o image
  oci-layout build image.toml

A file with options has the same names as the command line; --schema prints its JSON schema:
  base = \"docker://alpine:3.21\"
  file = [\"target/release/app:/bin/app\", \"assets:/srv/www\"]
  env = { PORT = \"80\" }
  entrypoint = [\"/bin/app\"]
  output = \"image\"")]
pub(crate) struct Build {
    /// File with options (TOML or JSON). An option on the command line replaces that of the file;
    /// one that may be repeated is added to it. Paths are relative to the current directory
    #[arg(value_name = "FILE")]
    options: Option<PathBuf>,

    /// Print the JSON schema of a file with options
    #[arg(long, exclusive = true)]
    schema: bool,

    /// The folder to create. An existing folder must be empty
    #[arg(short, long, value_name = "DIR", required_unless_present_any = ["options", "schema"])]
    output: Option<PathBuf>,

    /// Replace the output if it is an image layout. Nothing else is replaced, and the old layout
    /// stays until the new one is complete
    #[arg(long)]
    force: bool,

    /// Name of the image in the layout: a tag (1.0) or a full name (ghcr.io/me/app:1.0). May be
    /// repeated [default: none, which is enough for a layout with one image]
    #[arg(short, long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// Platform of the image, by Go's names or common aliases, as in linux/arm64, linux/aarch64 or
    /// linux/arm/v7. With =SRC[:DEST], a file or folder that only this platform has, in a layer
    /// above the others. Several platforms become one image for all of them [default: that of the
    /// base image, or linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT][=SRC[:DEST]]", value_parser = args::os(PlatformArg::parse))]
    platform: Vec<PlatformArg>,

    #[command(flatten)]
    layer: LayerArgs,

    #[command(flatten)]
    order: LayerOrder,

    /// Compression of the layers: gzip, zstd, zstd:chunked or none, with an optional level from
    /// gzip:1 to gzip:12 or zstd:1 to zstd:19 (zstd:chunked:1 to zstd:chunked:19). Of layers with
    /// zstd:chunked, podman fetches only those files that it lacks [default: that of
    /// the specification, or gzip:5]
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    compression: Option<Compression>,

    #[command(flatten)]
    reuse: ReuseArgs,

    #[command(flatten)]
    split: SplitArgs,

    /// Add the loader and the shared libraries of this machine that the files need and the image
    /// lacks, in a layer of their own
    #[arg(long)]
    with_libraries: bool,

    /// Write a recipe of a few kilobytes instead of each layer. It describes how to build the layer
    /// from the same files, which must not change until `oci-layout fill` builds it. Changing a
    /// source afterwards is an error
    #[arg(long)]
    sparse: bool,

    #[command(flatten)]
    base: BaseArgs,

    #[command(flatten)]
    above: AboveArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    manifest: ManifestArgs,

    /// JSON to merge over index.json, or @ and the name of a JSON file
    #[arg(long, value_name = "JSON|@FILE", value_parser = args::os(Json::parse))]
    extra_index: Option<Json>,

    #[command(flatten)]
    write: WriteArgs,
}

impl Build {
    /// The file with options that is still to be read.
    pub(crate) fn options_file(&self) -> Option<&Path> {
        self.options.as_deref()
    }

    pub(crate) fn run(mut self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        if self.schema {
            return print_json(&options_file::schema());
        }
        let Some(output) = &self.output else {
            usage_error("the image has no output: add one with -o");
        };
        if self.options.is_some() {
            self.config.replace_earlier();
        }
        self.layer.warn_of_unused_ignore_files(warnings)?;
        let plans = self.order.plan(&self.layer)?;
        let platforms = platforms(&self.platform);
        let has_own_files = platforms.iter().any(|own| !own.files.is_empty());
        if plans.is_empty() && !has_own_files && self.base.base.is_none() {
            usage_error(
                "the image has no files: add some with -f, or name an image to change with --base",
            );
        }
        let mut images = Vec::new();
        let mut locks = Vec::new();
        for own in platforms {
            let platform = own.platform.as_ref();
            let (base, lock) = self.base.open(platform, trust)?.unzip();
            locks.push(lock);
            let config = self.config.options(base.clone(), &self.base, platform)?;
            let config = config.strict(warnings.strict);
            // Report errors in the configuration before files are packed.
            config.check()?;
            let split = self.split.options(&self.base, base.as_ref(), platform, trust)?;
            images.push((own, base, config, split));
        }
        let manifest = self.manifest.extra()?;
        let index = Json::read_or_null(self.extra_index.as_ref())?;
        let write = self.write.options();
        let output = Output::claim_or_replace(output, write, self.force)?;
        let packer = Packer {
            args: &self.layer,
            base: &self.base,
            above: self.above,
            reuse: &self.reuse,
            compression: self.compression,
            lazy: self.sparse,
            several: plans.len() + usize::from(has_own_files) > 1,
            dir: output.dir(),
            write,
            pool,
            warnings,
            trust,
        };
        // Layers that no base image influences are the same for all platforms.
        let shared = match self.base.base {
            None => {
                let split = images.first().and_then(|(.., split)| split.as_ref());
                Some(packer.pack(&plans, None, split)?)
            }
            Some(_) => None,
        };
        let mut built = Vec::new();
        for (own, base, config, split) in images {
            let split = split.as_ref();
            let mut layers = match &shared {
                Some(layers) => layers.clone(),
                None => packer.pack(&plans, base.as_ref(), split)?,
            };
            if !own.files.is_empty() {
                let ignore = self.layer.ignore_files()?;
                let files = own.files.into_iter().map(|file| self.layer.complete(file, &ignore));
                packer.add(&Plan::Files(files.collect()), base.as_ref(), split, &mut layers)?;
            }
            if self.with_libraries {
                let config = image_config(&layers.all, config.clone())?;
                packer.add_libraries(&config, base.as_ref(), &mut layers)?;
            }
            let config = image_config(&layers.all, config)?;
            warnings.print(config.warnings());
            if let Some((made, below)) = layers.split(base.as_ref()) {
                let below = self.base.cached(below);
                warnings.report(&check_runnable(&config, made, Some(&below))?)?;
            }
            let options = ManifestOptions::new(manifest.clone()).strict(warnings.strict);
            let image = image_manifest(config, layers.all, options)?;
            warnings.print(image.warnings());
            built.push(image.into());
        }
        let image = match <[Image; 1]>::try_from(built) {
            Ok([image]) => image,
            Err(images) => Image::from(image_index(images, Value::Null)?),
        };
        let digest = image.digest();
        let image = self.tag.into_iter().fold(image, Image::tagged);
        let options = LayoutOptions::new(index).sparse(self.sparse).write(write).pool(pool);
        let options = options.trust(recipe_trust(self.sparse, trust));
        progress::show("writing the layout", |_| image_layout(output.dir(), [image], options))?;
        print(digest)?;
        // The new layout has its own copies of what it took from the output's old layout.
        drop(locks);
        output.keep()
    }
}
