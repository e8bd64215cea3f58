//! What differs between two images, and why.

pub(crate) mod bytes;
pub(crate) mod files;
pub(crate) mod image_diff;
pub(crate) mod index_diff;
pub(crate) mod members;

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{basics::digest::Digest, blob::traits::Layer, document::descriptor::MediaType};

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
    /// Files that differ, by path. Layers that both images have at their top count as absent.
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

impl DiffLayer {
    pub(crate) fn new(number: usize, layer: &dyn Layer) -> Self {
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

impl FieldDiff {
    pub(crate) fn new(field: impl Into<String>, old: String, new: String) -> Self {
        Self { field: field.into(), old, new }
    }
}

fn as_text<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

fn path_as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(serializer)
}
