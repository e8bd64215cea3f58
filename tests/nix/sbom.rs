//! Bills of materials that are made in the sandbox, against what Nix knows of its paths.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::common::tool::{run, tool};
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { bills_know_what_nix_knows }

/// The documents that a layout lists, by their artifact types.
fn referrers(layout: &Layout, subject: &str) -> BTreeMap<String, Value> {
    let index = layout.index();
    let artifacts = index["manifests"].as_array().unwrap().iter();
    let artifacts = artifacts.filter(|it| it["artifactType"].is_string());
    let documents = artifacts.filter_map(|artifact| {
        let manifest = layout.document(artifact["digest"].as_str().unwrap());
        let is_of_subject = manifest["subject"]["digest"] == subject;
        let document = layout.document(manifest["layers"][0]["digest"].as_str().unwrap());
        is_of_subject.then(|| (artifact["artifactType"].as_str().unwrap().to_owned(), document))
    });
    documents.collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}"))
}

fn bills_know_what_nix_knows(nix: Nix) {
    let layout = Layout::checked(nix.build("examples.bill"));
    let image = layout.image(Some("plain"));
    let all = referrers(&layout, &image.digest);
    let bill = &all["application/vnd.cyclonedx+json"];
    assert_eq!(text(bill, "/metadata/component/name"), image.digest);

    // Its paths are those of each layer, and the package whose contents are at the root.
    let components = bill["components"].as_array().unwrap();
    let path_of = |component: &Value| text(component, "/properties/0/value").to_owned();
    let listed: BTreeSet<String> = components.iter().map(path_of).collect();
    let names = |layer: &String| {
        let of_layer = components.iter().filter(|it| it["properties"][1]["value"] == **layer);
        let names: Vec<String> =
            of_layer.map(|it| path_of(it)["/nix/store/".len() + 33..].to_owned()).collect();
        names.into_iter().collect::<BTreeSet<_>>()
    };
    let mut of_layers: Vec<BTreeSet<String>> =
        image.store_paths().into_iter().map(|names| names.into_iter().collect()).collect();
    of_layers.last_mut().unwrap().insert("links".to_owned());
    assert_eq!(image.layers().iter().map(names).collect::<Vec<_>>(), of_layers);

    let query = |query: &str, path: &str| {
        run(nix.command("nix-store").args(["--query", query, path])).trim().to_owned()
    };
    for component in components {
        let path = path_of(component);
        // Nix prints the hash in its own base 32.
        let hash = text(component, "/properties/2/value").strip_prefix("sha256:").unwrap();
        let arguments = ["--type", "sha256", "--to-base32", hash];
        let hash = run(tool("nix-hash").args(arguments));
        assert_eq!(format!("sha256:{}", hash.trim()), query("--hash", &path));
        let reference = |it: &&Value| it["ref"] == component["bom-ref"];
        let depends = bill["dependencies"].as_array().unwrap().iter().find(reference).unwrap();
        let purls = depends["dependsOn"].as_array().into_iter().flatten();
        let of = |purl: &Value| components.iter().find(|it| it["bom-ref"] == *purl).map(path_of);
        let found: BTreeSet<String> = purls.map(|purl| of(purl).unwrap()).collect();
        let references = query("--references", &path);
        let expected = references.lines().filter(|it| *it != path && listed.contains(*it));
        assert_eq!(found, expected.map(str::to_owned).collect(), "{path}");
    }

    // What `meta` says.
    let of = |name: &str| components.iter().find(|it| path_of(it).ends_with(name)).unwrap();
    assert_eq!(of("-greet")["licenses"], json!([{ "license": { "name": "MIT, Apache-2.0" } }]));
    assert_eq!(of("-greet")["cpe"], "cpe:2.3:a:me:greet:1.0:*:*:*:*:*:*:*");
    assert_eq!(of("-letters")["licenses"], json!([{ "expression": "MIT" }]));
    assert_eq!(
        of("-links")["licenses"],
        json!([{ "license": { "name": "a licence of our own" } }])
    );

    // A lazy image has the same packages, in another format.
    let lazy = layout.image(Some("lazy"));
    let spdx = &referrers(&layout, &lazy.digest)["application/spdx+json"];
    let packages = spdx["packages"].as_array().unwrap().len();
    assert_eq!(packages, components.len() + 1, "the image is a package too");

    // An attestation of BuildKit is in an index with its image.
    let attested = layout.image(Some("buildkit")).manifest();
    let members = attested["manifests"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    assert_eq!(members[1]["platform"], json!({ "architecture": "unknown", "os": "unknown" }));
    let annotations = &members[1]["annotations"];
    assert_eq!(annotations["vnd.docker.reference.digest"], members[0]["digest"]);
    let attestation = layout.document(members[1]["digest"].as_str().unwrap());
    let statement = layout.document(text(&attestation, "/layers/0/digest"));
    assert_eq!(statement["predicateType"], "https://spdx.dev/Document");
    assert_eq!(statement["predicate"]["spdxVersion"], "SPDX-2.3");
}
