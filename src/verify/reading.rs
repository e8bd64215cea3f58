//! How blobs are read.

use crate::pool::Pool;

/// How blobs are read.
pub(crate) struct Reading {
    pub(crate) pool: Pool,
    /// The most bytes of one that are read.
    pub(crate) limit: u64,
    /// Whether those that have a recipe in their place are made.
    pub(crate) deep: bool,
}
