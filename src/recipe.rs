//! Plain data: what a layer consists of, and how to obtain a blob that is not stored.

pub(crate) mod base_files;
pub(crate) mod base_index;
pub(crate) mod checks;
pub(crate) mod json;
pub(crate) mod mapping;
pub(crate) mod options;
pub(crate) mod origin;
pub(crate) mod spec;
pub(crate) mod trust;

pub use crate::recipe::{
    base_files::BaseFiles,
    mapping::{Attribute, Attributes, FileMapping, Source},
    options::{HardLinks, LayerOptions, OnConflict, PermissionRule},
    origin::Recipe,
    spec::LayerSpec,
    trust::{RecipeKey, RecipeTrust},
};
pub(crate) use crate::recipe::{
    base_files::{BaseLayer, BaseSource},
    base_index::{BaseDirectory, BaseEntry, BaseIndex, Outside},
    checks::Checks,
    origin::Origin,
};
