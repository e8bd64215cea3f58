//! Options for blocks that need not be compressed again, shared by `build` and `layer-tar`.

use clap::Args;
use oci_layout::{LayerOptions, Result};

use crate::{
    args::{self, LayoutTag},
    base_args::BaseArgs,
    errors,
    image_arg::local_image,
    layer_args::FILES,
    trust::Trust,
};

/// The maximum size of the compressed blocks in a cache, in bytes.
const CACHE_LIMIT: u64 = 4 << 30;

#[derive(Args)]
pub(crate) struct ReuseArgs {
    /// Earlier image whose compressed blocks are copied where the files did not change: a layout
    /// (a folder, an oci-archive or a docker-archive), with a tag or digest if it has several
    /// images. The result is the same, and takes less time. A layout that does not exist is
    /// ignored. May be repeated
    #[arg(long, value_name = "IMAGE", value_parser = args::os(local_image), help_heading = FILES)]
    reuse: Vec<LayoutTag>,

    /// Take files as unchanged if their times are, and open none if that holds for a whole layer.
    /// The cache folder records inode, size, modification and change time of each file. A layer is
    /// copied from an image that --reuse names, or needs no copy with --sparse. Files that changed
    /// in the two seconds before a build are read again
    #[arg(long, help_heading = FILES)]
    trust_mtimes: bool,
}

impl ReuseArgs {
    /// Returns the options with the blocks of the earlier images, and with those in the cache if
    /// the user names one.
    pub(crate) fn options(
        &self,
        mut options: LayerOptions,
        base: &BaseArgs,
        trust: &Trust,
    ) -> Result<LayerOptions> {
        let mut earlier = Vec::new();
        for LayoutTag { layout, tag } in &self.reuse {
            if layout.exists() {
                let image = trust.open(layout)?.whole_image(tag.as_deref())?;
                earlier.extend_from_slice(image.blobs());
            }
        }
        if !earlier.is_empty() {
            options = options.reuse(&earlier)?;
        }
        if let Some(cache) = base.named_cache() {
            options = options.block_cache(cache, CACHE_LIMIT)?;
        }
        if self.trust_mtimes {
            let reason = "needs a cache folder: name one with --cache";
            let cache = base.cache().ok_or_else(|| errors::invalid("--trust-mtimes", reason))?;
            options = options.trust_times(cache)?;
        }
        Ok(options)
    }
}
