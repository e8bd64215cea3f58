//! Packs a file into an image and says what to do with it.

use oci_layout::{FileMapping, LayerOptions, Result, image_config, image_layout, image_manifest, layer_tar};
use serde_json::json;

fn main() -> Result<()> {
    let app = layer_tar([FileMapping::new("/bin/busybox", "/bin/busybox")], LayerOptions::default().store("image"))?;
    let config = image_config([&app], json!({ "config": { "Entrypoint": ["/bin/busybox", "echo", "hello"] } }))?;
    let image = image_manifest(config, [app], json!({}))?;
    image_layout("image", [image.tagged("latest")], json!({}))?;
    Ok(())
}
