//! Configurations, manifests and indexes: images, wherever their layers are.

pub(crate) mod artifact;
pub(crate) mod config;
pub(crate) mod config_members;
pub(crate) mod config_options;
pub(crate) mod draft;
pub(crate) mod environment;
pub(crate) mod existing;
pub(crate) mod graph;
pub(crate) mod index;
pub(crate) mod inherit;
pub(crate) mod manifest;
pub(crate) mod platform_image;
