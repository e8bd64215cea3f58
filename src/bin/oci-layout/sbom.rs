//! `sbom`: the packages of an image as a bill of materials.

use clap::Args;
use oci_layout::{
    Pool, Result,
    sbom::{SbomFormat, image_sbom},
};

use crate::{Warnings, args, image_arg::OneImage, out, progress, trust::Trust};

/// Prints a bill of materials of an image: which packages its files say that it contains.
///
/// Reads the databases of dpkg, apk and rpm, the metadata of Python and npm packages, Cargo.lock and
/// the lists in programs that cargo auditable built, and store paths of Nix, with their references
/// if the image has the database of its store. Needs no network, and prints the same bytes for the
/// same image. It is an inventory, and no search for vulnerabilities.
#[derive(Args)]
#[command(after_help = "\
Examples:
  oci-layout sbom image > sbom.json
  oci-layout sbom image | oci-layout attach image - --type application/vnd.cyclonedx+json")]
pub(crate) struct SbomCommand {
    #[command(flatten)]
    image: OneImage,

    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "cyclonedx", value_parser = args::one_of(&FORMATS))]
    format: SbomFormat,
}

const FORMATS: [(&str, SbomFormat, &str); 2] = [
    ("cyclonedx", SbomFormat::CycloneDx, "CycloneDX 1.6 as JSON"),
    ("spdx", SbomFormat::Spdx, "SPDX 2.3 as JSON"),
];

impl SbomCommand {
    pub(crate) fn run(self, pool: &Pool, warnings: Warnings, trust: &Trust) -> Result<()> {
        let (image, _lock) = self.image.open(trust)?;
        let sbom = progress::show("reading the layers", |_| image_sbom(&image, pool))?;
        for (path, reason) in &sbom.unread {
            warnings.say(path, &format!("says nothing of packages, because {reason}"))?;
        }
        out::print_document(&sbom.to_json(self.format))
    }
}
