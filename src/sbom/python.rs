//! The metadata of an installed Python package: [core
//! metadata](https://packaging.python.org/en/latest/specifications/core-metadata/).

use crate::sbom::{
    fields::{field, paragraphs},
    package::{Description, Package, PackageKind, purl},
};

/// The package of a file `METADATA` or `PKG-INFO`.
pub(crate) fn package(file: Description<'_>) -> Option<Package> {
    let fields = paragraphs(file.text).next()?;
    let (name, version) = (field(&fields, "Name")?, field(&fields, "Version")?);
    // The older of the two fields may be a whole text.
    let licence = field(&fields, "License-Expression")
        .or_else(|| field(&fields, "License").filter(|licence| licence.len() < 100));
    let purl = purl(PackageKind::PyPi, None, &normalized(name), version, &[])?;
    let place = (file.path, file.layer);
    Some(Package::new(PackageKind::PyPi, purl, (name, version), place).licensed(licence))
}

/// The [normalized](https://packaging.python.org/en/latest/specifications/name-normalization/) name.
fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}
