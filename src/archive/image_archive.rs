//! `image_archive`: images in, one tar out that docker, podman, containerd and skopeo load.

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
        descriptor::{Descriptor, MediaType},
        extra::Extra,
        layout_paths::{INDEX, MARKER, marker},
        manifest::Index,
        name::{CONTAINERD_NAME, ImageName, REF_NAME},
    },
    image::graph::Image,
    layout::entries::{entries, nest},
};

/// Writes images as one tar, from its first byte to its last, and returns the index that the tar has, the images under
/// their names there, with warnings of what it lacks. Nothing is kept on disk: each blob is opened when it is its turn.
///
/// The docker-archive leaves out artifacts, signatures, and images whose layers are not tars or do not match their
/// configuration; the layout holds them. With a platform, both leave out the images for other platforms.
///
/// The tar is a function of the images and the options. `oci-layout`, `index.json` and `manifest.json` come first, then
/// the blobs in the order of their digests; attributes are those that entries of layers have by default.
///
/// Size and digest of each blob are checked on the way, and its last stretch is written when both are right: a tar with
/// a blob that is damaged breaks off in the middle of it, which everybody notices.
///
/// ```
/// use oci_layout::{ArchiveOptions, FileMapping, LayerOptions, image_archive, image_config, image_manifest, layer_tar};
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
/// [`Error::Images`] as [`image_layout`](crate::image_layout()); [`Error::Invalid`] if no image is for the platform asked
/// for, for a bare tag without a repository to put it in, and where a docker-archive would have no image;
/// [`Error::Warning`] instead of a warning with the option `strict`; [`Error::BlobDamaged`] and what else the blobs give;
/// and [`Error::Write`] for what `to` gives, which has no path.
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
    let mut index = index.unwrap_or_else(empty_index);
    index.manifests = entries(&images)?;
    if format != ArchiveFormat::Oci {
        index.manifests.iter_mut().try_for_each(|entry| complete_name(entry, repository.as_deref()))?;
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
        // Beside a layout the layers are its own, in whatever compression.
        let entries = docker::entries(&index, &images, format, &mut warnings)?;
        if !entries.is_empty() {
            documents.push((MANIFEST, json::to_bytes(&entries)));
        }
        for blob in entries.into_iter().flat_map(docker::Entry::blobs) {
            blobs.entry(blob.descriptor().digest).or_insert(blob);
        }
    }

    Error::refuse_warnings(&warnings, strict)?;
    let sizes =
        documents.iter().map(|(_, bytes)| bytes.len() as u64).chain(blobs.values().map(|blob| blob.descriptor().size));
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

/// What [`image_archive`] wrote.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WrittenArchive {
    /// The images under their names in the tar.
    pub index: Index,
    /// What the tar lacks.
    pub warnings: Vec<Warning>,
}

/// The file of a docker-archive that names its images.
const MANIFEST: &str = "manifest.json";

fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(MediaType::INDEX),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: BTreeMap::new(),
        extra: Extra::default(),
    }
}

/// Gives the entry of an index a full name if it has but a tag.
fn complete_name(entry: &mut Descriptor, repository: Option<&str>) -> Result<()> {
    // Of a tag that is none in our sense nobody could make a name.
    let name = match entry.annotations.get(REF_NAME).map(|tag| (tag, tag.parse::<ImageName>())) {
        Some((_, Ok(name))) if !entry.annotations.contains_key(CONTAINERD_NAME) => name,
        _ => return Ok(()),
    };
    let full = match (name.full, repository) {
        (Some(full), _) => full,
        (None, Some(repository)) => in_repository(repository, &name.tag)?,
        (None, None) => {
            let reason = format!(
                "it is in no repository, without which docker has no name for it: give the image a full name, as in app:{}",
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
            "it is no repository, for the image with the tag {tag:?} to be in: give the image a full name, as in app:{tag}"
        );
        Error::invalid(format!("repository {repository:?}"), reason)
    })
}
