//! Makes an image with your own layer type: anything with a descriptor, a diff ID and bytes can be a
//! layer.
//!
//! ```console
//! $ cargo run --release --example custom_layer
//! ```

use std::{error::Error, fs, io::Read, sync::Arc};

use oci_layout::{
    Blob, Digest, FileMapping, Layer, LayerOptions, MemoryBlob,
    document::{Descriptor, MediaType},
    image_config, image_layout, image_manifest, layer_tar,
};
use serde_json::json;

/// An uncompressed tar in memory from another source. The image contains its bytes unchanged.
struct MemoryLayer(MemoryBlob);

impl Blob for MemoryLayer {
    fn descriptor(&self) -> &Descriptor {
        self.0.descriptor()
    }

    fn open(&self) -> oci_layout::Result<Box<dyn Read + Send>> {
        self.0.open()
    }
}

impl Layer for MemoryLayer {
    /// The digest of the uncompressed tar, which is the blob itself here.
    fn diff_id(&self) -> Digest {
        self.descriptor().digest
    }

    fn created_by(&self) -> String {
        "example custom_layer".to_owned()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = "target/examples-out/custom_layer";
    // Removes the output of an earlier run.
    let _ = fs::remove_dir_all(out);

    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(6);
    header.set_mode(0o644);
    tar.append_data(&mut header, "greeting", &b"hello\n"[..])?;
    let custom = MemoryLayer(MemoryBlob::new(MediaType::LAYER, tar.into_inner()?));

    // A second layer, which this library describes. `image_layout` makes its bytes.
    let described =
        layer_tar([FileMapping::text("PORT=80\n", "/etc/app.conf")], LayerOptions::default())?;
    let layers: [Arc<dyn Layer>; 2] = [described.into(), Arc::new(custom)];
    let config = image_config(layers.iter().map(Arc::as_ref), json!({}))?;
    let image = image_manifest(config, layers, json!({}))?;
    image_layout(out, [image.tagged("latest")], json!({}))?;
    println!(
        "See what is in it:  umoci unpack --rootless --image {out}:latest \
         target/examples-out/bundle"
    );
    Ok(())
}
