//! Small images that print a line when they run.

use std::env;
use std::path::{Path, PathBuf};

use oci_layout::{
    ConfigOptions, FileMapping, ImageManifest, LayerOptions, image_config, image_manifest,
    layer_tar,
};
use serde_json::json;

/// An image whose containers print this text, with its layer stored in the layout.
pub fn hello(layout: &Path, text: &str, platform: &str) -> ImageManifest {
    let files = [FileMapping::new(busybox(), "/bin/busybox"), FileMapping::text(text, "/hello")];
    let layer = layer_tar(files, LayerOptions::default().store(layout)).unwrap();
    let run = json!({ "config": { "Entrypoint": ["/bin/busybox", "cat"], "Cmd": ["/hello"] } });
    let options = ConfigOptions::new(run).platform(platform.parse().unwrap());
    image_manifest(image_config([&layer], options).unwrap(), [layer], json!({})).unwrap()
}

/// A program that needs no libraries.
pub fn busybox() -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    let mut places = env::split_paths(&path).map(|folder| folder.join("busybox"));
    places
        .find(|place| place.exists())
        .expect("busybox is not on PATH; tests/run installs what the tests need")
}
