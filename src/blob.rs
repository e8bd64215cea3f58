//! The seam: blobs and layers, wherever their bytes are.

pub(crate) mod chunks;
pub(crate) mod traits;

pub use crate::blob::traits::{Blob, FileBlob, Layer, MemoryBlob};
