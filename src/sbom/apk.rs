//! The database of apk: [its format](https://wiki.alpinelinux.org/wiki/Apk_spec).

use std::path::Path;

use crate::sbom::{
    fields::{field, paragraphs},
    package::{MOST_PACKAGES, OperatingSystem, Package, PackageKind, purl},
};

/// The installed packages.
pub(crate) fn packages(
    path: &Path,
    layer: usize,
    text: &str,
    system: Option<&OperatingSystem>,
) -> Vec<Package> {
    let package = |fields: Vec<(&str, &str)>| {
        // Letters differ by their case here.
        let exact =
            |name: &str| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let (name, version) = (field(&[("P", exact("P")?)], "P")?, exact("V")?);
        let distro = system.map(OperatingSystem::distro);
        let origin = exact("o").filter(|origin| *origin != name);
        let qualifiers =
            [("arch", exact("A")), ("distro", distro.as_deref()), ("upstream", origin)];
        let vendor = system.map_or("alpine", |system| &system.id);
        Some(Package {
            purl: purl(PackageKind::Apk, Some(vendor), name, version, &qualifiers)?,
            kind: PackageKind::Apk,
            name: name.to_owned(),
            version: version.to_owned(),
            licence: exact("L").filter(|licence| !licence.is_empty()).map(str::to_owned),
            path: path.to_owned(),
            layer,
            references: Vec::new(),
            nar_hash: None,
        })
    };
    paragraphs(text).filter_map(package).take(MOST_PACKAGES).collect()
}
