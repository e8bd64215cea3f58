//! The metadata of an installed npm package:
//! [package.json](https://docs.npmjs.com/cli/configuring-npm/package-json).

use serde::Deserialize;
use serde_json::Value;

use crate::sbom::package::{Description, Package, PackageKind, purl};

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    version: Option<String>,
    license: Option<Value>,
}

/// The package of a file `package.json`; `None` for one without a name and a version, as inside of
/// packages. The error is a message.
pub(crate) fn package(file: Description<'_>) -> Result<Option<Package>, String> {
    let metadata: Metadata = serde_json::from_str(file.text).map_err(|error| error.to_string())?;
    let (Some(name), Some(version)) = (metadata.name, metadata.version) else { return Ok(None) };
    let (namespace, bare) = match name.split_once('/') {
        Some((scope, bare)) => (Some(scope), bare),
        None => (None, &*name),
    };
    let Some(purl) = purl(PackageKind::Npm, namespace, bare, &version, &[]) else {
        return Err(format!("the name {name:?} is not that of a package"));
    };
    // Old packages have an object with the member `type`.
    let licence = match &metadata.license {
        Some(Value::Object(old)) => old.get("type").and_then(Value::as_str),
        licence => licence.as_ref().and_then(Value::as_str),
    };
    let place = (file.path, file.layer);
    Ok(Some(Package::new(PackageKind::Npm, purl, (&name, &version), place).licensed(licence)))
}
