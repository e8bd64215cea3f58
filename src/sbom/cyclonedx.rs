//! The document in the format of [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/).

use serde_json::{Value, json};

use crate::sbom::{inventory::Sbom, package::Package};

pub(crate) fn document(sbom: &Sbom) -> Value {
    let image = format!("image@{}", sbom.image);
    let mut components: Vec<Value> = Vec::new();
    if let Some(system) = &sbom.operating_system {
        let mut component = json!({
            "type": "operating-system",
            "bom-ref": format!("os:{}", system.distro()),
            "name": system.id,
        });
        let optional = [("version", &system.version), ("description", &system.name)];
        for (member, value) in optional {
            if let Some(value) = value {
                component[member] = value.clone().into();
            }
        }
        components.push(component);
    }
    components.extend(sbom.packages.iter().map(|package| component(sbom, package)));
    let all: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    let mut dependencies = vec![json!({ "ref": image, "dependsOn": all })];
    dependencies.extend(sbom.packages.iter().map(|package| {
        let mut dependency = json!({ "ref": package.purl });
        if !package.references.is_empty() {
            dependency["dependsOn"] = json!(package.references);
        }
        dependency
    }));
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", sbom.uuid()),
        "version": 1,
        "metadata": {
            "tools": { "components": [{
                "type": "application",
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
            }] },
            "component": {
                "type": "container",
                "bom-ref": image,
                "name": sbom.image.to_string(),
            },
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(sbom: &Sbom, package: &Package) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "purl": package.purl,
        "properties": [
            { "name": "oci-layout:path", "value": package.path.to_string_lossy() },
            { "name": "oci-layout:layer", "value": sbom.layers[package.layer].to_string() },
        ],
    });
    if !package.version.is_empty() {
        component["version"] = package.version.clone().into();
    }
    if let Some(licence) = package.licence_expression() {
        component["licenses"] = json!([{ "expression": licence }]);
    } else if let Some(licence) = &package.licence {
        component["licenses"] = json!([{ "license": { "name": licence } }]);
    }
    if let Some(cpe) = &package.cpe {
        component["cpe"] = cpe.clone().into();
    }
    if let Some(hash) = &package.nar_hash {
        // The archive of Nix is not a file that others can hash, so that this is no `hashes`.
        let property = json!({ "name": "oci-layout:narHash", "value": format!("sha256:{hash}") });
        component["properties"]
            .as_array_mut()
            .into_iter()
            .for_each(|all| all.push(property.clone()));
    }
    component
}
