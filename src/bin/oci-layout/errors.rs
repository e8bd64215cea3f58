//! Errors of the program itself, of the kinds that the library has.

use std::{io, path::PathBuf};

use oci_layout::{Error, Image, Result};

pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::Invalid { what: what.into(), reason: reason.into() }
}

pub(crate) fn layout(path: impl Into<PathBuf>, reason: impl Into<String>) -> Error {
    Error::Layout { path: path.into(), reason: reason.into() }
}

pub(crate) fn output_exists(path: impl Into<PathBuf>, reason: impl Into<String>) -> Error {
    Error::OutputExists { path: path.into(), reason: reason.into() }
}

pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    |cause| Error::Read { path: path.into(), cause }
}

pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    |cause| Error::Write { path: path.into(), cause }
}

/// Refuses an index whose images are not all in the layout. `advice` says what to do instead.
pub(crate) fn refuse_partial(image: &Image, advice: &str) -> Result<()> {
    match image.warnings().first() {
        Some(warning) => Err(invalid(
            format!("image {}", image.digest()),
            format!("{warning}, and registries refuse such an index: {advice}"),
        )),
        None => Ok(()),
    }
}
