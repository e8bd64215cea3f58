//! The registry over layouts, queried with raw HTTP that no usual client sends.

mod access;
mod client;
mod conditions;
mod crowds;
mod damage;
mod hostile;
mod hosts;
mod layouts;
mod login;
mod made;
mod many;
mod named;
mod operations;
mod page;
#[cfg(feature = "cli")]
mod program;
#[cfg(feature = "cli")]
mod program_config;
#[cfg(feature = "cli")]
mod program_operations;
mod ranges;
mod sparse;
mod specification;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use client::{Answer, get};
use oci_layout::{
    Compression, FileMapping, ImageLayout, ImageManifest, LayerOptions, Pool, image_config,
    image_layout, image_manifest, layer_tar,
    registry::{Endpoint, Event, Repository, Serving},
};
use serde_json::{Value, json};

/// An endpoint, and its events.
pub(crate) struct Served {
    pub(crate) address: String,
    events: Arc<Mutex<Vec<String>>>,
    pub(crate) serving: Serving,
}

impl Served {
    pub(crate) fn new<N: Into<String>, R: Into<Repository>>(
        repositories: impl IntoIterator<Item = (N, R)>,
    ) -> Self {
        Self::with(repositories, |endpoint| endpoint)
    }

    pub(crate) fn with<N: Into<String>, R: Into<Repository>>(
        repositories: impl IntoIterator<Item = (N, R)>,
        options: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Self {
        // One thread, the minimum for building blobs.
        Self::of(options(Endpoint::new(repositories).unwrap().pool(&Pool::new(1))))
    }

    pub(crate) fn of(endpoint: Endpoint) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let endpoint =
            endpoint.log(move |event: &Event| told.lock().unwrap().push(event.to_string()));
        let serving = endpoint.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: serving.address().to_string(), events, serving }
    }

    pub(crate) fn get(&self, target: impl AsRef<str>) -> Answer {
        get(&self.address, target.as_ref(), &[])
    }

    /// The events that contain this text.
    pub(crate) fn events(&self, part: &str) -> Vec<String> {
        self.events.lock().unwrap().iter().filter(|event| event.contains(part)).cloned().collect()
    }
}

/// An image with one uncompressed layer that contains this text.
pub(crate) fn image(text: impl Into<Vec<u8>>, platform: &str) -> ImageManifest {
    let options = LayerOptions::from(Compression::None);
    let layer = layer_tar([FileMapping::bytes(text.into(), "/text")], options).unwrap();
    let platform: oci_layout::document::Platform = platform.parse().unwrap();
    let extra = json!({ "os": platform.os, "architecture": platform.architecture });
    image_manifest(image_config([&layer], extra).unwrap(), [layer], Value::Null).unwrap()
}

/// A layout with one image.
pub(crate) fn layout(dir: &Path, image: ImageManifest) -> ImageLayout {
    image_layout(dir, [image.tagged("latest")], Value::Null).unwrap()
}

/// Waits until the condition holds. Panics with its description after a minute.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited too long until {what}");
}
