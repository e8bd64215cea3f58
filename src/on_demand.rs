//! Images by the names of packages, made when somebody pulls them. Requires the feature
//! `on-demand`.

pub(crate) mod contents;
pub(crate) mod names;
pub(crate) mod nix;
pub(crate) mod package_source;
pub(crate) mod process;
pub(crate) mod source;
pub(crate) mod systems;

pub use crate::on_demand::{
    contents::ImageContents,
    names::{Metapackage, NameOptions, Names},
    nix::{NixOptions, NixPackages},
    package_source::{ClosurePath, Package, PackageSource, Resolved},
    source::{SourceKind, SourceOptions},
    systems::nix_system,
};
