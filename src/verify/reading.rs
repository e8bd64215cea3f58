//! How blobs are read.

use crate::pool::Pool;

/// How blobs are read.
pub(crate) struct Reading {
    pub(crate) pool: Pool,
    /// The maximum size of a blob that is read, in bytes.
    pub(crate) limit: u64,
    /// Whether blobs that exist only as recipes are built.
    pub(crate) deep: bool,
}
