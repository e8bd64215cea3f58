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
    blob::traits::Blob,
    document::{
        configuration::Configuration,
        descriptor::{Descriptor, MediaType, Platform},
        layout_paths::{MAX_DEPTH, blob_name},
        manifest::{Index, Manifest},
        name::{CONTAINERD_NAME, REF_NAME},
    },
    image::{existing::read_document, graph::Image},
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
        let reason = match containers(image).and_then(|all| chosen(image, all, None)) {
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
                "it is not an image of a container, and a docker-archive holds nothing else"
                    .to_owned()
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
            let reason = "the images contain none of a container: write an oci-archive, which \
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
    let bytes = read_document(blob(image, &container.manifest.config)?.as_ref())?;
    let configuration: Configuration = match json::from_slice(&bytes) {
        Ok(configuration) => configuration,
        Err(error) => return Ok(Err(format!("its configuration is none of a container: {error}"))),
    };
    let (layers, diff_ids) = (&container.manifest.layers, &configuration.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        return Ok(Err(format!("it has {} layers and {} diff IDs", layers.len(), diff_ids.len())));
    }
    let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| {
        let layer = Arc::clone(blob(image, descriptor)?);
        let is_zstd = descriptor.media_type.to_oci() == MediaType::LAYER_ZSTD;
        Ok(if unpack_zstd && is_zstd {
            Arc::new(UnpackedLayer::new(layer, *diff_id)?) as Arc<dyn Blob>
        } else {
            layer
        })
    };
    Ok(Ok(Entry {
        config: Arc::clone(blob(image, &container.manifest.config)?),
        repo_tags: name.into_iter().collect(),
        layers: layers.iter().zip(diff_ids).map(layer).collect::<Result<_>>()?,
    }))
}

/// Reduces images to this platform, under the same names. If there are several images, those for
/// other platforms are left out. Artifacts are kept.
pub(crate) fn narrowed(images: &[Image], platform: &Platform) -> Result<Vec<Image>> {
    let (mut narrowed, mut fits, mut first) = (Vec::new(), false, None);
    for image in images {
        match chosen(image, containers(image)?, Some(platform)) {
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

/// Returns the image for one platform as an image of its own.
fn narrowed_to(image: &Image, container: Container) -> Result<Image> {
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

/// One platform of an image.
struct Container {
    descriptor: Descriptor,
    manifest: Manifest,
    platform: Platform,
}

/// Returns the container images in an image; an artifact has none.
fn containers(image: &Image) -> Result<Vec<Container>> {
    let mut all = Vec::new();
    collect(image, image.descriptor(), 0, &mut all)?;
    Ok(all)
}

/// Returns the one for this platform, the only one, or the one for linux/amd64; `None` if there are
/// none.
///
/// # Errors
///
/// [`Error::PlatformNotFound`] if none is for the platform.
fn chosen(
    image: &Image,
    mut all: Vec<Container>,
    platform: Option<&Platform>,
) -> Result<Option<Container>> {
    if all.is_empty() || (platform.is_none() && all.len() == 1) {
        return Ok(all.pop());
    }
    let wanted = platform.cloned().unwrap_or_default();
    if let Some(at) = all.iter().position(|container| wanted.accepts(&container.platform)) {
        return Ok(Some(all.swap_remove(at)));
    }
    Err(Error::PlatformNotFound {
        of: format!("image {}", image.digest()),
        platform: wanted.to_string(),
        available: all.iter().map(|container| container.platform.to_string()).collect(),
    })
}

fn collect(
    image: &Image,
    descriptor: &Descriptor,
    depth: usize,
    found: &mut Vec<Container>,
) -> Result<()> {
    if depth > MAX_DEPTH {
        let reason = format!("it has indexes more than {MAX_DEPTH} deep");
        return Err(Error::invalid(format!("image {}", image.digest()), reason));
    }
    if descriptor.media_type.is_index() {
        let index: Index = document(image, descriptor)?;
        // An index may name manifests that are stored elsewhere.
        let mut there = index.manifests.iter().filter(|entry| blob(image, entry).is_ok());
        return there.try_for_each(|entry| collect(image, entry, depth + 1, found));
    }
    if !descriptor.media_type.is_manifest() {
        return Ok(());
    }
    let manifest: Manifest = document(image, descriptor)?;
    if !manifest.is_of_container() {
        return Ok(());
    }
    let platform = match &descriptor.platform {
        Some(platform) => platform.clone(),
        // If the configuration is not that of a container, creating the entry reports it.
        None => match document::<Configuration>(image, &manifest.config) {
            Ok(configuration) => configuration.platform(),
            Err(Error::Invalid { .. }) => Platform::default(),
            Err(error) => return Err(error),
        },
    };
    // An attestation of BuildKit, which cannot be run.
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
    json::from_slice(&bytes).map_err(|error| {
        Error::invalid(format!("{} {}", descriptor.media_type, descriptor.digest), error)
    })
}
