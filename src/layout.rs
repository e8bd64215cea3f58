//! Image layouts: writing, opening, editing and filling.

pub(crate) mod archive;
pub(crate) mod blob_store;
pub(crate) mod choose;
pub(crate) mod compressed;
pub(crate) mod docker_archive;
pub(crate) mod edit;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod fill;
pub(crate) mod image_layout;
pub(crate) mod open_archive;
pub(crate) mod read;
pub(crate) mod rename;
pub(crate) mod replace;
pub(crate) mod repository;
pub(crate) mod whole;
