//! Options for the base image, shared by all commands that build on one.

use std::path::{Path, PathBuf};

use clap::Args;
use oci_layout::{
    BaseFiles, Blob, Error, LayerOptions, PlatformImage, ReadLock, Result, Warning,
    document::Platform, folder::LayerFolder,
};

use crate::{
    Warnings, args, base_folders, base_image,
    image_arg::{ImageArg, Registries},
    trust::Trust,
};

/// The base image.
#[derive(Args, Clone)]
#[command(next_help_heading = "What the image is based on")]
pub(crate) struct BaseArgs {
    /// The base image: a layout (a folder, an oci-archive or a docker-archive), with a tag or
    /// digest if it has several images; or an image in a registry, as in docker://alpine:3.21,
    /// alpine@sha256:DIGEST or ghcr.io/me/app:1.0. Its layers come first, and its configuration applies unless
    /// overridden. A colon in the path is written `\:` [default: none]
    #[arg(long, value_name = "IMAGE", value_parser = args::os(ImageArg::parse))]
    pub(crate) base: Option<ImageArg>,

    /// Environment variable of the base image to remove. May be repeated
    #[arg(long, value_name = "NAME", requires = "base", value_parser = args::variable_name)]
    pub(crate) unset_env: Vec<String>,

    #[command(flatten)]
    registries: Registries,

    /// Cache folder for base images from registries, and for the lists of files in their layers; -
    /// disables it. A folder that is named here also keeps compressed blocks of new layers, up to
    /// 4 GiB [default: $XDG_CACHE_HOME/oci-layout, or ~/.cache/oci-layout]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl BaseArgs {
    /// Opens the base image for a platform. The lock keeps its blobs until the last one is read.
    pub(crate) fn open(
        &self,
        platform: Option<&Platform>,
        trust: &Trust,
    ) -> Result<Option<(PlatformImage, Option<ReadLock>)>> {
        let open = |base| self.open_as("pulling the base image", base, platform, trust);
        self.base.as_ref().map(open).transpose()
    }

    /// Opens an earlier image for a platform, with the options for the base image.
    pub(crate) fn open_earlier(
        &self,
        image: &ImageArg,
        platform: Option<&Platform>,
        trust: &Trust,
    ) -> Result<(PlatformImage, Option<ReadLock>)> {
        self.open_as("pulling the earlier image", image, platform, trust)
    }

    fn open_as(
        &self,
        pulling: &'static str,
        image: &ImageArg,
        platform: Option<&Platform>,
        trust: &Trust,
    ) -> Result<(PlatformImage, Option<ReadLock>)> {
        let cache = self.cache();
        base_image::open(image, platform, cache.as_deref(), &self.registries, trust, pulling)
    }

    pub(crate) fn cache(&self) -> Option<PathBuf> {
        self.cache.clone().or_else(base_folders::cache).filter(|cache| cache.as_os_str() != "-")
    }

    /// The cache that the user names.
    pub(crate) fn named_cache(&self) -> Option<&Path> {
        self.cache.as_deref().filter(|cache| cache.as_os_str() != "-")
    }

    /// Returns the files with the cache for their lists.
    pub(crate) fn cached(&self, base: BaseFiles) -> BaseFiles {
        match self.cache() {
            Some(cache) => base.cache(cache),
            None => base,
        }
    }
}

/// How a layer is built above others.
#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "What the image is based on")]
pub(crate) struct AboveArgs {
    /// Let a file replace a directory of the layers below, and a directory replace a file
    #[arg(long)]
    replace: bool,
}

impl AboveArgs {
    /// Returns the options for a layer above these layers, lowest first.
    pub(crate) fn options(
        self,
        options: LayerOptions,
        args: &BaseArgs,
        below: Option<BaseFiles>,
    ) -> LayerOptions {
        let replace = options.replace || self.replace;
        let options = options.replace(replace);
        match below {
            Some(below) => options.above(args.cached(below)),
            None => options,
        }
    }

    /// Checks these layers, lowest first, above a base image and each other. Lazy layers are
    /// skipped, because checking them would build them.
    pub(crate) fn check_all(
        self,
        args: &BaseArgs,
        base: Option<&PlatformImage>,
        layers: &[LayerFolder],
        warnings: Warnings,
    ) -> Result<()> {
        if base.is_none() && layers.len() < 2 {
            return Ok(());
        }
        let mut below = base.map_or_else(BaseFiles::default, BaseFiles::from);
        for layer in layers {
            self.check(args, &below, layer, warnings)?;
            if layer.file().is_some() {
                below = below.and(layer.clone());
            }
        }
        Ok(())
    }

    /// Checks a layer for conflicts that it would report if it had been built above these layers.
    pub(crate) fn check(
        self,
        args: &BaseArgs,
        below: &BaseFiles,
        layer: &LayerFolder,
        warnings: Warnings,
    ) -> Result<()> {
        if layer.file().is_none() {
            return Ok(());
        }
        let is_reset = |warning: &Warning| matches!(warning, Warning::DirectoryReset { .. });
        let (resets, replaces): (Vec<_>, Vec<_>) =
            args.cached(below.clone()).check(layer)?.into_iter().partition(is_reset);
        match replaces.into_iter().next() {
            Some(replaced) if !self.replace => Err(Error::Replaced(replaced)),
            _ => warnings.report(&resets),
        }
    }
}
