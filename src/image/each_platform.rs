//! Images for several platforms, changed platform by platform.

use std::{collections::HashSet, sync::Arc};

use crate::{
    basics::{Digest, Result, json},
    blob::{Blob, MemoryBlob},
    document::{Descriptor, Index, Manifest, MediaType, Platform},
    image::{
        attestation::DESCRIBES,
        containers::{Container, Graph, no_platform},
        graph::Image,
        platform_image::PlatformImage,
    },
};

impl Image {
    /// The images for each platform, in the order of the index. An artifact has none, and
    /// attestations are left out.
    ///
    /// # Errors
    ///
    /// As of [`PlatformImage::of`].
    pub fn platform_images(&self) -> Result<Vec<(Platform, PlatformImage)>> {
        let images = Container::all(self)?.into_iter().map(|container| {
            let platform = container.platform.clone();
            Ok((platform, PlatformImage::of_container(self, container)?))
        });
        images.collect()
    }

    /// The image with a change for each platform, as [`PlatformImage::squashed`] makes it.
    /// Attestations of a changed image are removed from its index. The names stay.
    ///
    /// # Errors
    ///
    /// Those of `change`, [`Error::PlatformNotFound`](crate::Error::PlatformNotFound) for an
    /// artifact, and the errors of reading the documents.
    pub fn map_platforms(
        &self,
        mut change: impl FnMut(PlatformImage) -> Result<PlatformImage>,
    ) -> Result<Self> {
        with_each_platform(self, None, |image| {
            let Self { descriptor, blobs, .. } = change(image)?.into();
            Ok((descriptor, blobs))
        })
    }
}

/// Changes the image for each platform, or for one. `change` returns a new descriptor and blobs.
pub(crate) fn with_each_platform(
    image: &Image,
    only: Option<&Platform>,
    mut change: impl FnMut(PlatformImage) -> Result<(Descriptor, Vec<Arc<dyn Blob>>)>,
) -> Result<Image> {
    let containers = Container::all(image)?;
    let is_wanted = |platform: &Platform| only.is_none_or(|only| only.accepts(platform));
    if !containers.iter().any(|container| is_wanted(&container.platform)) {
        let of = format!("image {}", image.digest());
        let wanted = only.cloned().unwrap_or_default();
        return Err(no_platform(of, &wanted, containers.iter().map(|it| &it.platform)));
    }
    let mut changes = Changes { image, changed: Vec::new() };
    for container in containers.into_iter().filter(|it| is_wanted(&it.platform)) {
        let old = container.descriptor.digest;
        let (new, blobs) = change(PlatformImage::of_container(image, container)?)?;
        changes.changed.push(Changed { old, new, blobs });
    }
    let (descriptor, mut blobs) = changes.below(image.descriptor())?;
    let mut seen = HashSet::new();
    blobs.retain(|blob| seen.insert(blob.descriptor().digest));
    let (names, warnings) = (image.names().to_vec(), image.warnings().to_vec());
    Ok(Image { descriptor, blobs, names, warnings })
}

/// The descriptor and the bytes of an index in place of an old one.
pub(crate) fn changed_index(old: &Descriptor, mut index: Index) -> (Descriptor, MemoryBlob) {
    index.media_type = Some(MediaType::INDEX);
    let bytes = MemoryBlob::new(MediaType::INDEX, json::to_bytes(&index));
    let descriptor = Descriptor {
        annotations: old.annotations.clone(),
        artifact_type: index.artifact_type,
        extra: old.extra.clone(),
        ..bytes.descriptor().clone()
    };
    (descriptor, bytes)
}

/// An image of which a part was changed.
struct Changes<'a> {
    image: &'a Image,
    changed: Vec<Changed>,
}

/// An image for one platform that was changed.
struct Changed {
    old: Digest,
    new: Descriptor,
    blobs: Vec<Arc<dyn Blob>>,
}

impl Changes<'_> {
    /// Returns what the image has in place of this manifest or index, with its blobs.
    fn below(&self, old: &Descriptor) -> Result<(Descriptor, Vec<Arc<dyn Blob>>)> {
        if let Some(changed) = self.changed.iter().find(|changed| changed.old == old.digest) {
            // One image may have several entries with different annotations.
            let mut new = changed.new.clone();
            new.annotations.clone_from(&old.annotations);
            return Ok((new, changed.blobs.clone()));
        }
        if !old.media_type.is_index() {
            return Ok((old.clone(), self.unchanged(old)?));
        }
        let mut index: Index = self.image.read(old)?;
        let mut blobs = Vec::new();
        let mut entries = Vec::new();
        for entry in &index.manifests {
            let described = entry.annotations.get(DESCRIBES);
            let is_changed = |it: &Changed| {
                described.is_some_and(|digest| *digest == it.old.to_string())
                    && it.new.digest != it.old
            };
            if self.changed.iter().any(is_changed) {
                continue;
            }
            if self.image.blob(entry).is_err() {
                // An index may name an image that is stored elsewhere.
                entries.push(entry.clone());
                continue;
            }
            let (entry, below) = self.below(entry)?;
            entries.push(entry);
            blobs.extend(below);
        }
        index.manifests = entries;
        let (descriptor, bytes) = changed_index(old, index);
        blobs.push(Arc::new(bytes));
        Ok((descriptor, blobs))
    }

    /// Returns the blobs of a manifest that is not changed.
    fn unchanged(&self, descriptor: &Descriptor) -> Result<Vec<Arc<dyn Blob>>> {
        let mut named = vec![descriptor.clone()];
        if descriptor.media_type.is_manifest() {
            let manifest: Manifest = self.image.read(descriptor)?;
            named = manifest.layers.into_iter().chain([manifest.config]).chain(named).collect();
        }
        // A layer may be stored elsewhere.
        Ok(named.iter().filter_map(|blob| self.image.blob(blob).ok().cloned()).collect())
    }
}
