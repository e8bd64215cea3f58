//! Collects images of a layout with all of their blobs, to copy them elsewhere.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    basics::{Digest, Error, Result, Warning},
    blob::Blob,
    document::{Annotations, Descriptor, Index, MAX_DEPTH, Manifest, MediaType},
    image::Image,
    layout::read::ImageLayout,
};

impl ImageLayout {
    /// Returns everything that the index names (manifests, indexes and artifacts) with all blobs,
    /// to copy to another layout. If an index below `index.json` names a blob that the layout
    /// lacks, the index keeps the entry, the blob is left out, and [`Image::warnings`] reports it.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`] and [`Error::BlobDamaged`] for a manifest or index; [`Error::Layout`]
    /// for an index entry whose media type does not tell what it refers to.
    pub fn images(&self) -> Result<Vec<Image>> {
        let mut shared = Shared::default();
        self.index()?.manifests.iter().map(|entry| self.with_blobs(entry, &mut shared)).collect()
    }

    /// As [`ImageLayout::images`], but skips images that are missing or cannot be copied if at
    /// least one other remains. Returns a warning for each skipped image.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::images`] if no image remains; [`Error::BlobDamaged`] for any image, even
    /// if others remain.
    pub fn present_images(&self) -> Result<(Vec<Image>, Vec<Warning>)> {
        let (mut images, mut warnings, mut first) = (Vec::new(), Vec::new(), None);
        let mut shared = Shared::default();
        for entry in &self.index()?.manifests {
            match self.with_blobs(entry, &mut shared) {
                Ok(image) => images.push(image),
                Err(error @ (Error::BlobMissing { .. } | Error::Layout { .. })) => {
                    warnings.push(Warning::ImageLeftOut {
                        image: entry.digest.to_string(),
                        reason: error.to_string(),
                    });
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            Some(error) if images.is_empty() => Err(error),
            _ => Ok((images, warnings)),
        }
    }

    /// Returns the image with this name, as in [`ImageLayout::image`], with all blobs and for all
    /// of its platforms. Without a name, the layout must have only one image. Blobs that an index
    /// names and the layout lacks are left out, as in [`ImageLayout::images`].
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::image`], and the other errors as
    /// [`ImageLayout::images`].
    pub fn whole_image(&self, name: Option<&str>) -> Result<Image> {
        self.with_blobs(&self.entry(name)?, &mut Shared::default())
    }

    fn with_blobs(&self, entry: &Descriptor, shared: &mut Shared) -> Result<Image> {
        self.check_known(entry)?;
        let mut found =
            Found { shared, seen: HashSet::new(), blobs: Vec::new(), absent: Vec::new() };
        // The annotations of the entry are already in the descriptor of the image.
        let bare = Descriptor { annotations: Annotations::new(), ..entry.clone() };
        self.collect_blobs(&bare, 0, &mut found)?;
        let mut blobs = found.blobs;
        blobs.shrink_to_fit();
        let image = Image::new(entry.clone(), blobs);
        Ok(match found.absent.is_empty() {
            true => image,
            false => image.warned(Warning::ImagesAbsent {
                layout: self.path().to_owned(),
                index: entry.digest,
                absent: found.absent,
            }),
        })
    }

    fn collect_blobs(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let key = (descriptor.digest, Below::of(&descriptor.media_type));
        if found.seen.contains(&key) {
            return Ok(());
        }
        let children = found.shared.children(self, descriptor, depth)?;
        if descriptor.media_type.is_index() {
            self.collect_entries(&children, depth, found)?;
        } else if let Some(missing) = children.iter().find(|child| depth > 0 && self.lacks(child)) {
            return Err(Error::BlobMissing {
                path: self.path().to_owned(),
                digest: missing.digest,
            });
        } else {
            children.iter().try_for_each(|child| self.collect_blobs(child, depth + 1, found))?;
        }
        found.seen.insert(key);
        found.blobs.push(found.shared.blob(self, descriptor));
        Ok(())
    }

    /// Collects the entries of an index. Some of them may be stored elsewhere, but not all.
    fn collect_entries(
        &self,
        entries: &[Descriptor],
        depth: usize,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let (mut missing, mut any) = (None, entries.is_empty());
        for entry in entries {
            match self.collect_blobs(entry, depth + 1, found) {
                Err(error @ Error::BlobMissing { .. }) => {
                    let platform =
                        entry.platform.as_ref().filter(|platform| !platform.is_unknown());
                    found
                        .absent
                        .push(platform.map_or(entry.digest.to_string(), ToString::to_string));
                    missing.get_or_insert(error);
                }
                result => {
                    result?;
                    any = true;
                }
            }
        }
        match missing {
            Some(missing) if !any => Err(missing),
            _ => Ok(()),
        }
    }

    /// Whether a blob that must be in the layout is missing. A layer with `urls` may be stored
    /// elsewhere, because not everyone may distribute it.
    fn lacks(&self, descriptor: &Descriptor) -> bool {
        let elsewhere = descriptor.media_type.to_oci().as_str().contains("nondistributable")
            || !descriptor.urls.is_empty();
        !elsewhere && !self.files.has_blob(descriptor.digest)
    }

    /// Returns the descriptors in a manifest or an index; nothing for any other blob.
    pub(crate) fn children(
        &self,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<Vec<Descriptor>> {
        if depth > MAX_DEPTH {
            return Err(Error::layout(
                self.path(),
                format!(
                    "has indexes that are nested more than {MAX_DEPTH} deep: make the image again \
                     with fewer levels"
                ),
            ));
        }
        match Below::of(&descriptor.media_type) {
            Below::Entries => {
                let Index { media_type, manifests: entries, extra, .. } = self.read(descriptor)?;
                // Identified by its members, whatever its media type is.
                let is_manifest = ["config", "layers"].iter().any(|member| extra.has(member));
                let own = if is_manifest { Some(MediaType::MANIFEST) } else { media_type };
                self.check_kind(descriptor, own, MediaType::is_index)?;
                entries.iter().try_for_each(|entry| self.check_known(entry))?;
                Ok(entries)
            }
            Below::ConfigAndLayers => {
                let mut manifest: Manifest = self.read(descriptor)?;
                self.check_kind(descriptor, manifest.media_type.take(), MediaType::is_manifest)?;
                Ok(manifest.layers.into_iter().chain([manifest.config]).collect())
            }
            Below::Blobs => {
                let artifact: Value = self.read(descriptor)?;
                let blobs = artifact.get("blobs").filter(|blobs| !blobs.is_null()).cloned();
                serde_json::from_value(blobs.unwrap_or_else(|| Value::Array(Vec::new()))).map_err(
                    |error| {
                        let reason = format!(
                            "has an artifact manifest {} that cannot be read ({error}): make or fetch it \
                             again",
                            descriptor.digest
                        );
                        Error::layout(self.path(), reason)
                    },
                )
            }
            // The blobs of a manifest are copied without interpreting them.
            Below::Nothing | Below::Unknown => Ok(Vec::new()),
        }
    }

    /// Checks that a document has the kind that its descriptor says. Other tools may trust the
    /// document itself, and would then miss blobs that were not kept and copied.
    fn check_kind(
        &self,
        said: &Descriptor,
        own: Option<MediaType>,
        is_it: fn(&MediaType) -> bool,
    ) -> Result<()> {
        match own.filter(|own| !is_it(own) && (own.is_index() || own.is_manifest())) {
            Some(own) => {
                let (digest, said) = (said.digest, &said.media_type);
                let reason = format!(
                    "names {digest} as {said}, but its contents are those of {own}: make the \
                     image again"
                );
                Err(Error::layout(self.path(), reason))
            }
            None => Ok(()),
        }
    }

    /// Checks that the media type of an index entry tells what it refers to.
    pub(crate) fn check_known(&self, entry: &Descriptor) -> Result<()> {
        match Below::of(&entry.media_type) {
            Below::Unknown => {
                let reason = format!(
                    "has an index that names {} of the media type {}: what that refers to is not \
                     known here; copy the other images by their tags, or remove it from the index",
                    entry.digest, entry.media_type
                );
                Err(Error::layout(self.path(), reason))
            }
            _ => Ok(()),
        }
    }
}

/// Shared by the images of one layout, because an index may name one image thousands of times.
#[derive(Default)]
struct Shared {
    blobs: HashMap<Digest, Arc<dyn Blob>>,
    manifests: HashMap<(Digest, u64), Arc<[Descriptor]>>,
}

impl Shared {
    fn blob(&mut self, layout: &ImageLayout, descriptor: &Descriptor) -> Arc<dyn Blob> {
        let blob = self.blobs.entry(descriptor.digest).or_insert_with(|| layout.blob(descriptor));
        if blob.descriptor() != descriptor {
            *blob = layout.blob(descriptor);
        }
        Arc::clone(blob)
    }

    fn children(
        &mut self,
        layout: &ImageLayout,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<Arc<[Descriptor]>> {
        let key = (descriptor.digest, descriptor.size);
        let is_manifest =
            Below::of(&descriptor.media_type) == Below::ConfigAndLayers && depth <= MAX_DEPTH;
        if let Some(children) = self.manifests.get(&key).filter(|_| is_manifest) {
            return Ok(Arc::clone(children));
        }
        let children: Arc<[Descriptor]> = layout.children(descriptor, depth)?.into();
        if is_manifest {
            self.manifests.insert(key, Arc::clone(&children));
        }
        Ok(children)
    }
}

/// The parts of an image while they are collected.
struct Found<'a> {
    shared: &'a mut Shared,
    /// The same bytes may be a layer in one place and a manifest in another.
    seen: HashSet<(Digest, Below)>,
    /// A blob comes before the blobs that refer to it.
    blobs: Vec<Arc<dyn Blob>>,
    /// The platforms, or else the digests, of entries that the layout lacks.
    absent: Vec<String>,
}

/// What a blob refers to, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Below {
    /// An index.
    Entries,
    /// A manifest.
    ConfigAndLayers,
    /// The [artifact
    /// manifest](https://github.com/opencontainers/image-spec/blob/v1.1.0-rc2/artifact.md), which
    /// was withdrawn before version 1.1.
    Blobs,
    /// A layer, a configuration or another blob that is not JSON. BuildKit's cache is an index of
    /// such blobs.
    Nothing,
    /// Another kind of document, which may refer to blobs.
    Unknown,
}

impl Below {
    pub(crate) fn of(media_type: &MediaType) -> Self {
        match media_type {
            media_type if media_type.is_index() => Self::Entries,
            media_type if media_type.is_manifest() => Self::ConfigAndLayers,
            media_type
                if media_type.as_str() == "application/vnd.oci.artifact.manifest.v1+json" =>
            {
                Self::Blobs
            }
            media_type if media_type.is_document() || !media_type.as_str().ends_with("json") => {
                Self::Nothing
            }
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_a_blob_follow_from_its_media_type() {
        for (media_type, below) in [
            ("application/vnd.docker.distribution.manifest.list.v2+json", Below::Entries),
            ("application/vnd.oci.image.manifest.v1+json", Below::ConfigAndLayers),
            ("application/vnd.oci.artifact.manifest.v1+json", Below::Blobs),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Below::Nothing),
            ("application/vnd.buildkit.cacheconfig.v0", Below::Nothing),
            ("application/vnd.docker.container.image.v1+json", Below::Nothing),
            ("text/plain", Below::Nothing),
            ("application/vnd.example.manifest.v9+json", Below::Unknown),
            ("application/json", Below::Unknown),
        ] {
            assert_eq!(Below::of(&MediaType::new(media_type)), below, "{media_type}");
        }
    }
}
