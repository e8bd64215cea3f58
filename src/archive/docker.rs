//! Creates the entries of `manifest.json` for a docker-archive: images for one platform each.
//!
//! The format is that of [`docker image
//! save`](https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format).

use std::{collections::HashMap, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    archive::{options::ArchiveFormat, unpacked::UnpackedLayer},
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
        report::Report,
        warning::Warning,
    },
    blob::{chunks, traits::Blob},
    document::{
        configuration::Configuration,
        descriptor::{Descriptor, MediaType, Platform},
        layout_paths::blob_name,
        manifest::Index,
        name::{CONTAINERD_NAME, REF_NAME},
    },
    image::{containers::Container, graph::Image},
};

/// An image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    #[serde(serialize_with = "path")]
    config: Arc<dyn Blob>,
    repo_tags: Vec<String>,
    #[serde(serialize_with = "paths")]
    layers: Vec<Arc<dyn Blob>>,
}

impl Entry {
    pub(crate) fn blobs(self) -> impl Iterator<Item = Arc<dyn Blob>> {
        self.layers.into_iter().chain([self.config])
    }
}

fn path<S: Serializer>(blob: &Arc<dyn Blob>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&blob_name(blob.descriptor().digest))
}

fn paths<S: Serializer>(blobs: &[Arc<dyn Blob>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(blobs.iter().map(|blob| blob_name(blob.descriptor().digest)))
}

/// Returns the images of the index, each once with all of its names. Skips artifacts, and images
/// whose layers do not match their configuration, because this format cannot express them.
pub(crate) fn entries(
    index: &Index,
    images: &[Image],
    format: ArchiveFormat,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Entry>> {
    let alone = format == ArchiveFormat::Docker;
    let (mut entries, mut first): (Vec<Entry>, Option<Error>) = (Vec::new(), None);
    let mut by_digest: HashMap<Digest, &Image> = HashMap::new();
    for image in images {
        by_digest.entry(image.digest()).or_insert(image);
    }
    // The position of the entry of each image and each manifest, or `None` if it has none.
    let mut known: HashMap<Digest, Option<usize>> = HashMap::new();
    for named in &index.manifests {
        let name = named.annotations.get(CONTAINERD_NAME).cloned();
        if let Some(known) = known.get(&named.digest) {
            known.iter().for_each(|&at| entries[at].repo_tags.extend(name.clone()));
            continue;
        }
        known.insert(named.digest, None);
        let image = by_digest.get(&named.digest).expect("the index names these images");
        let reason = match Container::choose(image, None) {
            Ok(Some(container)) => {
                let manifest = container.descriptor.digest;
                if let Some(Some(at)) = known.get(&manifest).copied() {
                    entries[at].repo_tags.extend(name);
                    known.insert(named.digest, Some(at));
                    continue;
                }
                match entry(image, &container, name.clone(), alone)? {
                    Ok(entry) => {
                        known.extend(
                            [named.digest, manifest].map(|digest| (digest, Some(entries.len()))),
                        );
                        entries.push(entry);
                        continue;
                    }
                    Err(reason) => Some(reason),
                }
            }
            // The layout holds everything that is not a container image.
            Ok(None) => alone.then(|| {
                "it is not a container image, and a docker-archive holds nothing else".to_owned()
            }),
            Err(error) => {
                let reason = Report(&error).to_string();
                first.get_or_insert(error);
                Some(reason)
            }
        };
        if let Some(reason) = reason {
            let image = name.unwrap_or_else(|| named.digest.to_string());
            warnings.push(match alone {
                true => Warning::ImageLeftOut { image, reason },
                false => Warning::NoDockerForm { image, reason },
            });
        }
    }
    match first {
        _ if !entries.is_empty() => {}
        Some(error) => return Err(error),
        None if alone => {
            let reason = "none of the images is a container image: write an oci-archive, which \
                holds artifacts too";
            return Err(Error::invalid("docker-archive", reason));
        }
        None => warnings.push(Warning::NoManifestJson),
    }
    Ok(entries)
}

/// Returns the entry of an image, or why it has none.
fn entry(
    image: &Image,
    container: &Container,
    name: Option<String>,
    unpack_zstd: bool,
) -> Result<std::result::Result<Entry, String>> {
    let config = image.blob(&container.manifest.config)?;
    let bytes = chunks::read_document(config.as_ref())?;
    let configuration: Configuration = match json::from_slice(&bytes) {
        Ok(configuration) => configuration,
        Err(error) => {
            return Ok(Err(format!("its configuration is not that of a container: {error}")));
        }
    };
    let (layers, diff_ids) = (&container.manifest.layers, &configuration.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        return Ok(Err(format!("it has {} layers and {} diff IDs", layers.len(), diff_ids.len())));
    }
    let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| {
        let layer = Arc::clone(image.blob(descriptor)?);
        let is_zstd = descriptor.media_type.to_oci() == MediaType::LAYER_ZSTD;
        Ok(if unpack_zstd && is_zstd {
            Arc::new(UnpackedLayer::new(layer, *diff_id)?) as Arc<dyn Blob>
        } else {
            layer
        })
    };
    Ok(Ok(Entry {
        config: Arc::clone(config),
        repo_tags: name.into_iter().collect(),
        layers: layers.iter().zip(diff_ids).map(layer).collect::<Result<_>>()?,
    }))
}

/// Reduces images to this platform, under the same names. If there are several images, those for
/// other platforms are left out. Artifacts are kept.
pub(crate) fn narrowed(images: &[Image], platform: &Platform) -> Result<Vec<Image>> {
    let (mut narrowed, mut fits, mut first) = (Vec::new(), false, None);
    for image in images {
        match Container::choose(image, Some(platform)) {
            Ok(Some(container)) => {
                narrowed.push(narrowed_to(image, container)?);
                fits = true;
            }
            Ok(None) => narrowed.push(image.clone()),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    match first {
        Some(error) if !fits => Err(error),
        _ => Ok(narrowed),
    }
}

/// Returns the image for one platform as a separate image.
fn narrowed_to(image: &Image, container: Container) -> Result<Image> {
    let Container { mut descriptor, manifest, platform } = container;
    let blobs = manifest.layers.iter().chain([&manifest.config, &descriptor]);
    let blobs = blobs.map(|descriptor| image.blob(descriptor).cloned()).collect::<Result<_>>()?;
    for key in [REF_NAME, CONTAINERD_NAME] {
        descriptor.annotations.remove(key);
        let name = image.descriptor().annotations.get(key);
        descriptor.annotations.extend(name.map(|name| (key.to_owned(), name.clone())));
    }
    descriptor.platform = Some(platform);
    Ok(image.names().iter().cloned().fold(Image::new(descriptor, blobs), Image::tagged))
}
