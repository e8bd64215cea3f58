//! What all rooms use: errors, warnings, digests, JSON, and text for terminals.

pub(crate) mod byte_format;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod printable;
pub(crate) mod progress;
pub(crate) mod sync;
pub(crate) mod text;
pub(crate) mod warning;
