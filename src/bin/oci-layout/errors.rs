//! Errors of the program itself, of the kinds that the library has.

use std::{io, path::PathBuf};

use oci_layout::{Digest, Error, Image, Result};

use crate::image_arg::ImageArg;

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
    Error::write(path)
}

/// The digest of an image, and how the user calls it.
type Named<'a> = (Digest, &'a ImageArg);

/// Calls an image and its base as the user does, where the library knows only their digests.
pub(crate) fn naming(image: Named<'_>, base: Option<Named<'_>>) -> impl Fn(Error) -> Error + use<> {
    let name = |(digest, name): Named<'_>| (digest, format!("image {name}"));
    let (image, base) = (name(image), base.map(name));
    move |error| match error {
        Error::PlatformNotFound { of, platform, available } => {
            let is_it = |(digest, _): &&(Digest, String)| of == format!("image {digest}");
            let found = [&image].into_iter().chain(&base).find(is_it);
            let of = found.map_or(of.clone(), |(_, name)| name.clone());
            Error::PlatformNotFound { of, platform, available }
        }
        Error::OtherBase { image: _, base: other, layer, found, expected } => {
            let base = base.as_ref().map_or(other, |(_, name)| name.clone());
            Error::OtherBase { image: image.1.clone(), base, layer, found, expected }
        }
        other => other,
    }
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
