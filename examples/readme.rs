//! The example of README.md. A test compares the two.

use oci_layout::{
    ConfigOptions, FileMapping, LayerOptions, LayoutOptions, ManifestOptions, image_config,
    image_layout, image_manifest, layer_tar,
};

fn main() -> oci_layout::Result<()> {
    let _ = std::fs::remove_dir_all("image"); // from an earlier run
    let files = [FileMapping::new("app", "/bin/app")]; // a static program
    let layer = layer_tar(files, LayerOptions::default().store("image"))?;
    let config = image_config([&layer], ConfigOptions::default().entrypoint(["/bin/app"]))?;
    let image = image_manifest(config, [layer], ManifestOptions::default())?;
    image_layout("image", [image.tagged("1.0")], LayoutOptions::default())?;
    Ok(())
}
