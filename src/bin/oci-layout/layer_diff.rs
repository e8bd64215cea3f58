//! `layer-diff`: a layer made of the difference of two images or folders.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Blob, Compression, FileMapping, HardLinks, LayerOptions, Pool, ReadLock, Result, folder,
    layer_tar,
    rootfs::{ImageFiles, layer_diff},
};

use crate::{
    Warnings, args,
    image_arg::{ImageArg, ImageOptions},
    out::print,
    output::Output,
    progress,
    steps::recipe_trust,
    trust::Trust,
    write_args::WriteArgs,
};

/// Makes a layer of the difference of two images or folders.
///
/// OLD with this layer on top has the files of NEW: files that are new or changed, and whiteouts of
/// removed ones. Owners, modes, times and extended attributes are those of NEW. Prints the digest
/// of the layer.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout layer-diff before after -o layer
  oci-layout layer-diff image:1.0 image:1.1 -o layer")]
pub(crate) struct LayerDiff {
    /// The old files: a folder, or an image as LAYOUT[:TAG] or docker://REGISTRY/PATH[:TAG]. A
    /// folder that is a layout is an image
    #[arg(value_name = "OLD", value_parser = args::os(Files::parse))]
    old: Files,

    /// The new files
    #[arg(value_name = "NEW", value_parser = args::os(Files::parse))]
    new: Files,

    #[command(flatten)]
    options: ImageOptions,

    /// Compression: gzip, zstd, zstd:chunked or none, with an optional level (zstd:9)
    #[arg(long, value_name = "CODEC[:LEVEL]", default_value_t)]
    compression: Compression,

    /// The folder of the layer to create
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Clone, Debug)]
enum Files {
    Folder(PathBuf),
    Image(ImageArg),
}

impl Files {
    fn parse(text: &OsStr) -> Result<Self, String> {
        let path = Path::new(text);
        match path.is_dir() && !path.join("oci-layout").exists() {
            true => Ok(Self::Folder(path.to_owned())),
            false => ImageArg::parse(text).map(Self::Image),
        }
    }

    /// Reads the files beside others. The lock keeps the blobs with their contents.
    fn read(
        &self,
        options: &ImageOptions,
        pool: &Pool,
        trust: &Trust,
        other: &ImageFiles,
    ) -> Result<(ImageFiles, Option<ReadLock>)> {
        match self {
            Self::Folder(path) => {
                let options = LayerOptions::from(Compression::None).pool(pool);
                let options = options.hard_links(HardLinks::Keep);
                let layer = layer_tar([FileMapping::new(path, "/").keep()], options)?;
                Ok((ImageFiles::with_contents_beside([layer], pool, other)?, None))
            }
            Self::Image(image) => {
                let (image, lock) = options.open(image, trust)?;
                let layers = image.layers().iter().cloned();
                Ok((ImageFiles::with_contents_beside(layers, pool, other)?, lock))
            }
        }
    }
}

impl LayerDiff {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let write = self.write.options();
        let output = Output::claim(&self.output, write)?;
        let layer = progress::show("comparing", |_| {
            let read =
                |files: &Files, other: &ImageFiles| files.read(&self.options, pool, trust, other);
            let (old, _old_lock) = read(&self.old, &ImageFiles::default())?;
            let (new, _new_lock) = read(&self.new, &old)?;
            let options = LayerOptions::from(self.compression).pool(pool).write(write);
            layer_diff(old, new, options.strict(warnings.strict).store(output.dir()))
        })?;
        warnings.print(layer.warnings());
        folder::write_layer(output.dir(), &layer, &recipe_trust(false, trust), write)?;
        print(layer.descriptor().digest)?;
        output.keep()
    }
}
