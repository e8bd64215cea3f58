//! The options of an archive.

use std::{fmt, str::FromStr};

use crate::{
    basics::{
        error::{Error, Result},
        progress::Progress,
    },
    document::{descriptor::Platform, manifest::Index},
};

/// The options of [`image_archive`](crate::archive::image_archive()).
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// The format of the archive.
    pub format: ArchiveFormat,
    /// The platform to select from images for several platforms. Without it, a layout includes all
    /// platforms; a docker-archive, which can hold only one, gets linux/amd64.
    pub platform: Option<Platform>,
    /// The repository of bare tags: with `app` or `ghcr.io/me/app`, the tag `1.0` gets the full
    /// name `docker.io/library/app:1.0` or `ghcr.io/me/app:1.0`. An oci-archive needs no
    /// repository. The other formats do, because podman and docker would take the tag for the
    /// repository.
    pub repository: Option<String>,
    /// The index of the layout that the images come from. Its members other than `manifests` are
    /// copied, and its images are not combined. Without it, images with the same name and different
    /// platforms become one index, as in [`image_layout`](crate::image_layout()).
    pub index: Option<Index>,
    /// A callback that receives the number of bytes written.
    pub progress: Option<Progress>,
    /// Whether warnings are errors; off by default.
    pub strict: bool,
}

impl ArchiveOptions {
    /// Sets the format of the archive.
    pub fn format(self, format: ArchiveFormat) -> Self {
        Self { format, ..self }
    }

    /// Sets the platform to select.
    pub fn platform(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// Sets the repository of bare tags.
    pub fn repository(self, repository: impl Into<String>) -> Self {
        Self { repository: Some(repository.into()), ..self }
    }

    /// Sets the index whose members the archive's index has.
    pub fn index(self, index: Index) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Sets what receives the progress.
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Sets whether a [`Warning`](crate::Warning) is an error.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }
}

/// The format of an archive, written as `oci-archive`, `docker-archive` or `both`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArchiveFormat {
    /// An image layout.
    Oci,
    /// The format of `docker save` before OCI: `manifest.json` lists images for one platform each.
    /// Layers compressed with zstd, which docker reads since version 23, are decompressed; this
    /// reads each of them twice.
    Docker,
    /// An image layout plus a `manifest.json` that names the same blobs. Readers of either one find
    /// the same images under the same names.
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
            _ => Err(Error::invalid(
                format!("format {text:?}"),
                "expected oci-archive, docker-archive or both",
            )),
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
