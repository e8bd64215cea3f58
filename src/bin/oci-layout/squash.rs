//! `squash` and `recompress`: an image with other layers, in a new layout.

use std::path::{Path, PathBuf};

use clap::Args;
use oci_layout::{
    Compression, Error, Image, LayerOptions, LayoutOptions, PlatformImage, Pool, ReadLock, Result,
    image_layout,
};

use crate::{
    Warnings, args, errors,
    image_arg::{ImageArg, WholeImage, names},
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
/// An image for several platforms is changed for all of them; with --platform, the new image is for
/// that one only. Prints the digest of the image.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout squash image --above docker://alpine -o small
  oci-layout squash image --layers 3 --tag 1.0 -o small")]
pub(crate) struct Squash {
    #[command(flatten)]
    image: WholeImage,

    /// The base image, whose layers are kept: LAYOUT[:TAG] or docker://REGISTRY/PATH[:TAG]
    /// [default: none, so that all layers are merged]
    #[arg(long, value_name = "BASE", value_parser = args::os(ImageArg::parse))]
    above: Option<ImageArg>,

    /// How many layers are merged, from the top down [default: all]
    #[arg(long, value_name = "N", conflicts_with = "above")]
    layers: Option<usize>,

    /// Compression of the new layer: gzip, zstd, zstd:chunked or none, with an optional level
    /// (zstd:9)
    #[arg(long, value_name = "CODEC[:LEVEL]", default_value_t)]
    compression: Compression,

    #[command(flatten)]
    new: NewImage,
}

impl Squash {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let Self { image, above, layers, compression, new } = self;
        let lock = above.as_ref().and_then(ImageArg::lock);
        let base = above.as_ref().map(|base| base.whole(&image.registries, trust)).transpose()?;
        let write = new.write.options();
        new.make((&image, lock), "merging the layers", (pool, warnings, trust), |from, layout| {
            let layers = match (base.as_ref().zip(above.as_ref()), layers) {
                (Some((base, name)), _) => {
                    let names = (from.descriptor().digest, &image.image);
                    let naming = errors::naming(names, Some((base.digest(), name)));
                    let platform = from.configuration().platform();
                    PlatformImage::of(base, Some(&platform))
                        .and_then(|base| from.layers_above(&base))
                        .map_err(naming)?
                }
                (None, Some(layers)) => layers,
                (None, None) => from.layers().len(),
            };
            let options = LayerOptions::from(compression).pool(pool).write(write);
            from.squashed(layers, options.store(layout))
        })
    }
}

/// Changes the compression of all layers, and writes a new layout.
///
/// Diff IDs and the configuration stay as they are. An image for several platforms is changed for
/// all of them; with --platform, the new image is for that one only. Prints the digest of the image.
#[derive(Args)]
#[command(
    override_usage = "oci-layout recompress [OPTIONS] --compression <CODEC> -o <LAYOUT> <IMAGE>",
    after_help = "\
Example:
  oci-layout recompress image --compression zstd -o smaller"
)]
pub(crate) struct Recompress {
    #[command(flatten)]
    image: WholeImage,

    /// The new compression: gzip, zstd, zstd:chunked or none, with an optional level (zstd:9)
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    compression: Compression,

    #[command(flatten)]
    new: NewImage,
}

impl Recompress {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let Self { image, compression, new } = self;
        let write = new.write.options();
        new.make(
            (&image, None),
            "compressing the layers",
            (pool, warnings, trust),
            |image, layout| {
                let (image, found) = image.recompressed(compression, layout, write, pool)?;
                warnings.report(&found)?;
                Ok(image)
            },
        )
    }
}

/// The layout that a changed image is written to.
#[derive(Args)]
struct NewImage {
    /// Name of the new image: a tag (1.0) or a full name (ghcr.io/me/app:1.0). May be repeated
    /// [default: the names of the image]
    #[arg(short, long, value_name = "NAME", value_parser = args::name)]
    tag: Vec<String>,

    /// The layout to create
    #[arg(short, long, value_name = "LAYOUT")]
    output: PathBuf,

    /// Replace the output if it is an image layout. Nothing else is replaced, and the old layout
    /// stays until the new one is complete
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    write: WriteArgs,
}

impl NewImage {
    /// Writes the image as `change` returns it for each platform, with its names or new ones. The
    /// lock is that of another layout that `change` reads.
    fn make(
        self,
        (image, other_lock): (&WholeImage, Option<ReadLock>),
        doing: &'static str,
        (pool, warnings, trust): (&Pool, Warnings, &Trust),
        mut change: impl FnMut(PlatformImage, &Path) -> Result<PlatformImage>,
    ) -> Result<()> {
        let WholeImage { image, platform, registries } = image;
        let lock = image.lock();
        let mut old = image.whole(registries, trust)?;
        if let Some(platform) = platform {
            let names = names(&old);
            let naming = errors::naming((old.digest(), image), None);
            old = PlatformImage::of(&old, Some(platform)).map_err(naming)?.into();
            old = names.into_iter().fold(old, Image::tagged);
        }
        warnings.report(old.warnings())?;
        let write = self.write.options();
        let output = Output::claim_or_replace(&self.output, write, self.force)?;
        let digest = progress::show(doing, |_| {
            let new = old.map_platforms(|image| change(image, output.dir()))?;
            let digest = new.digest();
            let new = match self.tag.is_empty() {
                true => new,
                false => self.tag.into_iter().fold(new.without_names(), Image::tagged),
            };
            let options = LayoutOptions::default().write(write).pool(pool);
            image_layout(output.dir(), [new], options)?;
            Ok::<_, Error>(digest)
        })?;
        print(digest)?;
        // The output may be a layout that was read, and replacing it waits for its readers.
        drop((lock, other_lock));
        output.keep()
    }
}
