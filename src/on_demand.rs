//! Images by the names of packages, made when somebody pulls them. Requires the feature
//! `on-demand`.

pub(crate) mod contents;
pub(crate) mod package_source;

pub use crate::on_demand::{
    contents::ImageContents,
    package_source::{ClosurePath, Package, PackageSource, Resolved},
};
