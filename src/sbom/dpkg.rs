//! The database of dpkg: [deb-control](https://manpages.debian.org/deb-control.5).

use crate::sbom::{
    fields::{field, paragraphs},
    package::{Description, MOST_PACKAGES, OperatingSystem, Package, PackageKind, purl},
};

/// The installed packages of a file `status`, or of a file in `status.d`.
pub(crate) fn packages(file: Description<'_>, system: Option<&OperatingSystem>) -> Vec<Package> {
    let distro = system.map(OperatingSystem::distro);
    let vendor = system.map_or("debian", |system| &system.id);
    let package = |fields: Vec<(&str, &str)>| {
        let (name, version) = (field(&fields, "Package")?, field(&fields, "Version")?);
        // Files in `status.d` have no status. Packages that were removed keep their entry.
        if field(&fields, "Status").is_some_and(|status| !status.ends_with(" installed")) {
            return None;
        }
        // `name (version)`, where either is as that of the package if it is absent.
        let (source, of_source) = match field(&fields, "Source") {
            Some(source) => match source.split_once(" (") {
                Some((source, rest)) => (source, rest.trim_end_matches(')')),
                None => (source, version),
            },
            None => (name, version),
        };
        let upstream = match (source == name, of_source == version) {
            (true, true) => None,
            (_, true) => Some(source.to_owned()),
            _ => Some(format!("{source}@{of_source}")),
        };
        let qualifiers = [
            ("arch", field(&fields, "Architecture")),
            ("distro", distro.as_deref()),
            ("upstream", upstream.as_deref()),
        ];
        let purl = purl(PackageKind::Deb, Some(vendor), name, version, &qualifiers)?;
        let place = (file.path, file.layer);
        Some(Package::new(PackageKind::Deb, purl, (name, version), place))
    };
    paragraphs(file.text).filter_map(package).take(MOST_PACKAGES).collect()
}
