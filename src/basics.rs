//! What everything else is written with: errors, warnings, digests, JSON, text for terminals.

pub(crate) mod byte_format;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod printable;
pub(crate) mod progress;
pub(crate) mod registry_error;
pub(crate) mod report;
pub(crate) mod sync;
pub(crate) mod text;
pub(crate) mod warning;
