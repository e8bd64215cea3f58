//! The image that a command reads: of a layout, an archive or a registry.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use clap::Args;
use oci_layout::{
    Error, Image, PlatformImage, ReadLock, Result,
    document::{Descriptor, Platform},
};

#[cfg(feature = "registry")]
pub(crate) use crate::registries::Registries;
use crate::{args::LayoutTag, trust::Trust};

/// `LAYOUT[:TAG]`, or with a transport in front as podman and skopeo write it.
#[derive(Clone, Debug)]
pub(crate) enum ImageArg {
    Layout(LayoutTag),
    #[cfg(feature = "registry")]
    Registry(oci_layout::registry::Reference),
}

/// The transports of layouts and archives. The files themselves say which of them they are.
const LOCAL: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// Transports of other programs, and what to do instead.
const OTHERS: [(&str, &str); 6] = [
    ("containers-storage:", "write the image to a layout first: `podman push IMAGE oci:LAYOUT`"),
    ("docker-daemon:", "write the image to an archive first: `docker save IMAGE -o FILE`"),
    ("dir:", "copy it to a layout first: `skopeo copy dir:DIR oci:LAYOUT`"),
    ("https://", "write docker://REGISTRY/PATH[:TAG]"),
    ("http://", "write docker://REGISTRY/PATH[:TAG], with --plain-http"),
    ("ocidir://", "write the path of the layout"),
];

const DOCKER: &str = "docker://";

impl ImageArg {
    pub(crate) fn parse(text: &OsStr) -> Result<Self, String> {
        if let Some(reference) = after(text, DOCKER) {
            return registry(reference);
        }
        let local = local(text)?;
        match local.layout.exists() {
            true => Ok(Self::Layout(local)),
            false => Ok(named_registry(text).unwrap_or(Self::Layout(local))),
        }
    }

    /// Whether it is a layout that does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        match self {
            Self::Layout(named) => !named.layout.exists(),
            #[cfg(feature = "registry")]
            Self::Registry(_) => false,
        }
    }

    /// Locks a layout against garbage collection until its last blob is read.
    pub(crate) fn lock(&self) -> Option<ReadLock> {
        match self {
            Self::Layout(layout) => Some(layout.lock()),
            #[cfg(feature = "registry")]
            Self::Registry(_) => None,
        }
    }

    /// Opens the image for one platform.
    #[cfg_attr(
        not(feature = "registry"),
        expect(unused_variables, reason = "only images in registries need them")
    )]
    pub(crate) fn open(
        &self,
        platform: Option<&Platform>,
        registries: &Registries,
        trust: &Trust,
    ) -> Result<PlatformImage> {
        match self {
            Self::Layout(layout) => {
                layout.open(platform, trust).map_err(|error| or_registry(error, layout))
            }
            #[cfg(feature = "registry")]
            Self::Registry(reference) => {
                let image = registries.client()?.image(reference, platform)?;
                PlatformImage::of(&image, platform)
            }
        }
    }

    /// Opens the image for all its platforms.
    #[cfg_attr(
        not(feature = "registry"),
        expect(unused_variables, reason = "only images in registries need them")
    )]
    pub(crate) fn whole(&self, registries: &Registries, trust: &Trust) -> Result<Image> {
        match self {
            Self::Layout(named) => {
                let opened = trust.open(&named.layout);
                let layout = opened.map_err(|error| or_registry(error, named))?;
                layout.whole_image(named.tag.as_deref())
            }
            #[cfg(feature = "registry")]
            Self::Registry(reference) => {
                let image = registries.client()?.image(reference, None)?;
                Ok(reference.tag.iter().cloned().fold(image, Image::tagged))
            }
        }
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

/// Parses the image of a command that reads only layouts and archives.
pub(crate) fn local_image(text: &OsStr) -> Result<LayoutTag, String> {
    match after(text, DOCKER) {
        None => local(text),
        Some(_) => Err("this command reads layouts and archives: run `oci-layout pull REF -o \
                        LAYOUT` first, or use `oci-layout copy` from registry to registry"
            .to_owned()),
    }
}

/// Whether the text begins with a transport of images.
pub(crate) fn has_transport(text: &OsStr) -> bool {
    LOCAL.iter().chain([&DOCKER]).any(|transport| after(text, transport).is_some())
}

fn local(text: &OsStr) -> Result<LayoutTag, String> {
    let other = |(transport, _): &&(&str, &str)| after(text, transport).is_some();
    if let Some((transport, advice)) = OTHERS.iter().find(other) {
        return Err(format!("{transport} is not supported: {advice}"));
    }
    let rest = LOCAL.iter().find_map(|transport| after(text, transport)).unwrap_or(text);
    // A path that exists is not split at a colon.
    match Path::new(rest).exists() {
        true => Ok(LayoutTag { layout: PathBuf::from(rest), tag: None }),
        false => LayoutTag::parse(rest),
    }
}

/// What follows a transport.
fn after<'a>(text: &'a OsStr, transport: &str) -> Option<&'a OsStr> {
    text.as_bytes().strip_prefix(transport.as_bytes()).map(OsStr::from_bytes)
}

