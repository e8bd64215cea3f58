//! What all rooms use: errors, warnings, digests, JSON, and text for terminals.

pub(crate) mod byte_format;
pub(crate) mod checksum;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod printable;
pub(crate) mod progress;
pub(crate) mod registry_error;
pub(crate) mod report;
mod sha256;
#[cfg(feature = "cli")]
pub(crate) mod size;
#[cfg(feature = "registry")]
pub(crate) mod stop;
pub(crate) mod sync;
pub(crate) mod text;
pub(crate) mod warning;
#[cfg(any(feature = "cli", feature = "on-demand"))]
pub(crate) mod yaml;

pub(crate) use crate::basics::digest::{HashRead, Hasher};
pub use crate::basics::{
    byte_format::BYTE_FORMAT,
    digest::{Digest, ParseDigestError},
    error::{Error, Result},
    printable::{Printable, PrintableJson},
    progress::Progress,
    registry_error::RegistryErrorKind,
    report::Report,
    warning::Warning,
};
