//! Records the entries of layers, for the layers above them.

use std::path::PathBuf;

use crate::{
    basics::error::Result,
    nix::{attributes::Attributes, documents},
    pool::Pool,
    recipe::{base_files::BaseFiles, options::LayerOptions},
};

/// Reads the layers of `base` and those in `layers`, and writes what a layer above them needs to
/// know. The output does not refer to the layers, and is also a cache for [`BaseFiles::cache`].
///
/// # Errors
///
/// As [`ImageLayout::image`](crate::ImageLayout::image) and
/// [`open_layers`](crate::folder::open_layers), and
/// [`Error::BlobDamaged`](crate::Error::BlobDamaged) if a layer is not a tar or does not match its
/// digest.
pub fn entries(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let platform = attributes.platform()?.unwrap_or_default();
    let base = documents::base(attributes, &platform)?;
    let base = base.as_ref().map_or_else(BaseFiles::default, BaseFiles::from);
    let all = documents::layers(attributes)?.into_iter().fold(base, BaseFiles::and);
    all.write(attributes.output(), pool)
}

/// Sets the layers below a layer, from the entries that the attribute `below` names, if any.
pub(crate) fn above(attributes: &Attributes, options: LayerOptions) -> Result<LayerOptions> {
    let below: Vec<PathBuf> = attributes.list("below")?;
    Ok(if below.is_empty() { options } else { options.above(BaseFiles::from_folders(below)?) })
}
