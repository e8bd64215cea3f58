//! Tars: their headers and paths, a reader for tars of other programs, and compression.

pub(crate) mod codec;
pub(crate) mod compression;
pub(crate) mod decompress;
pub(crate) mod follow;
pub(crate) mod header;
pub(crate) mod path;
pub(crate) mod reader;
pub(crate) mod xattrs;
