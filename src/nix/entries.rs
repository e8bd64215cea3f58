//! The entries of layers, for the layers that are made above them.

use std::path::PathBuf;

use crate::{
    basics::error::Result,
    document::descriptor::Platform,
    folder::LayerFolder,
    nix::{attributes::Attributes, documents},
    pool::Pool,
    recipe::{base_files::BaseFiles, options::LayerOptions},
};

/// Reads the layers of `base` and those in `layers`, and writes what a layer above them has to know. The output holds no
/// reference to the layers, and is a cache for [`BaseFiles::cache`] too.
///
/// # Errors
///
/// As [`ImageLayout::image`](crate::ImageLayout::image), [`open_layers`](crate::folder::open_layers), and
/// [`Error::BlobDamaged`](crate::Error::BlobDamaged) for a layer that is not a tar, or not the one of its digest.
pub fn entries(attributes: &Attributes, pool: &Pool) -> Result<()> {
    let platform = attributes.get::<Option<Platform>>("platform")?.unwrap_or_default();
    let none = || BaseFiles::new([] as [LayerFolder; 0]);
    let base = documents::base(attributes, &platform)?.as_ref().map_or_else(none, BaseFiles::from);
    let all = documents::layers(attributes)?.into_iter().fold(base, BaseFiles::and);
    all.write(attributes.output(), pool)
}

/// Puts a layer above those whose entries the attribute `below` names, if it names any.
pub(crate) fn above(attributes: &Attributes, options: LayerOptions) -> Result<LayerOptions> {
    let below: Vec<PathBuf> = attributes.list("below")?;
    Ok(if below.is_empty() { options } else { options.above(BaseFiles::from_folders(below)?) })
}
