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
