//! The metadata of an installed npm package:
//! [package.json](https://docs.npmjs.com/cli/configuring-npm/package-json).

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::sbom::package::{Package, PackageKind, purl};

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
    version: Option<String>,
    license: Option<Value>,
}

/// The package of a file `package.json`; `None` for one without a name and a version, as inside of
/// packages. The error is a message.
pub(crate) fn package(path: &Path, layer: usize, text: &str) -> Result<Option<Package>, String> {
    let metadata: Metadata = serde_json::from_str(text).map_err(|error| error.to_string())?;
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
    let licence = licence.map(str::to_owned);
    Ok(Some(Package {
        purl,
        kind: PackageKind::Npm,
        version,
        licence,
        path: path.to_owned(),
        layer,
        references: Vec::new(),
        nar_hash: None,
        name,
    }))
}
