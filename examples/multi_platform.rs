//! Makes an image for two platforms: a client that pulls its tag gets the image for its platform.
//!
//! ```console
//! $ cargo run --release --example multi_platform
//! ```

use std::{error::Error, fs};

use oci_layout::{
    ConfigOptions, FileMapping, LayerOptions, document::Platform, image_config, image_layout,
    image_manifest, layer_tar,
};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let out = "target/examples-out/multi_platform";
    // Removes the output of an earlier run.
    let _ = fs::remove_dir_all(out);

    // Files that are equal on all platforms are one layer, stored once.
    let shared = layer_tar(
        [FileMapping::text("PORT=80\n", "/etc/app.conf")],
        LayerOptions::default().store(out),
    )?;
    let image = |platform: &str| {
        let platform: Platform = platform.parse()?;
        // Yours would be a program, as in
        // FileMapping::new("target/aarch64-unknown-linux-musl/release/app", "/bin/app").
        let program =
            FileMapping::text(format!("the program for {platform}\n"), "/bin/app").mode(0o755);
        let layers = [shared.clone(), layer_tar([program], LayerOptions::default().store(out))?];
        let config = json!({ "config": { "Entrypoint": ["/bin/app"] } });
        let config = image_config(&layers, ConfigOptions::new(config).platform(platform))?;
        Ok::<_, oci_layout::Error>(image_manifest(config, layers, json!({}))?.tagged("latest"))
    };

    // Two images with one tag become one index with that tag.
    let layout = image_layout(out, [image("linux/amd64")?, image("linux/arm64")?], json!({}))?;
    assert_eq!(layout.index()?.manifests.len(), 1);
    for platform in ["linux/amd64", "linux/arm64"] {
        let image = layout.image(Some("latest"), Some(&platform.parse()?))?;
        println!("{platform}: {}", image.descriptor().digest);
    }
    println!("\nPush both:  crane push {out} localhost:5000/app:latest");
    println!("            skopeo copy --all oci:{out}:latest docker://localhost:5000/app:latest");
    Ok(())
}
