//! Bills of materials: which packages an image contains, as its own files say.

pub(crate) mod apk;
pub(crate) mod cargo;
pub(crate) mod catalog;
pub(crate) mod cyclonedx;
pub(crate) mod database;
pub(crate) mod dpkg;
pub(crate) mod fields;
pub(crate) mod inventory;
pub(crate) mod nix_store;
pub(crate) mod npm;
pub(crate) mod os_release;
pub(crate) mod package;
pub(crate) mod preview;
pub(crate) mod python;
pub(crate) mod rpm;
pub(crate) mod source;
pub(crate) mod spdx;

pub use crate::sbom::{
    inventory::Sbom,
    package::{OperatingSystem, Package, PackageKind},
};

use std::path::Path;

use crate::{basics::Result, image::PlatformImage, pool::Pool, sbom::catalog::Catalog};

/// The formats of [`Sbom::to_json`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SbomFormat {
    /// [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/).
    #[default]
    CycloneDx,
    /// [SPDX 2.3](https://spdx.github.io/spdx-spec/v2.3/).
    Spdx,
}

impl SbomFormat {
    /// The media type, which is also the artifact type under which scanners find it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::CycloneDx => "application/vnd.cyclonedx+json",
            Self::Spdx => "application/spdx+json",
        }
    }
}

impl Sbom {
    /// The bytes of the document. They depend on the image alone: there is no time and no random
    /// number, and the serial number is made from the digest of the image.
    pub fn to_json(&self, format: SbomFormat) -> Vec<u8> {
        let value = match format {
            SbomFormat::CycloneDx => cyclonedx::document(self),
            SbomFormat::Spdx => spdx::document(self),
        };
        let mut bytes = format!("{value:#}").into_bytes();
        bytes.push(b'\n');
        bytes
    }
}

/// Reads the packages of an image from its files: the databases of dpkg, apk and rpm, metadata of
/// Python and npm packages, `Cargo.lock`, the lists in programs that `cargo auditable` built, and
/// paths of the Nix store with their database.
///
/// Each layer is read once, or once more if its descriptions do not fit into memory with those of
/// other layers. What they take in memory is bounded.
///
/// ```
/// use oci_layout::{
///     ConfigOptions, FileMapping, Image, LayerOptions, ManifestOptions, PlatformImage, Pool,
///     image_config, image_manifest, layer_tar, sbom::{SbomFormat, image_sbom}
/// };
/// let metadata = "Metadata-Version: 2.1\nName: Flask\nVersion: 3.0.2\n";
/// let file = FileMapping::text(metadata, "/lib/python3/site-packages/flask-3.0.2.dist-info/METADATA");
/// let layers = [layer_tar([file], LayerOptions::default())?];
/// let config = image_config(&layers, ConfigOptions::default())?;
/// let image = Image::from(image_manifest(config, layers, ManifestOptions::default())?);
/// let sbom = image_sbom(&PlatformImage::of(&image, None)?, &Pool::available())?;
/// assert_eq!(sbom.packages[0].purl, "pkg:pypi/flask@3.0.2");
/// assert!(sbom.to_json(SbomFormat::CycloneDx).starts_with(b"{"));
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// Those of reading a layer, and [`Error::BlobDamaged`](crate::Error::BlobDamaged) if its bytes are
/// not those of its digest. A file that describes packages and cannot be read is in
/// [`Sbom::unread`].
pub fn image_sbom(image: &PlatformImage, pool: &Pool) -> Result<Sbom> {
    image_sbom_with_store(image, Path::new("/nix/store"), pool)
}

/// Like [`image_sbom`], for a Nix store that is elsewhere.
pub(crate) fn image_sbom_with_store(
    image: &PlatformImage,
    store: &Path,
    pool: &Pool,
) -> Result<Sbom> {
    let Catalog { operating_system, packages, unread } = Catalog::read(image, store, pool)?;
    Ok(Sbom {
        image: image.descriptor().digest,
        layers: image.layers().iter().map(|layer| layer.descriptor().digest).collect(),
        created: image.configuration().created.clone(),
        operating_system,
        packages,
        unread,
    })
}
