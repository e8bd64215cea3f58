//! The document in the format of [SPDX 2.3](https://spdx.github.io/spdx-spec/v2.3/).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sbom::{inventory::Sbom, package::Package};

const NONE: &str = "NOASSERTION";

pub(crate) fn document(sbom: &Sbom) -> Value {
    let image = "SPDXRef-image";
    let name = sbom.image.to_string();
    let ids: BTreeMap<&str, String> = sbom
        .packages
        .iter()
        .enumerate()
        .map(|(number, package)| (&*package.purl, format!("SPDXRef-package-{number}")))
        .collect();
    let mut packages = vec![json!({
        "SPDXID": image,
        "name": name,
        "versionInfo": name,
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{ "algorithm": "SHA256", "checksumValue": sbom.image.hex() }],
    })];
    packages
        .extend(sbom.packages.iter().map(|package| described(sbom, package, &ids[&*package.purl])));
    let relation = |from: &str, kind: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", image)];
    for package in &sbom.packages {
        relations.push(relation(image, "CONTAINS", &ids[&*package.purl]));
    }
    for package in &sbom.packages {
        let known = package.references.iter().filter_map(|purl| ids.get(&**purl));
        relations.extend(known.map(|to| relation(&ids[&*package.purl], "DEPENDS_ON", to)));
    }
    // The format requires a time. That of the image is the only one that does not change.
    let created = sbom
        .created
        .as_deref()
        .and_then(|time| time.parse::<jiff::Timestamp>().ok())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/{}", sbom.uuid()),
        "creationInfo": {
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "creators": [format!("Tool: {}-{}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relations,
    })
}

fn described(sbom: &Sbom, package: &Package, id: &str) -> Value {
    let (layer, path) = (sbom.layers[package.layer], package.path.display());
    let mut described = json!({
        "SPDXID": id,
        "name": package.name,
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
        "sourceInfo": format!("{path} in layer {layer}"),
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": package.purl,
        }],
    });
    if let Some(cpe) = &package.cpe {
        let reference = json!({
            "referenceCategory": "SECURITY",
            "referenceType": "cpe23Type",
            "referenceLocator": cpe,
        });
        described["externalRefs"]
            .as_array_mut()
            .into_iter()
            .for_each(|all| all.push(reference.clone()));
    }
    if !package.version.is_empty() {
        described["versionInfo"] = package.version.clone().into();
    }
    // Only an expression of SPDX may be declared.
    if let Some(licence) = package.licence_expression() {
        described["licenseDeclared"] = licence.into();
    } else if let Some(licence) = &package.licence {
        described["licenseComments"] = format!("The package states: {licence}").into();
    }
    described
}
