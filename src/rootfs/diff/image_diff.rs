//! Compares two images.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    basics::{error::Result, json},
    blob::traits::Layer,
    image::platform_image::PlatformImage,
    pool::Pool,
    rootfs::{
        ImageFiles,
        diff::{
            DiffLayer, ImageDiff, LayerDiff, MemberDiff, bytes::differences_of_bytes,
            files::differences_of_files, members::compare,
        },
    },
};

/// Compares two images: their manifests and configurations by member, their layers, and the files
/// of these.
///
/// Layers that both images have at their bottom or top are not read. All others are read once, and
/// once more if their files are the same but not their bytes.
///
/// ```
/// use oci_layout::{FileMapping, ImageManifest, LayerOptions, PlatformImage, Pool};
/// use oci_layout::{image_config, image_manifest, layer_tar, rootfs::image_diff};
/// let image = |text: &str| -> oci_layout::Result<PlatformImage> {
///     let layer = layer_tar([FileMapping::text(text, "/etc/version")], LayerOptions::default())?;
///     let config = image_config([&layer], serde_json::json!({}))?;
///     PlatformImage::of(&image_manifest(config, [layer], serde_json::json!({}))?.into(), None)
/// };
/// let diff = image_diff(&image("1\n")?, &image("2\n")?, &Pool::available())?;
/// assert_eq!(diff.files[0].path.to_str(), Some("/etc/version"));
/// assert_eq!(diff.files[0].fields[0].field, "contents");
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// Those of reading the layers.
pub fn image_diff(old: &PlatformImage, new: &PlatformImage, pool: &Pool) -> Result<ImageDiff> {
    let mut configuration = compare(
        json::to_value(old.configuration()),
        json::to_value(new.configuration()),
        &["rootfs"],
    );
    let digests = [old, new].map(|image| image.manifest().config.digest);
    let diff_ids = [old, new].map(|image| &image.configuration().rootfs.diff_ids);
    if configuration.is_empty() && digests[0] != digests[1] && diff_ids[0] == diff_ids[1] {
        configuration.push(MemberDiff::of_bytes(digests));
    }
    let mut manifest = compare(
        json::to_value(old.manifest()),
        json::to_value(new.manifest()),
        &["config", "layers"],
    );
    let apart = Apart::of(old.layers(), new.layers());
    let is_same = manifest.is_empty() && digests[0] == digests[1] && apart.pairs == 0;
    let digests = [old, new].map(|image| image.descriptor().digest);
    if is_same && digests[0] != digests[1] {
        manifest.push(MemberDiff::of_bytes(digests));
    }
    let files = |layers: &[Arc<dyn Layer>]| {
        ImageFiles::with_digests(layers.iter().cloned(), pool, apart.below)
    };
    let same_files = apart
        .old
        .iter()
        .map(|layer| layer.diff_id())
        .eq(apart.new.iter().map(|layer| layer.diff_id()));
    let (files, changed) = match same_files {
        true => (Vec::new(), [BTreeSet::new(), BTreeSet::new()]),
        false => differences_of_files(&files(apart.old)?, &files(apart.new)?, apart.below > 0),
    };
    let layers = apart.layers(&changed)?;
    Ok(ImageDiff { manifest, configuration, layers, files })
}

/// The layers that two images do not share at their bottom and top.
struct Apart<'a> {
    /// The number of layers below.
    below: usize,
    old: &'a [Arc<dyn Layer>],
    new: &'a [Arc<dyn Layer>],
    /// The number of positions.
    pairs: usize,
}

impl<'a> Apart<'a> {
    fn of(old: &'a [Arc<dyn Layer>], new: &'a [Arc<dyn Layer>]) -> Self {
        let is_same = |(old, new): &(&Arc<dyn Layer>, &Arc<dyn Layer>)| {
            old.descriptor().digest == new.descriptor().digest
        };
        let below = old.iter().zip(new).take_while(is_same).count();
        let (old, new) = (&old[below..], &new[below..]);
        let above = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
        let (old, new) = (&old[..old.len() - above], &new[..new.len() - above]);
        Self { below, old, new, pairs: old.len().max(new.len()) }
    }

    /// The layers in pairs. `changed` has the numbers of the old and new layers with a file that
    /// differs.
    fn layers(&self, changed: &[BTreeSet<usize>; 2]) -> Result<Vec<LayerDiff>> {
        let mut layers = Vec::new();
        for at in 0..self.pairs {
            let (old, new) = (self.old.get(at), self.new.get(at));
            let number = self.below + at;
            let has_changed = changed.iter().any(|changed| changed.contains(&number));
            let bytes = match (old, new) {
                (Some(old), Some(new)) if old.descriptor().digest == new.descriptor().digest => {
                    continue;
                }
                (Some(old), Some(new)) if !has_changed => differences_of_bytes(&**old, &**new)?,
                _ => Vec::new(),
            };
            let layer = |layer: &Arc<dyn Layer>| DiffLayer::new(number, &**layer);
            layers.push(LayerDiff { old: old.map(layer), new: new.map(layer), bytes });
        }
        Ok(layers)
    }
}