/// Parses a reference to an image in a registry, with or without `docker://`.
#[cfg(feature = "registry")]
pub(crate) fn reference(text: &str) -> Result<oci_layout::registry::Reference, String> {
    let bare = text.strip_prefix(DOCKER).unwrap_or(text);
    if let Some((scheme @ ("http" | "https"), rest)) = bare.split_once("://") {
        let option = if scheme == "http" { ", with --plain-http" } else { "" };
        return Err(format!("a name has no {scheme}://: write {rest}{option}"));
    }
    bare.parse().map_err(|error: oci_layout::Error| error.to_string())
}

/// Returns the image in a registry that a text without a transport means: a name that begins with
/// a host, as in `ghcr.io/me/app:1.0`, or that ends with a digest. Any other name may be that of a
/// layout that does not exist, and is never sent to a registry.
#[cfg(feature = "registry")]
fn named_registry(text: &OsStr) -> Option<ImageArg> {
    let has_host = text.to_str()?.split_once('/').is_some_and(|(host, _)| {
        !host.starts_with('.') && (host.contains(['.', ':']) || host == "localhost")
    });
    match registry(text).ok()? {
        ImageArg::Registry(reference) if has_host || reference.digest.is_some() => {
            Some(ImageArg::Registry(reference))
        }
        _ => None,
    }
}

/// Says how to name an image of a registry if the layout does not exist.
#[cfg(feature = "registry")]
fn or_registry(error: Error, layout: &LayoutTag) -> Error {
    let text = layout.to_text().filter(|text| !layout.layout.exists() && reference(text).is_ok());
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

#[cfg(not(feature = "registry"))]
fn named_registry(_: &OsStr) -> Option<ImageArg> {
    None
}

#[cfg(feature = "registry")]
fn registry(text: &OsStr) -> Result<ImageArg, String> {
    let text = text.to_str().ok_or_else(|| format!("the name {text:?} is not UTF-8"))?;
    reference(text).map(ImageArg::Registry)
}

#[cfg(not(feature = "registry"))]
fn registry(_: &OsStr) -> Result<ImageArg, String> {
    Err("this program was built without the feature `registry`: pull the image first".to_owned())
}

/// Returns the name of an image in an index: its full name, or else its tag.
pub(crate) fn image_name(image: &Descriptor) -> Option<&str> {
    let annotation = |key: &str| image.annotations.get(key).map(String::as_str);
    annotation("io.containerd.image.name")
        .or_else(|| annotation("org.opencontainers.image.ref.name"))
}

/// Returns the names of an image: those that were added, or else that in its layout.
pub(crate) fn names(image: &Image) -> Vec<String> {
    match image.names() {
        [] => image_name(image.descriptor()).map(str::to_owned).into_iter().collect(),
        names => names.to_vec(),
    }
}

/// A program without the feature `registry` connects to none.
#[cfg(not(feature = "registry"))]
#[derive(Args, Clone)]
pub(crate) struct Registries {}

#[cfg(not(feature = "registry"))]
impl Registries {
    pub(crate) fn for_skopeo(&self) -> Vec<std::ffi::OsString> {
        Vec::new()
    }
}

/// How an image is chosen and fetched.
#[derive(Args, Clone)]
pub(crate) struct ImageOptions {
    /// The platform, if the image has several [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    #[command(flatten)]
    registries: Registries,
}

impl ImageOptions {
    /// Opens an image. The lock keeps its blobs while it is read.
    pub(crate) fn open(
        &self,
        image: &ImageArg,
        trust: &Trust,
    ) -> Result<(PlatformImage, Option<ReadLock>)> {
        let lock = image.lock();
        Ok((image.open(self.platform.as_ref(), &self.registries, trust)?, lock))
    }
}

/// One image for one platform.
#[derive(Args)]
pub(crate) struct OneImage {
    /// The image: LAYOUT[:TAG], where the layout is a folder or an archive, or
    /// docker://REGISTRY/PATH[:TAG]
    #[arg(value_name = "IMAGE", value_parser = crate::args::os(ImageArg::parse))]
    image: ImageArg,

    #[command(flatten)]
    pub(crate) options: ImageOptions,
}

impl OneImage {
    /// Whether the image is not in a registry.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.image, ImageArg::Layout(_))
    }

    /// Opens the image. The lock keeps its blobs while it is read.
    pub(crate) fn open(&self, trust: &Trust) -> Result<(PlatformImage, Option<ReadLock>)> {
        self.options.open(&self.image, trust)
    }
}

/// One image, for all its platforms or for one of them.
#[derive(Args)]
pub(crate) struct WholeImage {
    /// The image: LAYOUT[:TAG], where the layout is a folder or an archive, or
    /// docker://REGISTRY/PATH[:TAG]
    #[arg(value_name = "IMAGE", value_parser = crate::args::os(ImageArg::parse))]
    pub(crate) image: ImageArg,

    /// Select one platform of an image for several platforms [default: all]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,

    #[command(flatten)]
    pub(crate) registries: Registries,
}
