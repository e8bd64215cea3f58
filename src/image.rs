//! Configurations, manifests and indexes: images, wherever their layers are.

pub(crate) mod artifact;
pub(crate) mod attestation;
pub(crate) mod attested;
pub(crate) mod config;
pub(crate) mod config_changes;
pub(crate) mod config_members;
pub(crate) mod config_options;
pub(crate) mod containers;
pub(crate) mod draft;
pub(crate) mod each_platform;
pub(crate) mod environment;
pub(crate) mod existing;
pub(crate) mod graph;
pub(crate) mod index;
pub(crate) mod inherit;
pub(crate) mod manifest;
pub(crate) mod mutate;
pub(crate) mod platform_image;
#[cfg(feature = "cli")]
pub(crate) mod runnable;
pub(crate) mod with_layers;

#[cfg(feature = "cli")]
pub use crate::image::runnable::{check_runnable, missing_libraries};
pub use crate::image::{
    artifact::artifact_manifest,
    attestation::attestation_manifest,
    config::{ImageConfig, image_config},
    config_options::{ConfigOptions, ExtraConfig},
    graph::Image,
    index::{ImageIndex, image_index},
    inherit::Inherit,
    manifest::{ImageManifest, ManifestOptions, image_manifest},
    mutate::{MutateOptions, mutate},
    platform_image::PlatformImage,
};
