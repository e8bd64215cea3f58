//! What an image contains, before it has a format.

use std::path::PathBuf;

use crate::{
    basics::digest::Digest,
    sbom::package::{OperatingSystem, Package},
};

/// What an image contains.
///
/// It is an inventory, and no search for vulnerabilities.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sbom {
    /// The digest of the image's manifest.
    pub image: Digest,
    /// The digests of the layers, lowest first.
    pub layers: Vec<Digest>,
    /// When the image was created, as its configuration says: in the format of RFC 3339.
    pub created: Option<String>,
    /// The distribution, as `/etc/os-release` names it.
    pub operating_system: Option<OperatingSystem>,
    /// The packages, in the order of their package URLs.
    pub packages: Vec<Package>,
    /// Files that should describe packages and cannot be read, with the reason.
    pub unread: Vec<(PathBuf, String)>,
}

impl Sbom {
    /// A number in the form of a UUID (version 8 of RFC 9562) that belongs to this image.
    pub(crate) fn uuid(&self) -> String {
        let seed = Digest::of(format!("bill of materials of {}", self.image)).hex();
        let variant = u8::from_str_radix(&seed[16..18], 16).unwrap_or_default() & 0x3f | 0x80;
        format!(
            "{}-{}-8{}-{variant:02x}{}-{}",
            &seed[..8],
            &seed[8..12],
            &seed[13..16],
            &seed[18..20],
            &seed[20..32]
        )
    }
}
