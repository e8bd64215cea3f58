//! Compares two images.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    blob::{
        chunks,
        traits::{Blob, Layer},
    },
    document::descriptor::Descriptor,
    image::platform_image::PlatformImage,
    layer::layer_files::{Is, LayerFiles, ReadFiles},
    pool::Pool,
    rootfs::{
        diff::{
            DiffLayer, FileDiff, ImageDiff, LayerDiff, MemberDiff, bytes::differences_of_bytes,
            files::differences_of_files, members::compare,
        },
        image_files::ImageFiles,
    },
    tarfile::path::LayerPath,
};

/// Compares two images: their manifests and configurations by member, their layers, and the files
/// of these.
///
/// Layers that both images have at their top are not read. Those that both have at their bottom are
/// read only if the layers above them have other paths in one image than in the other, so that the
/// files below matter. All others are read once, and once more if their files are the same but not
/// their bytes.
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
        document(old.configuration_blob())?,
        document(new.configuration_blob())?,
        &["rootfs"],
    );
    let digests = [old, new].map(|image| image.manifest().config.digest);
    let diff_ids = [old, new].map(|image| &image.configuration().rootfs.diff_ids);
    if configuration.is_empty() && digests[0] != digests[1] && diff_ids[0] == diff_ids[1] {
        configuration.push(MemberDiff::of_bytes(digests));
    }
    let mut manifest = compare(
        document(old.manifest_blob())?,
        document(new.manifest_blob())?,
        &["config", "layers"],
    );
    let apart = Apart::of(old.layers(), new.layers());
    let is_same = manifest.is_empty() && digests[0] == digests[1] && apart.pairs == 0;
    let digests = [old, new].map(|image| image.descriptor().digest);
    if is_same && digests[0] != digests[1] {
        manifest.push(MemberDiff::of_bytes(digests));
    }
    let same_files = apart
        .old
        .iter()
        .map(|layer| layer.diff_id())
        .eq(apart.new.iter().map(|layer| layer.diff_id()));
    let (files, changed) = match same_files {
        true => (Vec::new(), [BTreeSet::new(), BTreeSet::new()]),
        false => apart.files(pool)?,
    };
    let layers = apart.layers(&changed)?;
    Ok(ImageDiff { manifest, configuration, layers, files })
}

/// A document as it is: the members that the specification defines have no difference between an
/// empty and an absent value.
fn document(blob: &Arc<dyn Blob>) -> Result<Value> {
    let Descriptor { media_type, digest, .. } = blob.descriptor();
    let value = json::from_slice(&chunks::read_document(blob.as_ref())?);
    value.map_err(|error| Error::invalid(format!("{media_type} {digest}"), error))
}

/// The layers that two images do not share at their bottom and top.
struct Apart<'a> {
    /// The layers that both images have at their bottom.
    shared: &'a [Arc<dyn Layer>],
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
        let (shared, old) = old.split_at(below);
        let new = &new[below..];
        let above = old.iter().rev().zip(new.iter().rev()).take_while(is_same).count();
        let (old, new) = (&old[..old.len() - above], &new[..new.len() - above]);
        Self { shared, old, new, pairs: old.len().max(new.len()) }
    }

    /// The files that differ, and the layers that they are in. The shared layers are read if the
    /// others say too little.
    fn files(&self, pool: &Pool) -> Result<(Vec<FileDiff>, [BTreeSet<usize>; 2])> {
        let read = |layers: &[Arc<dyn Layer>], known: Option<&HashSet<&LayerPath>>| {
            LayerFiles::read(layers, pool, ReadFiles { digests: true, known })
        };
        let old = read(self.old, None)?;
        let paths = || old.iter().flat_map(LayerFiles::members).map(|member| &member.path);
        let mut known = HashSet::with_capacity(paths().count());
        known.extend(paths());
        let new = read(self.new, Some(&known))?;
        drop(known);
        let is_shared_read = !self.shared.is_empty() && effect(&old) != effect(&new);
        let shared = match is_shared_read {
            true => ImageFiles::default().and_files(read(self.shared, None)?),
            false => ImageFiles::from_layer(self.shared.len()),
        };
        let old = shared.clone().and_files(old);
        Ok(differences_of_files(&old, &shared.and_files(new)))
    }

    /// The layers in pairs. `changed` has the numbers of the old and new layers with a file that
    /// differs.
    fn layers(&self, changed: &[BTreeSet<usize>; 2]) -> Result<Vec<LayerDiff>> {
        let mut layers = Vec::new();
        for at in 0..self.pairs {
            let (old, new) = (self.old.get(at), self.new.get(at));
            let number = self.shared.len() + at;
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

/// What layers do to the files below them: the paths that they put something at or remove, whether
/// each is a directory, and the targets of hard links, which may be files below.
fn effect(layers: &[LayerFiles]) -> Vec<(&LayerPath, bool, Option<&LayerPath>)> {
    let members = layers.iter().flat_map(LayerFiles::members);
    let effect = members.map(|member| match &member.is {
        Is::File(file) => (&member.path, file.is_dir(), None),
        Is::HardLink(target) => (&member.path, false, Some(target)),
        Is::Whiteout => (&member.path, false, None),
    });
    let mut effect: Vec<_> = effect.collect();
    effect.sort_unstable();
    effect.dedup();
    effect
}
