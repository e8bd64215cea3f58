//! Verifies and repairs layouts.

pub(crate) mod blob_use;
pub(crate) mod blobs;
pub(crate) mod collected;
pub(crate) mod configuration;
pub(crate) mod defect;
pub(crate) mod documents;
pub(crate) mod entries;
pub(crate) mod finding;
#[cfg(feature = "zstd")]
pub(crate) mod frame_reader;
pub(crate) mod frames;
pub(crate) mod json;
pub(crate) mod layer;
pub(crate) mod members;
pub(crate) mod names;
pub(crate) mod reading;
pub(crate) mod recipes;
pub(crate) mod reference;
pub(crate) mod repair;
pub(crate) mod table;
pub(crate) mod tar_split;
pub(crate) mod unpack;
pub(crate) mod verify_layout;

pub use crate::verify::{
    defect::{Defect, Severity},
    finding::Finding,
    repair::{Repair, repair},
    verify_layout::{VerifyOptions, verify},
};
