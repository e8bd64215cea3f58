//! The database of apk: [its format](https://wiki.alpinelinux.org/wiki/Apk_spec).

use crate::sbom::{
    fields::paragraphs,
    package::{Description, MOST_PACKAGES, OperatingSystem, Package, PackageKind, purl},
};

/// The installed packages.
pub(crate) fn packages(file: Description<'_>, system: Option<&OperatingSystem>) -> Vec<Package> {
    let distro = system.map(OperatingSystem::distro);
    let vendor = system.map_or("alpine", |system| &system.id);
    let package = |fields: Vec<(&str, &str)>| {
        // Letters differ by their case here.
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let (name, version) = (field("P")?, field("V")?);
        let origin = field("o").filter(|origin| *origin != name);
        let qualifiers =
            [("arch", field("A")), ("distro", distro.as_deref()), ("upstream", origin)];
        let purl = purl(PackageKind::Apk, Some(vendor), name, version, &qualifiers)?;
        let place = (file.path, file.layer);
        Some(Package::new(PackageKind::Apk, purl, (name, version), place).licensed(field("L")))
    };
    paragraphs(file.text).filter_map(package).take(MOST_PACKAGES).collect()
}
