//! The names of the files in a layout, and the maximum sizes of documents.

use crate::basics::{digest::Digest, json};

/// The index of a layout.
pub(crate) const INDEX: &str = "index.json";

/// The file that identifies a folder as a layout.
pub(crate) const MARKER: &str = "oci-layout";

/// The contents of that file.
pub(crate) fn marker() -> Vec<u8> {
    json::to_bytes(&serde_json::json!({ "imageLayoutVersion": "1.0.0" }))
}

/// The maximum size of a document to read. Registries accept manifests of 4 MiB, and configurations
/// may be larger.
pub(crate) const MAX_DOCUMENT: u64 = 16 << 20;

/// The maximum size of a recipe to read, enough for millions of files.
pub(crate) const MAX_RECIPE: u64 = 64 << 20;

/// The maximum depth of nested indexes. Most tools write one level, and the specification allows
/// more.
pub(crate) const MAX_DEPTH: usize = 8;

/// The folder that makes a layout sparse: it contains recipes instead of blobs.
pub(crate) const RECIPES: &str = "recipes/sha256";

/// The path of a blob in a layout.
pub(crate) fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The path of the recipe that replaces a blob.
pub(crate) fn recipe_name(digest: Digest) -> String {
    format!("{RECIPES}/{}.json", digest.hex())
}
