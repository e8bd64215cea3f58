//! The metadata of an installed Python package: [core
//! metadata](https://packaging.python.org/en/latest/specifications/core-metadata/).

use std::path::Path;

use crate::sbom::{
    fields::{field, paragraphs},
    package::{Package, PackageKind, purl},
};

/// The package of a file `METADATA` or `PKG-INFO`.
pub(crate) fn package(path: &Path, layer: usize, text: &str) -> Option<Package> {
    let fields = paragraphs(text).next()?;
    let (name, version) = (field(&fields, "Name")?, field(&fields, "Version")?);
    // The reason for two fields: the older one may be a whole text.
    let licence = field(&fields, "License-Expression")
        .or_else(|| field(&fields, "License").filter(|licence| licence.len() < 100));
    Some(Package {
        purl: purl(PackageKind::PyPi, None, &normalized(name), version, &[])?,
        kind: PackageKind::PyPi,
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.map(str::to_owned),
        path: path.to_owned(),
        layer,
        references: Vec::new(),
        nar_hash: None,
    })
}

/// The [normalized](https://packaging.python.org/en/latest/specifications/name-normalization/) name.
fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}
