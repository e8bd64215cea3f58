//! What an archive contains.

use std::{fmt, str::FromStr};

use crate::{
    basics::{
        error::{Error, Result},
        progress::Progress,
    },
    document::{descriptor::Platform, manifest::Index},
};

/// What [`image_archive`](crate::image_archive()) makes of the images.
#[derive(Clone, Debug, Default)]
pub struct ArchiveOptions {
    /// Who shall load it.
    pub format: ArchiveFormat,
    /// Of images for several platforms, the one to take. Without it, a layout has all, and a docker-archive, which can
    /// have one only, that for linux/amd64.
    pub platform: Option<Platform>,
    /// Where a bare tag is: in `app` or `ghcr.io/me/app`, the tag `1.0` has the full name `docker.io/library/app:1.0`
    /// or `ghcr.io/me/app:1.0`. A layout for itself needs none; podman and docker would take the tag for the
    /// repository.
    pub repository: Option<String>,
    /// The index of the layout that the images are from: what it says beside its manifests is said here, and its images
    /// stay apart. Without it, images for several platforms under one name become one, as in
    /// [`image_layout`](crate::image_layout()).
    pub index: Option<Index>,
    /// Told how many bytes are written.
    pub progress: Option<Progress>,
    /// Whether warnings are errors; off by default.
    pub strict: bool,
}

impl ArchiveOptions {
    /// Sets who shall load it.
    pub fn format(self, format: ArchiveFormat) -> Self {
        Self { format, ..self }
    }

    /// Sets the platform to take.
    pub fn platform(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// Sets the repository of bare tags.
    pub fn repository(self, repository: impl Into<String>) -> Self {
        Self { repository: Some(repository.into()), ..self }
    }
}

/// What a tar of images is laid out as. Written `oci-archive`, `docker-archive` and `both`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An image layout as it is.
    Oci,
    /// What `docker save` wrote before there was OCI: each image for one platform, by a `manifest.json`. Layers in zstd,
    /// which docker reads from version 23 on, are unpacked; that takes a second read of each.
    Docker,
    /// An image layout with a `manifest.json` beside it, which names the same blobs: whichever of the two somebody reads,
    /// it is the same images under the same names.
    #[default]
    Both,
}

impl FromStr for ArchiveFormat {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Invalid`] for any other word.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "oci-archive" => Ok(Self::Oci),
            "docker-archive" => Ok(Self::Docker),
            "both" => Ok(Self::Both),
            _ => Err(Error::invalid(format!("format {text:?}"), "it is oci-archive, docker-archive or both")),
        }
    }
}

impl fmt::Display for ArchiveFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oci => "oci-archive",
            Self::Docker => "docker-archive",
            Self::Both => "both",
        })
    }
}
