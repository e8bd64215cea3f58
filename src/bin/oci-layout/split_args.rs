//! Options of `build` for several layers of files that change at different times.

use std::sync::Arc;

use clap::Args;
use oci_layout::{
    Digest, Layer, PlatformImage, Result, document::Platform, rootfs::layer_split_files,
    split::SplitOptions,
};

use crate::{
    args, base_args::BaseArgs, image_arg::ImageArg, layer_args::FILES, progress, trust::Trust,
};

#[derive(Args)]
#[command(next_help_heading = FILES)]
pub(crate) struct SplitArgs {
    /// Split each layer of files into up to N layers, so that a change pushes only what belongs to
    /// it: Python packages, packages in node_modules and vendor, large files, and all other files
    /// on top. In a file with options, `true` is without N, and `false` is none [default N: 20]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = split)]
    split: Option<Split>,

    /// Earlier image, named like --base, whose layers --split keeps together where they still fit.
    /// A layout that does not exist is ignored
    #[arg(long, value_name = "IMAGE", requires = "split", value_parser = args::os(ImageArg::parse))]
    like: Option<ImageArg>,
}

/// The maximum number of layers. `None` if nothing is split.
#[derive(Clone, Copy)]
struct Split(Option<usize>);

fn split(text: &str) -> Result<Split, String> {
    match text {
        "true" => Ok(Split(Some(SplitOptions::default().max_layers))),
        "false" => Ok(Split(None)),
        text => match text.parse() {
            Ok(most) if most > 0 => Ok(Split(Some(most))),
            _ => Err("expected the maximum number of layers, at least 1".to_owned()),
        },
    }
}

impl SplitArgs {
    /// Returns how to split above this base image. `None` if nothing is split.
    pub(crate) fn options(
        &self,
        args: &BaseArgs,
        base: Option<&PlatformImage>,
        platform: Option<&Platform>,
        trust: &Trust,
    ) -> Result<Option<SplitOptions>> {
        let Some(Split(Some(most))) = self.split else { return Ok(None) };
        let options = SplitOptions::default().max_layers(most);
        let Some(like) = self.like.as_ref().filter(|like| !like.is_absent()) else {
            return Ok(Some(options));
        };
        let (image, _lock) = args.open_earlier(like, platform, trust)?;
        // The layers of the base are none of ours.
        let below: Vec<_> =
            base.map_or(&[][..], PlatformImage::layers).iter().map(digest).collect();
        let own = image.layers().iter().filter(|layer| !below.contains(&digest(layer)));
        let layers = progress::show("reading the earlier image", |_| {
            own.map(|layer| layer_split_files(&**layer)).collect::<Result<Vec<_>>>()
        })?;
        Ok(Some(options.like(layers)))
    }
}

fn digest(layer: &Arc<dyn Layer>) -> Digest {
    layer.descriptor().digest
}
