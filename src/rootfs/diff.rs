//! What differs between two images, and why.

pub(crate) mod bytes;
pub(crate) mod files;
pub(crate) mod members;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    basics::{digest::Digest, error::Result, json},
    blob::traits::Layer,
    document::descriptor::MediaType,
    image::platform_image::PlatformImage,
    pool::Pool,
    rootfs::{
        ImageFiles,
        diff::{bytes::differences_of_bytes, files::differences_of_files, members::compare},
    },
};

/// What differs between two images. Empty if their manifests have the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImageDiff {
    /// Members of the manifest, apart from the configuration and the layers.
    pub manifest: Vec<MemberDiff>,
    /// Members of the configuration, apart from `rootfs`.
    pub configuration: Vec<MemberDiff>,
    /// Layers that differ.
    pub layers: Vec<LayerDiff>,
    /// Files that differ, by path. Layers that both images have at their bottom or top are not
    /// read: a file is added or removed as the other layers say.
    pub files: Vec<FileDiff>,
}

impl ImageDiff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.manifest.is_empty()
            && self.configuration.is_empty()
            && self.layers.is_empty()
            && self.files.is_empty()
    }
}

/// A member of a document that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MemberDiff {
    /// The member: `config.Env[2]`. Empty for the document, if only its white space or the order of
    /// its members differs.
    pub member: String,
    /// The value in the old document, if it has the member.
    pub old: Option<Value>,
    /// The value in the new document, if it has the member.
    pub new: Option<Value>,
}

/// Layers at the same position that differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerDiff {
    /// The layer of the old image.
    pub old: Option<DiffLayer>,
    /// The layer of the new image.
    pub new: Option<DiffLayer>,
    /// What differs in the bytes of layers whose files are the same: the compression, or the
    /// entries of the tar.
    pub bytes: Vec<BytesDiff>,
}

/// A layer in a [`LayerDiff`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DiffLayer {
    /// The number of the layer; the lowest is 0.
    pub number: usize,
    /// The digest of the blob.
    pub digest: Digest,
    /// The diff ID.
    #[serde(rename = "diffID")]
    pub diff_id: Digest,
    /// The size of the blob.
    pub size: u64,
    /// The media type, which names the compression.
    #[serde(rename = "mediaType")]
    pub media_type: MediaType,
}

/// A difference in the bytes of two layers. Differences of the same field are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BytesDiff {
    /// The first entry that it happens to, if it is in the tar.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How many entries it happens to.
    pub count: u64,
    /// The field of a header, and its values.
    #[serde(flatten)]
    pub field: FieldDiff,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileDiff {
    /// The path from the root of the image.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// What happened to the file.
    pub change: FileChange,
    /// What differs in a changed file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileChange {
    /// Only the new image has it.
    Added,
    /// Only the old image has it.
    Removed,
    /// Both have it.
    Changed,
}

/// A field with its old and new value as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldDiff {
    /// The field: `mode`, `xattr user.x`, `gzip header: time`.
    pub field: String,
    /// The old value; empty if it is absent.
    pub old: String,
    /// The new value; empty if it is absent.
    pub new: String,
}

fn as_text<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

fn path_as_text<S: Serializer>(path: &PathBuf, serializer: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(serializer)
}

/// Compares two images: their manifests and configurations by member, their layers, and the files
/// of these.
///
/// Layers that both images have at their bottom or top are not read. All others are read once, and
/// once more if their files are the same but not their bytes.
///
/// ```
/// use oci_layout::{FileMapping, ImageManifest, LayerOptions, PlatformImage, Pool};
/// use oci_layout::{image_config, image_diff, image_manifest, layer_tar};
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

impl DiffLayer {
    fn new(number: usize, layer: &dyn Layer) -> Self {
        let descriptor = layer.descriptor();
        Self {
            number,
            digest: descriptor.digest,
            diff_id: layer.diff_id(),
            size: descriptor.size,
            media_type: descriptor.media_type.clone(),
        }
    }
}
