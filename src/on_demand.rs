//! Images by the names of packages, made when somebody pulls them. Requires the feature
//! `on-demand`.

pub(crate) mod contents;
pub(crate) mod names;
pub(crate) mod package_source;
pub(crate) mod systems;

pub use crate::on_demand::{
    contents::ImageContents,
    names::{Metapackage, NameOptions, Names},
    package_source::{ClosurePath, Package, PackageSource, Resolved},
    systems::nix_system,
};
