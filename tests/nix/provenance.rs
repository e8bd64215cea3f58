//! The provenance of images: what it lists is what Nix knows, and cosign reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::tool::{run, tool};
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, PROGRAMS, for_each_nix};

for_each_nix! { a_statement_names_the_image_and_its_inputs }

/// The digests that a member of the statement lists, with the names beside them.
fn digests(of: &Value, algorithm: &str) -> BTreeMap<String, String> {
    let listed = of.as_array().unwrap().iter();
    let with = listed.filter_map(|it| Some((it, it["digest"].get(algorithm)?.as_str()?)));
    with.map(|(it, digest)| (digest.to_owned(), it["name"].as_str().unwrap_or("").to_owned()))
        .collect()
}

/// The digests of the manifests and the indexes of a layout, by its index.
fn images(layout: &Layout) -> BTreeSet<String> {
    fn add(layout: &Path, index: &Value, found: &mut BTreeSet<String>) {
        for entry in index["manifests"].as_array().unwrap() {
            let hex = entry["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            found.insert(hex.to_owned());
            if entry["mediaType"].as_str().unwrap().contains("index") {
                let file = layout.join("blobs/sha256").join(hex);
                add(layout, &serde_json::from_slice(&fs::read(file).unwrap()).unwrap(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    add(layout.path(), &layout.index(), &mut found);
    found
}

fn a_statement_names_the_image_and_its_inputs(nix: Nix) {
    let build = |attribute: &str| nix.build(&format!("provenance.{attribute}"));
    let [image, base, platforms] =
        ["image", "base", "platforms"].map(|attribute| Layout::checked(build(attribute)));
    let file = build("ofImage");
    let statement: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let subjects: BTreeSet<String> = digests(&statement["subject"], "sha256").into_keys().collect();
    assert_eq!(subjects, images(&image));
    let definition = &statement["predicate"]["buildDefinition"];
    let drv = run(nix
        .command("nix-store")
        .args(["--query", "--deriver"])
        .arg(Path::new("/nix/store").join(image.path().file_name().unwrap())));
    assert_eq!(
        definition["externalParameters"],
        json!({ "derivation": drv.trim(), "revision": "1234" })
    );
    let builder = &statement["predicate"]["runDetails"]["builder"];
    assert_eq!(builder["id"], "https://example.com/builders/1");

    let dependencies = &definition["resolvedDependencies"];
    let bases: Vec<String> = digests(dependencies, "sha256").into_keys().collect();
    assert_eq!(bases, Vec::from_iter(images(&base)));
    let paths = digests(dependencies, "narHash");
    let names: BTreeSet<&str> =
        paths.values().map(|path| &path["/nix/store/".len() + 33..]).collect();
    // The packages, their closures, the sources, the program and the base. Neither the layers, nor
    // what the packages were built with, nor the list of the inputs itself.
    let expected = ["busybox", "greet", "image-base", "jq", "oci-layout", "packages.nix", "words"];
    for name in expected {
        assert!(names.contains(name), "{name} is missing: {names:?}");
    }
    for name in &names {
        let is_expected = expected.contains(name) || ["letters", "oci-references"].contains(name);
        assert!(is_expected, "{name}: {names:?}");
    }
    // As Nix knows the hashes.
    for (hash, path) in &paths {
        let known = run(nix.command("nix-store").args(["--query", "--hash", path]));
        let digits = known.trim().strip_prefix("sha256:").unwrap();
        let digits = run(tool("nix-hash").args(["--type", "sha256", "--to-base16", digits]));
        assert_eq!(*hash, digits.trim(), "{path}");
    }

    let both: Value = serde_json::from_slice(&fs::read(build("ofPlatforms")).unwrap()).unwrap();
    let subjects: BTreeSet<String> = digests(&both["subject"], "sha256").into_keys().collect();
    assert_eq!(subjects, images(&platforms));
    assert_eq!(subjects.len(), 3);

    let modules = Layout::checked(build("modules"));
    let of: Value = serde_json::from_slice(&fs::read(build("ofModules")).unwrap()).unwrap();
    assert_eq!(digests(&of["subject"], "sha256").len(), 1);
    assert!(images(&modules).iter().eq(digests(&of["subject"], "sha256").keys()));
    let paths = digests(&of["predicate"]["buildDefinition"]["resolvedDependencies"], "narHash");
    assert!(paths.values().any(|path| path.ends_with("-jq")), "{paths:?}");

    // Signed, cosign reads it.
    let folder = TempDir::new().unwrap();
    let layout = folder.path().join("image");
    run(tool("cp").arg("-r").arg(image.path()).arg(&layout));
    run(tool("chmod").args(["-R", "u+w"]).arg(&layout));
    let (key, public) = (folder.path().join("key.pem"), folder.path().join("key.pub"));
    run(tool("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key));
    run(tool("openssl").args(["pkey", "-pubout", "-in"]).arg(&key).arg("-out").arg(&public));
    let program = PROGRAMS.join("oci-layout/bin/oci-layout");
    let mut sign = tool(program.to_str().unwrap());
    run(sign.arg("sign").arg(&layout).arg("--key").arg(&key).arg("--statement").arg(&file));
    let verify = ["verify-attestation", "--insecure-ignore-tlog", "--type", "slsaprovenance1"];
    run(tool("cosign").args(verify).arg("--key").arg(&public).arg("--local-image").arg(&layout));
}
