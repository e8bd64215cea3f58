//! Writes images as one tar.

pub(crate) mod docker;
pub(crate) mod image_archive;
pub(crate) mod options;
pub(crate) mod unpacked;
pub(crate) mod writer;
