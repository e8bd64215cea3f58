//! Images by the names of packages, made when somebody pulls them. Requires the feature
//! `on-demand`.

pub(crate) mod contents;
pub(crate) mod declared;
pub(crate) mod evict;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod image;
pub(crate) mod image_names;
pub(crate) mod layer_cache;
pub(crate) mod layering;
pub(crate) mod maker;
pub(crate) mod memory;
pub(crate) mod names;
pub(crate) mod nix;
pub(crate) mod open_layer;
pub(crate) mod options;
pub(crate) mod package_images;
pub(crate) mod package_source;
pub(crate) mod process;
pub(crate) mod roots;
pub(crate) mod served_layer;
pub(crate) mod source;
pub(crate) mod state;
pub(crate) mod storage;
pub(crate) mod stored_layers;
pub(crate) mod systems;
pub(crate) mod turns;

pub use crate::on_demand::{
    contents::{ImageContents, ImageFile},
    declared::{DeclaredImage, DeclaredImages, IMAGE_CRD},
    evict::{Evicted, Eviction},
    image_names::{ImageNames, NamedContents},
    layering::Layering,
    names::{Metapackage, NameOptions, Names},
    nix::{NixOptions, NixPackages},
    options::PackageImagesOptions,
    package_images::PackageImages,
    package_source::{ClosurePath, Package, PackageSource, Resolved},
    source::{SourceKind, SourceOptions},
    storage::Storage,
    stored_layers::StoredLayers,
    systems::nix_system,
};
