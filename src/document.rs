//! The documents of an image as plain values: descriptors, configurations, manifests, indexes, and
//! names.

pub(crate) mod config_values;
pub(crate) mod configuration;
pub(crate) mod descriptor;
pub(crate) mod extra;
pub(crate) mod layout_paths;
pub(crate) mod manifest;
pub(crate) mod name;
#[cfg(feature = "oci-spec")]
pub(crate) mod oci_spec;
pub(crate) mod platform_names;

pub use crate::document::{
    configuration::{Configuration, ContainerConfig, History, RootFs},
    descriptor::{Annotations, Descriptor, MediaType, Platform},
    extra::Extra,
    manifest::{Index, Manifest},
    name::ImageName,
};
pub(crate) use crate::document::{
    layout_paths::{
        INDEX, MARKER, MAX_DEPTH, MAX_DOCUMENT, MAX_RECIPE, RECIPES, blob_name, marker, recipe_name,
    },
    name::{CONTAINERD_NAME, REF_NAME},
};
