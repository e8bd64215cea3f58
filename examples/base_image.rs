//! Puts a layer on top of a base image, and inherits the base's configuration.
//!
//! ```console
//! $ cargo run --release --example base_image
//! ```

use std::{error::Error, fs, path::Path};

use oci_layout::{
    ConfigOptions, FileMapping, ImageLayout, Inherit, LayerOptions, image_config, image_layout,
    image_manifest, layer_tar,
};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let out = Path::new("target/examples-out/base_image");
    // Removes the output of an earlier run.
    let _ = fs::remove_dir_all(out);

    // The base. Yours would be a folder or an oci-archive of `crane pull --format=oci`, `skopeo
    // copy` or `podman save --format oci-archive`.
    let base = out.join("base");
    let layer = layer_tar(
        [FileMapping::text("ID=example\n", "/etc/os-release")],
        LayerOptions::default().store(&base),
    )?;
    let extra = json!({ "config": {
        "Env": ["PATH=/bin", "LANG=C"],
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-l"],
        "Labels": { "org.opencontainers.image.vendor": "example" },
        "Healthcheck": { "Test": ["CMD", "true"] },
    } });
    let config = image_config([&layer], extra)?;
    image_layout(&base, [image_manifest(config, [layer], json!({}))?.tagged("1.0")], json!({}))?;

    // The base image as a value: its layers and its configuration. This reads none of its layers.
    let base = ImageLayout::open(&base)?.image(Some("1.0"), None)?;

    // The new layer is on top, and removes a file of the base.
    let dir = out.join("image");
    let files = [
        FileMapping::text("print('hello')\n", "/srv/app.py"),
        FileMapping::whiteout("/etc/os-release"),
    ];
    let app = layer_tar(files, LayerOptions::default().store(&dir))?;

    // Everything is inherited except for the labels. `Env` is merged by name, and a new Entrypoint
    // clears the base's Cmd.
    let options = json!({ "config": { "Env": ["LANG=C.UTF-8", "PORT=80"], "Entrypoint": ["python3", "/srv/app.py"] } });
    let options = ConfigOptions::new(options)
        .base(base)
        .inherit(Inherit { labels: false, ..Inherit::default() });
    let config = image_config([&app], options)?;
    println!("{}", serde_json::to_string_pretty(config.document())?);

    // The configuration contains its base, so the manifest has the base's layers below the new one.
    let image = image_manifest(config, [app], json!({}))?;
    println!("\n{} layers, in {}", image.layers().len(), dir.display());
    image_layout(&dir, [image.tagged("latest")], json!({}))?;
    Ok(())
}
