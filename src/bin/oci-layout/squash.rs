//! `squash` and `recompress`: an image with other layers, in a new layout.

use std::path::{Path, PathBuf};

use clap::Args;
use oci_layout::{
    Compression, Error, Image, LayerOptions, LayoutOptions, PlatformImage, Pool, Result,
    image_layout,
};

use crate::{
    args,
    image_arg::{ImageArg, OneImage},
    out::print,
    output::Output,
    progress,
    trust::Trust,
    write_args::WriteArgs,
};

/// Merges layers of an image into one, and writes a new layout.
///
/// Files that a container does not see, because a higher layer replaces or removes them, are gone.
/// The layers below stay as they are. The history keeps all entries and gets one for the new layer.
/// Prints the digest of the image.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout squash image --above docker://alpine -o small
  oci-layout squash image --layers 3 --tag 1.0 -o small")]
pub(crate) struct Squash {
    #[command(flatten)]
    image: OneImage,

    /// The base image, whose layers are kept: LAYOUT[:TAG] or docker://REGISTRY/PATH[:TAG]
    /// [default: none, so that all layers are merged]
    #[arg(long, value_name = "BASE", value_parser = args::os(ImageArg::parse))]
    above: Option<ImageArg>,

    /// How many layers are merged, from the top down [default: all]
    #[arg(long, value_name = "N", conflicts_with = "above")]
    layers: Option<usize>,

    /// Compression of the new layer: gzip, zstd or none, with an optional level (zstd:9)
    #[arg(long, value_name = "NAME", default_value_t)]
    compression: Compression,

    #[command(flatten)]
    new: NewImage,
}

impl Squash {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        let layers = match (&self.above, self.layers) {
            (Some(base), _) => {
                let (base, _lock) = self.image.options.open(base, trust)?;
                image.layers_above(&base)?
            }
            (None, Some(layers)) => layers,
            (None, None) => image.layers().len(),
        };
        let write = self.new.write.options();
        self.new.make(pool, "merging the layers", |layout| {
            let options = LayerOptions::from(self.compression).pool(pool).write(write);
            image.squashed(layers, options.store(layout))
        })
    }
}

/// Changes the compression of all layers, and writes a new layout.
///
/// Diff IDs and the configuration stay as they are. Prints the digest of the image.
#[derive(Args)]
#[command(after_help = "\
Example:
  oci-layout recompress image --compression zstd -o smaller")]
pub(crate) struct Recompress {
    #[command(flatten)]
    image: OneImage,

    /// The new compression: gzip, zstd or none, with an optional level (zstd:9)
    #[arg(long, value_name = "NAME")]
    compression: Compression,

    #[command(flatten)]
    new: NewImage,
}

impl Recompress {
    pub(crate) fn run(self, pool: &Pool, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        let write = self.new.write.options();
        self.new.make(pool, "compressing the layers", |layout| {
            image.recompressed(self.compression, layout, write, pool)
        })
    }
}

/// The layout that a changed image is written to.
#[derive(Args)]
struct NewImage {
    /// Name of the image in the layout: a tag (1.0) or a full name (ghcr.io/me/app:1.0). May be
    /// repeated [default: none, which is enough for a layout with one image]
    #[arg(short, long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// The layout to create
    #[arg(short, long, value_name = "LAYOUT")]
    output: PathBuf,

    #[command(flatten)]
    write: WriteArgs,
}

impl NewImage {
    fn make(
        self,
        pool: &Pool,
        doing: &'static str,
        change: impl FnOnce(&Path) -> Result<PlatformImage>,
    ) -> Result<()> {
        let output = Output::claim(&self.output, self.write.options())?;
        let digest = progress::show(doing, |_| {
            let image = change(output.dir())?;
            let digest = image.descriptor().digest;
            let image = self.tag.into_iter().fold(Image::from(image), Image::tagged);
            let options = LayoutOptions::default().write(self.write.options()).pool(pool);
            image_layout(output.dir(), [image], options)?;
            Ok::<_, Error>(digest)
        })?;
        print(digest)?;
        output.keep()
    }
}
