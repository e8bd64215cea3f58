//! The seam: blobs and layers, wherever their bytes are.

pub(crate) mod chunks;
pub(crate) mod traits;
