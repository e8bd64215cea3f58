//! The images of a docker-archive: each for one platform, by `manifest.json`.
//!
//! The format is that of [`docker image save`](https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format).

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::unpacked::UnpackedLayer;
use crate::{
    blob::Blob,
    descriptor::{Descriptor, MediaType, Platform},
    digest::Digest,
    error::{Error, Result},
    image_config::Configuration,
    image_layout::{
        MAX_DEPTH,
        files::blob_name,
        name::{CONTAINERD_NAME, REF_NAME},
    },
    image_manifest::{Image, Index, Manifest, existing::read_document},
};

/// An image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    #[serde(serialize_with = "path")]
    config: Arc<dyn Blob>,
    repo_tags: Vec<String>,
    #[serde(serialize_with = "paths")]
    layers: Vec<Arc<dyn Blob>>,
    #[serde(skip)]
    manifest: Digest,
}

impl Entry {
    pub(super) fn blobs(self) -> impl Iterator<Item = Arc<dyn Blob>> {
        self.layers.into_iter().chain([self.config])
    }
}

fn path<S: Serializer>(blob: &Arc<dyn Blob>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&blob_name(blob.descriptor().digest))
}

fn paths<S: Serializer>(blobs: &[Arc<dyn Blob>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(blobs.iter().map(|blob| blob_name(blob.descriptor().digest)))
}

/// The images that the index names, each once with all of its names. What is no image of a container is passed over.
pub(super) fn entries(index: &Index, images: &[Image], unpack_zstd: bool) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for named in &index.manifests {
        let image = images.iter().find(|image| image.digest() == named.digest).expect("the index names these images");
        let Some(container) = container(image, None)? else { continue };
        let name = named.annotations.get(CONTAINERD_NAME).cloned();
        match entries.iter_mut().find(|entry| entry.manifest == container.descriptor.digest) {
            Some(entry) => entry.repo_tags.extend(name),
            None => entries.push(entry(image, &container, name, unpack_zstd)?),
        }
    }
    match entries.is_empty() {
        false => Ok(entries),
        true => Err(Error::invalid("docker-archive", "there is no image of a container to put into it")),
    }
}

fn entry(image: &Image, container: &Container, name: Option<String>, unpack_zstd: bool) -> Result<Entry> {
    let configuration: Configuration = document(image, &container.manifest.config)?;
    let (layers, diff_ids) = (&container.manifest.layers, &configuration.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        let reason = format!("it has {} layers and {} diff IDs", layers.len(), diff_ids.len());
        return Err(Error::invalid(format!("image {}", container.descriptor.digest), reason));
    }
    let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| {
        let layer = Arc::clone(blob(image, descriptor)?);
        let is_zstd = descriptor.media_type.to_oci() == MediaType::LAYER_ZSTD;
        Ok(if unpack_zstd && is_zstd { Arc::new(UnpackedLayer::new(layer, *diff_id)?) as Arc<dyn Blob> } else { layer })
    };
    Ok(Entry {
        config: Arc::clone(blob(image, &container.manifest.config)?),
        repo_tags: name.into_iter().collect(),
        layers: layers.iter().zip(diff_ids).map(layer).collect::<Result<_>>()?,
        manifest: container.descriptor.digest,
    })
}

/// The image for this platform alone, under the same names; what is no image of a container is as it was.
pub(super) fn narrowed(image: &Image, platform: &Platform) -> Result<Image> {
    let Some(container) = container(image, Some(platform))? else { return Ok(image.clone()) };
    let Container { mut descriptor, manifest, platform } = container;
    let blobs = manifest.layers.iter().chain([&manifest.config, &descriptor]);
    let blobs = blobs.map(|descriptor| blob(image, descriptor).cloned()).collect::<Result<_>>()?;
    for key in [REF_NAME, CONTAINERD_NAME] {
        descriptor.annotations.remove(key);
        let name = image.descriptor().annotations.get(key);
        descriptor.annotations.extend(name.map(|name| (key.to_owned(), name.clone())));
    }
    descriptor.platform = Some(platform);
    Ok(image.names().iter().cloned().fold(Image::new(descriptor, blobs), Image::tagged))
}

/// One of the images that an image for several platforms consists of.
struct Container {
    descriptor: Descriptor,
    manifest: Manifest,
    platform: Platform,
}

/// The image for this platform, or the only one, or that for linux/amd64; none of what is no image of a container.
fn container(image: &Image, platform: Option<&Platform>) -> Result<Option<Container>> {
    let mut all = Vec::new();
    collect(image, image.descriptor(), 0, &mut all)?;
    if all.is_empty() || (platform.is_none() && all.len() == 1) {
        return Ok(all.pop());
    }
    let wanted = platform.cloned().unwrap_or_default();
    if let Some(at) = all.iter().position(|container| wanted.accepts(&container.platform)) {
        return Ok(Some(all.swap_remove(at)));
    }
    let has: Vec<_> = all.iter().map(|container| container.platform.to_string()).collect();
    let reason = format!("it is not for {wanted}: choose one of its platforms; it has {}", has.join(", "));
    Err(Error::invalid(format!("image {}", image.digest()), reason))
}

fn collect(image: &Image, descriptor: &Descriptor, depth: usize, found: &mut Vec<Container>) -> Result<()> {
    if depth > MAX_DEPTH {
        let reason = format!("it has indexes more than {MAX_DEPTH} deep");
        return Err(Error::invalid(format!("image {}", image.digest()), reason));
    }
    if descriptor.media_type.is_index() {
        let index: Index = document(image, descriptor)?;
        return index.manifests.iter().try_for_each(|entry| collect(image, entry, depth + 1, found));
    }
    if !descriptor.media_type.is_manifest() {
        return Ok(());
    }
    let manifest: Manifest = document(image, descriptor)?;
    if manifest.config.media_type.to_oci() != MediaType::CONFIG {
        return Ok(());
    }
    let platform = match &descriptor.platform {
        Some(platform) => platform.clone(),
        None => document::<Configuration>(image, &manifest.config)?.platform(),
    };
    // An attestation of buildkit's, which runs nowhere.
    if !platform.is_unknown() {
        found.push(Container { descriptor: descriptor.clone(), manifest, platform });
    }
    Ok(())
}

fn blob<'a>(image: &'a Image, descriptor: &Descriptor) -> Result<&'a Arc<dyn Blob>> {
    let found = image.blobs().iter().find(|blob| blob.descriptor().digest == descriptor.digest);
    found.ok_or_else(|| {
        let reason = format!("its blob {} is not among those it was given with", descriptor.digest);
        Error::invalid(format!("image {}", image.digest()), reason)
    })
}

fn document<T: serde::de::DeserializeOwned>(image: &Image, descriptor: &Descriptor) -> Result<T> {
    let bytes = read_document(blob(image, descriptor)?.as_ref())?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::invalid(format!("{} {}", descriptor.media_type, descriptor.digest), error.to_string()))
}
