//! The library through its public interface: layers, images, layouts, archives, recipes, `verify`,
//! and the byte format.
//!
//! Each binary of integration tests is one file in `tests/`, and its modules are in the folder of
//! the same name. This makes `common` a module of every binary without `#[path]`, and five binaries
//! link in a fifth of the time of thirty.

mod common;

mod library {
    mod base_files;
    mod byte_format;
    #[cfg(feature = "cli")]
    mod check;
    mod closure;
    mod conflicts;
    mod described;
    mod diff;
    mod docker_archive;
    mod docs;
    mod edges;
    mod errors;
    mod export;
    mod folder;
    mod golden;
    mod layer_diff;
    mod layer_plan;
    mod layout;
    mod mappings;
    mod nix_steps;
    mod oci_archive;
    mod oci_spec;
    mod odd_layouts;
    mod other_layouts;
    mod properties;
    mod recipes;
    mod reuse;
    mod rooms;
    mod same_bytes;
    #[cfg(feature = "cli")]
    mod sbom;
    #[cfg(feature = "cli")]
    mod signature;
    mod source_tar;
    mod sources;
    mod spec;
    mod split;
    mod squash;
    mod trusted_times;
    mod unpack;
    mod untabled;
    mod values;
    mod verify;
    mod warnings;
}
