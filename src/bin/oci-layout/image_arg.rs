//! The image that a command reads: of a layout, an archive or a registry.

use std::{ffi::OsStr, fmt};

use clap::Args;
use oci_layout::{Error, Platform, PlatformImage, ReadLock, Result};

use crate::{args::LayoutTag, trust::Trust};
#[cfg(feature = "registry")]
use crate::{args::utf8, registries::client};

/// `LAYOUT[:TAG]`, or with a transport in front as podman and skopeo write it.
#[derive(Clone, Debug)]
pub(crate) enum ImageArg {
    Layout(LayoutTag),
    #[cfg(feature = "registry")]
    Registry(oci_layout::registry::Reference),
}

/// The transports of layouts and archives. The files themselves say which of them they are.
const LOCAL: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

impl ImageArg {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_encoded_bytes();
        if let Some(reference) = bytes.strip_prefix(b"docker://") {
            return registry(reference);
        }
        let local = LOCAL.iter().find_map(|transport| bytes.strip_prefix(transport.as_bytes()));
        let text = match local {
            Some(rest) => {
                use std::os::unix::ffi::OsStrExt;
                OsStr::from_bytes(rest)
            }
            None => text,
        };
        LayoutTag::parse(text).map(Self::Layout)
    }
}

impl fmt::Display for ImageArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(LayoutTag { layout, tag: None }) => write!(f, "{}", layout.display()),
            Self::Layout(LayoutTag { layout, tag: Some(tag) }) => {
                write!(f, "{}:{tag}", layout.display())
            }
            #[cfg(feature = "registry")]
            Self::Registry(reference) => write!(f, "{reference}"),
        }
    }
}

#[cfg(feature = "registry")]
impl ImageArg {
    /// The image of a registry that this names: with `docker://`, or with a registry or digest in
    /// its name if there is no such layout.
    pub(crate) fn reference(&self) -> Option<oci_layout::registry::Reference> {
        match self {
            Self::Registry(reference) => Some(reference.clone()),
            Self::Layout(layout) if !layout.layout.exists() => {
                let text = layout.to_text()?;
                let has_registry = text
                    .split_once('/')
                    .is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost");
                let reference: oci_layout::registry::Reference = text.parse().ok()?;
                (has_registry || reference.digest.is_some()).then_some(reference)
            }
            Self::Layout(_) => None,
        }
    }
}

/// Says how to name an image of a registry if there is no such layout.
#[cfg(feature = "registry")]
fn or_registry(error: Error, layout: &LayoutTag) -> Error {
    let text = layout.to_text().filter(|text| {
        !layout.layout.exists() && text.parse::<oci_layout::registry::Reference>().is_ok()
    });
    match (error, text) {
        (Error::NotALayout { path, reason }, Some(text)) => {
            let reason = format!("{reason}; for an image in a registry, write docker://{text}");
            Error::NotALayout { path, reason }
        }
        (error, _) => error,
    }
}

#[cfg(not(feature = "registry"))]
fn or_registry(error: Error, _: &LayoutTag) -> Error {
    error
}

#[cfg(feature = "registry")]
fn registry(reference: &[u8]) -> Result<ImageArg, String> {
    use std::os::unix::ffi::OsStrExt;
    let reference = utf8(OsStr::from_bytes(reference).to_owned())?;
    reference.parse().map(ImageArg::Registry).map_err(|error: oci_layout::Error| error.to_string())
}

#[cfg(not(feature = "registry"))]
fn registry(_: &[u8]) -> Result<ImageArg, String> {
    Err("this program was built without the feature `registry`: pull the image first".to_owned())
}

/// One image for one platform.
#[derive(Args)]
pub(crate) struct OneImage {
    /// The image: LAYOUT[:TAG], where the layout is a folder or an archive, or
    /// docker://REGISTRY/PATH[:TAG]
    #[arg(value_name = "IMAGE", value_parser = crate::args::os(ImageArg::parse))]
    pub(crate) image: ImageArg,

    /// The platform, if the image has several [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,
}

impl OneImage {
    /// Opens the image. The lock keeps its blobs while it is read.
    pub(crate) fn open(&self, trust: &Trust) -> Result<(PlatformImage, Option<ReadLock>)> {
        open(&self.image, self.platform.as_ref(), trust)
    }
}

pub(crate) fn open(
    image: &ImageArg,
    platform: Option<&Platform>,
    trust: &Trust,
) -> Result<(PlatformImage, Option<ReadLock>)> {
    match image {
        ImageArg::Layout(layout) => {
            let lock = layout.lock();
            let opened = layout.open(platform, trust);
            Ok((opened.map_err(|error| or_registry(error, layout))?, Some(lock)))
        }
        #[cfg(feature = "registry")]
        ImageArg::Registry(reference) => {
            let image = client()?.image(reference, platform)?;
            Ok((PlatformImage::of(&image, platform)?, None))
        }
    }
}
