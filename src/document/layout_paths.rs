//! The names of the files in a layout, and how large documents may be.

use crate::basics::{digest::Digest, json};

/// The index of a layout.
pub(crate) const INDEX: &str = "index.json";

/// The file that makes a folder a layout.
pub(crate) const MARKER: &str = "oci-layout";

/// What that file says.
pub(crate) fn marker() -> Vec<u8> {
    json::to_bytes(&serde_json::json!({ "imageLayoutVersion": "1.0.0" }))
}

/// The largest document that is read. Registries take manifests of 4 MiB; configurations may be
/// larger.
pub(crate) const MAX_DOCUMENT: u64 = 16 << 20;

/// The largest recipe that is read, which is that of millions of files.
pub(crate) const MAX_RECIPE: u64 = 64 << 20;

/// How deep indexes may lie in one another. Everybody writes one level, and one more is allowed
/// for.
pub(crate) const MAX_DEPTH: usize = 8;

/// The folder that makes a layout sparse: what is a blob's recipe lies in it.
pub(crate) const RECIPES: &str = "recipes/sha256";

/// The path of a blob in a layout.
pub(crate) fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The path of the recipe in the place of a blob.
pub(crate) fn recipe_name(digest: Digest) -> String {
    format!("{RECIPES}/{}.json", digest.hex())
}
