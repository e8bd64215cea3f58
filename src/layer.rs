//! Makes layers from mappings, and reads layers.

pub(crate) mod attributes;
pub(crate) mod base;
pub(crate) mod build_blob;
pub(crate) mod by_path;
pub(crate) mod checks;
pub(crate) mod directory_links;
pub(crate) mod entries;
pub(crate) mod entry;
pub(crate) mod glob;
pub(crate) mod layer_tar;
pub(crate) mod lazy;
pub(crate) mod links;
pub(crate) mod listing;
pub(crate) mod own_store;
pub(crate) mod pipe;
pub(crate) mod pipeline;
pub(crate) mod pseudo_file;
pub(crate) mod recompress;
pub(crate) mod representable;
pub(crate) mod scratch_file;
pub(crate) mod source_folder;
pub(crate) mod source_tar;
pub(crate) mod stream;
pub(crate) mod target;
pub(crate) mod tree;
pub(crate) mod warnings;
