//! Writes images as one tar.

pub(crate) mod docker;
pub(crate) mod image_archive;
pub(crate) mod options;
pub(crate) mod unpacked;
pub(crate) mod writer;

pub use crate::archive::{
    image_archive::{WrittenArchive, image_archive},
    options::{ArchiveFormat, ArchiveOptions},
};
