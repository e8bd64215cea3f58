//! `image_archive`: writes images as one tar that docker, podman, containerd and skopeo can load.

use std::{collections::BTreeMap, io::Write, sync::Arc};

use crate::{
    archive::{
        docker,
        options::{ArchiveFormat, ArchiveOptions},
        writer::TarWriter,
    },
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
        warning::Warning,
    },
    blob::traits::Blob,
    document::{
        descriptor::Descriptor,
        layout_paths::{INDEX, MARKER, marker},
        manifest::Index,
        name::{CONTAINERD_NAME, ImageName, REF_NAME},
    },
    image::graph::Image,
    layout::entries::{entries, nest},
};

/// Writes images as one tar, from its first byte to its last. Returns the index of the tar, with
/// the names that the images have there, and a warning for everything left out. Nothing is stored
/// on disk: each blob is opened when it is written.
///
/// The docker-archive leaves out artifacts, signatures, and images whose layers are not tars or do
/// not match their configuration; the layout includes them. With a platform, both leave out the
/// images for other platforms.
///
/// The tar depends only on the images and the options. `oci-layout`, `index.json` and
/// `manifest.json` come first, then the blobs in the order of their digests. Attributes are the
/// defaults for entries of layers.
///
/// The size and digest of each blob are verified during the copy, and its last bytes are written
/// only if both are right. With a damaged blob, the tar ends in the middle of that blob, so that no
/// reader accepts it.
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, image_config, image_manifest, layer_tar, archive::{ArchiveOptions, image_archive}};
/// use serde_json::json;
///
/// let app = layer_tar([FileMapping::text("", "/bin/app").mode(0o755)], LayerOptions::default())?;
/// let config = image_config([&app], json!({ "config": { "Entrypoint": ["/bin/app"] } }))?;
/// let image = image_manifest(config, [app], json!({}))?.tagged("ghcr.io/me/app:1.0");
/// let mut tar = Vec::new();
/// let written = image_archive(&mut tar, [image], ArchiveOptions::default())?;
/// assert_eq!(written.index.manifests[0].annotations["io.containerd.image.name"], "ghcr.io/me/app:1.0");
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Images`] as [`image_layout`](crate::image_layout()); [`Error::Invalid`] if no image
/// matches the requested platform, if a bare tag has no repository, or if a docker-archive would
/// contain no image; [`Error::Warning`] instead of a warning with the option `strict`;
/// [`Error::BlobDamaged`] and any other error from reading the blobs; and [`Error::Write`], without
/// a path, for errors of `to`.
pub fn image_archive<I: Into<Image>>(
    to: impl Write,
    images: impl IntoIterator<Item = I>,
    options: ArchiveOptions,
) -> Result<WrittenArchive> {
    let ArchiveOptions { format, platform, repository, index, progress, strict } = options;
    let mut images: Vec<Image> = images.into_iter().map(Into::into).collect();
    if index.is_none() {
        images = nest(images, None)?;
    }
    let mut warnings = Vec::new();
    if let Some(platform) = &platform {
        images = docker::narrowed(&images, platform)?;
    }
    warnings.extend(images.iter().flat_map(Image::warnings).cloned());
    let mut index = index.unwrap_or_else(|| Index::of(Vec::new()));
    index.manifests = entries(&images)?;
    if format != ArchiveFormat::Oci {
        index
            .manifests
            .iter_mut()
            .try_for_each(|entry| complete_name(entry, repository.as_deref()))?;
    }

    let mut documents = Vec::new();
    let mut blobs: BTreeMap<Digest, Arc<dyn Blob>> = BTreeMap::new();
    if format != ArchiveFormat::Docker {
        documents.push((MARKER, marker()));
        documents.push((INDEX, json::to_bytes(&index)));
        let all = images.iter().flat_map(Image::blobs).cloned();
        blobs.extend(all.map(|blob| (blob.descriptor().digest, blob)));
    }
    if format != ArchiveFormat::Oci {
        // If the archive also contains a layout, both formats share the layer blobs, so the layers
        // stay compressed.
        let entries = docker::entries(&index, &images, format, &mut warnings)?;
        if !entries.is_empty() {
            documents.push((MANIFEST, json::to_bytes(&entries)));
        }
        for blob in entries.into_iter().flat_map(docker::Entry::blobs) {
            blobs.entry(blob.descriptor().digest).or_insert(blob);
        }
    }

    Error::refuse_warnings(&warnings, strict)?;
    let sizes = documents
        .iter()
        .map(|(_, bytes)| bytes.len() as u64)
        .chain(blobs.values().map(|blob| blob.descriptor().size));
    let mut tar = TarWriter::new(to, sizes.sum(), progress);
    for (name, bytes) in documents {
        tar.document(name, &bytes)?;
    }
    tar.directory("blobs")?;
    tar.directory("blobs/sha256")?;
    blobs.values().try_for_each(|blob| tar.blob(blob.as_ref()))?;
    tar.finish()?;
    Ok(WrittenArchive { index, warnings })
}

/// The result of [`image_archive`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WrittenArchive {
    /// The images with their names in the tar.
    pub index: Index,
    /// What was left out of the tar.
    pub warnings: Vec<Warning>,
}

/// The file of a docker-archive that lists its images.
const MANIFEST: &str = "manifest.json";

/// Gives the entry of an index a full name if it has only a tag.
fn complete_name(entry: &mut Descriptor, repository: Option<&str>) -> Result<()> {
    // A tag that is not valid here cannot be completed to a full name.
    let name = match entry.annotations.get(REF_NAME).map(|tag| (tag, tag.parse::<ImageName>())) {
        Some((_, Ok(name))) if !entry.annotations.contains_key(CONTAINERD_NAME) => name,
        _ => return Ok(()),
    };
    let full = match (name.full, repository) {
        (Some(full), _) => full,
        (None, Some(repository)) => in_repository(repository, &name.tag)?,
        (None, None) => {
            let reason = format!(
                "it has no repository, which docker requires: give the image a full name, as in \
                 app:{}",
                name.tag
            );
            return Err(Error::invalid(format!("tag {:?}", name.tag), reason));
        }
    };
    entry.annotations.insert(CONTAINERD_NAME.to_owned(), full);
    Ok(())
}

fn in_repository(repository: &str, tag: &str) -> Result<String> {
    let name = format!("{repository}:{tag}").parse::<ImageName>();
    name.ok().and_then(|name| name.full).ok_or_else(|| {
        let reason = format!(
            "it is not a valid repository for the tag {tag:?}: give the image a full name, as in \
             app:{tag}"
        );
        Error::invalid(format!("repository {repository:?}"), reason)
    })
}
