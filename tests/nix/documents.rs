//! The small JSON documents of images: what the caller's values override, what they cannot change,
//! and how other images inherit them.

use std::fs;

use oci_layout::Digest;
use serde_json::{Value, json};

use crate::nix::images::built;
use crate::nix::layout::Layout;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { others_build_on_the_parts }

#[test]
fn the_callers_values_override_all_except_the_images_own() {
    let (_nix, layout) = built("extra");
    let image = layout.image(Some("alone"));
    let (manifest, config) = (image.manifest(), image.config());
    for (member, value) in [
        ("author", json!("somebody")),
        ("created", json!("2020-02-20T20:20:20Z")),
        ("architecture", json!("riscv64")),
        ("os", json!("linux")),
        (
            "config",
            json!({ "Entrypoint": ["/bin/jq"], "Healthcheck": { "Test": ["CMD", "/bin/jq"] } }),
        ),
    ] {
        assert_eq!(config[member], value, "{member}");
    }
    assert_eq!(manifest["annotations"], json!({ "of": "the manifest" }));
    assert_eq!(manifest["artifactType"], "application/x-test");
    assert_eq!(layout.index()["annotations"], json!({ "of": "the index" }));
    // The caller cannot set these. `Layout::checked` has verified them.
    assert_eq!(config["rootfs"]["type"], "layers");
    for list in [&config["rootfs"]["diff_ids"], &manifest["layers"]] {
        assert_eq!(list.as_array().unwrap().len(), 1);
    }

    assert_eq!(layout.tags(), ["alone", "latest"]);
    let index = layout.image(Some("latest")).manifest();
    let images = index["manifests"].as_array().unwrap();
    let architectures: Vec<&Value> =
        images.iter().map(|image| &image["platform"]["architecture"]).collect();
    assert_eq!(architectures, ["riscv64", "arm64"]);
    assert_eq!(images[0]["digest"], *image.digest);
}

fn others_build_on_the_parts(nix: Nix) {
    let parts = nix.build("parts");
    let read = |name: &str| fs::read(parts.join(name)).unwrap();
    let json = |name: &str| serde_json::from_slice::<Value>(&read(name)).unwrap();
    let (layer, index) = (json("layer.json"), json("index.json"));
    assert_eq!(layer["digest"], Digest::of(read("layer")).to_string());
    assert_eq!(index["manifests"], json!([json("manifest.json")]));
    assert_eq!(json("platform.json"), index["manifests"][0]["platform"]);

    let layout = Layout::checked(nix.build("parts.layout"));
    let image = layout.image(None);
    assert_eq!(image.layers(), [layer["digest"].as_str().unwrap()]);
    assert_eq!(image.manifest()["config"], json("config.json"));
    assert_eq!(
        image.config()["rootfs"]["diff_ids"],
        json!([String::from_utf8(read("diff-id")).unwrap()])
    );
    assert_eq!(read("said"), b"by the caller, by the caller\n");

    let (once, again) =
        (Layout::checked(nix.build("parts.image")), Layout::checked(nix.build("parts.again")));
    assert_eq!(again.image(Some("again")).digest, once.image(None).digest);
}
