//! Images of packages, made when somebody asks for them.

mod common;

mod on_demand {
    mod collected;
    mod contents;
    mod declared;
    mod evict;
    mod processes;
    mod state;
    mod stored;
}

use std::{io::Read, path::Path, sync::Arc};

use oci_layout::{
    Blob, Digest, Error, Image, Result,
    document::MediaType,
    on_demand::PackageImages,
    registry::{NamedImages, Stop},
};
use serde_json::Value;

/// Makes the image with this name and the tag `latest`.
#[track_caller]
fn make(images: &PackageImages, name: &str) -> Arc<Image> {
    let request = images.request(name, "latest").unwrap();
    images.make(&request, &Stop::default()).unwrap()
}

/// The image with this name, if it is known.
fn known(images: &PackageImages, name: &str) -> Option<Arc<Image>> {
    images.known(&images.request(name, "latest").unwrap())
}

/// The digests of the layers, lowest first.
fn layers(image: &Image) -> Vec<Digest> {
    let layers = image.blobs().iter().filter(|blob| is_layer(blob.as_ref()));
    layers.map(|blob| blob.descriptor().digest).collect()
}

fn is_layer(blob: &dyn Blob) -> bool {
    blob.descriptor().media_type == MediaType::LAYER_GZIP
}

/// The configuration.
fn config(image: &Image) -> Value {
    let mut blobs = image.blobs().iter();
    let config = blobs.find(|blob| blob.descriptor().media_type == MediaType::CONFIG).unwrap();
    serde_json::from_slice(&common::bytes(config)).unwrap()
}

/// Reads all blobs and checks their digests.
fn read_all(image: &Image) -> Result<()> {
    for blob in image.blobs() {
        assert_eq!(Digest::of(read(blob.as_ref()).1?), blob.descriptor().digest);
    }
    Ok(())
}

/// The number of bytes that were read, and all of them or the error.
fn read(blob: &dyn Blob) -> (usize, Result<Vec<u8>>) {
    let mut bytes = Vec::new();
    let end = match blob.open() {
        Ok(mut reader) => {
            reader.read_to_end(&mut bytes).map_err(|error| error.downcast::<Error>().unwrap())
        }
        Err(error) => Err(error),
    };
    (bytes.len(), end.map(|_| bytes))
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = common::files_in(folder).into_iter().map(|path| folder.join(path));
    // A thread that writes down when an image was used has temporary files, with `#` in their names.
    let is_entry = |path: &std::path::PathBuf| !path.to_string_lossy().contains('#');
    all.filter(|path| path.is_file() && is_entry(path)).collect()
}
