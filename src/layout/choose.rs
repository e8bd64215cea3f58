//! Selects one image of a layout by its name, digest or platform, or because it is the only one.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use crate::{
    basics::{Digest, Error, Result},
    document::{
        CONTAINERD_NAME, Configuration, Descriptor, ImageName, Index, MAX_DEPTH, Manifest,
        Platform, REF_NAME,
    },
    image::{
        PlatformImage,
        containers::{Containers, Graph, no_platform},
    },
    layout::read::ImageLayout,
};

impl ImageLayout {
    /// Returns the image with this name for this platform. Its configuration and manifest are
    /// checked against their digests.
    ///
    /// A name is a tag, a full name, a digest (`sha256:…`), or a name and a digest
    /// (`1.0@sha256:…`). A digest may be that of any manifest or index in the layout. Without a
    /// name, the layout must have only one image, or only one for the platform. Without a platform,
    /// the image must be for a single platform or have a linux/amd64 variant. Indexes are followed
    /// at any depth. An entry of an index whose blob is not in the layout is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::ImageNotFound`], [`Error::ImageAmbiguous`] or [`Error::PlatformNotFound`] if no
    /// image matches or several do. [`Error::BlobMissing`], [`Error::BlobDamaged`] and
    /// [`Error::Layout`] for the documents of the image.
    pub fn image(&self, name: Option<&str>, platform: Option<&Platform>) -> Result<PlatformImage> {
        let entries = self.entries(name)?;
        let default = Platform::default();
        let wanted = |has: &Platform| platform.unwrap_or(&default).accepts(has);
        // Images for other platforms may be damaged or missing: they were not requested.
        let may_be =
            |entry: &Descriptor| platform.is_none() || entry.platform.as_ref().is_none_or(wanted);
        let mut images = Vec::new();
        let mut containers = Containers::new(self, &may_be);
        for entry in &entries {
            match containers
                .visit(entry, &mut |image, manifest| self.add(image, manifest, &mut images))
            {
                // Another entry may be the requested one.
                Err(error @ (Error::BlobMissing { .. } | Error::Layout { .. }))
                    if entries.len() > 1 =>
                {
                    containers.missing.get_or_insert(error);
                }
                result => result?,
            }
        }
        if platform.is_none() && images.len() == 1 {
            return Ok(images.remove(0));
        }
        let fit: Vec<usize> = (0..images.len())
            .filter(|&at| wanted(&images[at].configuration().platform()))
            .collect();
        match (&fit[..], &entries[..]) {
            // From one image for several platforms, the first match is selected.
            (&[first, ..], [_]) => return Ok(images.swap_remove(first)),
            (&[only], _) if platform.is_some() => return Ok(images.swap_remove(only)),
            ([], _) => {}
            _ => return Err(self.ambiguous(None)?),
        }
        if let Some(missing) = containers.missing {
            return Err(missing);
        }
        if platform.is_none() && entries.len() > 1 {
            return Err(self.ambiguous(None)?);
        }
        images.clear();
        let mut all = Containers::new(self, &|_| true);
        for entry in &entries {
            all.visit(entry, &mut |image, manifest| self.add(image, manifest, &mut images))?;
        }
        let has: Vec<_> = images.iter().map(|image| image.configuration().platform()).collect();
        let of = format!("{:?}", self.path());
        Err(no_platform(of, platform.unwrap_or(&default), has.iter()))
    }

    /// Adds the image of this manifest, unless it is for no platform, as an attestation is.
    fn add(
        &self,
        descriptor: &Descriptor,
        manifest: Manifest,
        images: &mut Vec<PlatformImage>,
    ) -> Result<()> {
        let configuration: Configuration = self.read(&manifest.config)?;
        let blob = |descriptor: &Descriptor| Ok(self.blob(descriptor));
        let image = PlatformImage::new(descriptor.clone(), manifest, configuration, blob);
        let image = image.map_err(|error| match error {
            Error::Invalid { what, reason } => self.refuse(format!("has an {what}: {reason}")),
            other => other,
        })?;
        if !image.configuration().platform().is_unknown() {
            images.push(image);
        }
        Ok(())
    }

    /// Returns the entry with this name, or the only one.
    pub(crate) fn entry(&self, name: Option<&str>) -> Result<Descriptor> {
        let mut entries = self.entries(name)?;
        match entries.len() {
            1 => Ok(entries.remove(0)),
            _ => Err(self.ambiguous(name)?),
        }
    }

    /// Returns all candidates, each manifest or index once. Without a name, these are all entries
    /// but those that refer to another manifest: an artifact is attached to an image, and is not
    /// meant by a layout that has only one image.
    fn entries(&self, name: Option<&str>) -> Result<Vec<Descriptor>> {
        let selector = name.map(Selector::parse).transpose()?.unwrap_or_default();
        let mut seen = HashSet::new();
        let named = self.index()?.manifests.iter().filter(|entry| selector.names(entry));
        let named: Vec<&Descriptor> = named.filter(|entry| seen.insert(entry.digest)).collect();
        let entries: Vec<Descriptor> = match selector.digest {
            None if name.is_none() && named.len() > 1 => {
                named.into_iter().filter(|entry| !self.is_attached(entry)).cloned().collect()
            }
            None => named.into_iter().cloned().collect(),
            Some(digest) => match named.iter().find(|entry| entry.digest == digest) {
                Some(entry) => vec![(*entry).clone()],
                None => named
                    .iter()
                    .find_map(|entry| self.below(entry, digest, 0))
                    .into_iter()
                    .collect(),
            },
        };
        match (name, entries.len()) {
            (name, 0) => Err(Error::ImageNotFound {
                path: self.path().to_owned(),
                name: name.map(str::to_owned),
                available: self.image_names()?,
            }),
            (Some(_), 2..) => Err(self.ambiguous(name)?),
            _ => Ok(entries),
        }
    }

    /// Whether the entry has a `subject`. The one of a manifest that cannot be read is unknown.
    fn is_attached(&self, entry: &Descriptor) -> bool {
        entry.media_type.is_manifest()
            && self.read(entry).is_ok_and(|manifest: Manifest| manifest.subject.is_some())
    }

    /// Returns the manifest or index with this digest below another index. Missing indexes are
    /// skipped.
    fn below(&self, entry: &Descriptor, digest: Digest, depth: usize) -> Option<Descriptor> {
        if depth > MAX_DEPTH || !entry.media_type.is_index() {
            return None;
        }
        let index: Index = self.read(entry).ok()?;
        let named = index
            .manifests
            .iter()
            .find(|entry| entry.digest == digest && entry.media_type.names_others());
        named.cloned().or_else(|| {
            index.manifests.iter().find_map(|entry| self.below(entry, digest, depth + 1))
        })
    }

    fn ambiguous(&self, name: Option<&str>) -> Result<Error> {
        Ok(Error::ImageAmbiguous {
            path: self.path().to_owned(),
            name: name.map(str::to_owned),
            available: self.image_names()?,
        })
    }

    /// Returns the tags of the images; of an image without a tag, the digest and the platform.
    fn image_names(&self) -> Result<Vec<String>> {
        let name = |entry: &Descriptor| match entry.annotations.get(REF_NAME) {
            Some(tag) => tag.clone(),
            None => {
                let platform = entry.platform.as_ref().map(|platform| format!(" for {platform}"));
                entry.digest.to_string() + &platform.unwrap_or_default()
            }
        };
        Ok(self.index()?.manifests.iter().map(name).collect())
    }
}

impl Graph for ImageLayout {
    fn read<T: DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T> {
        Self::read(self, descriptor)
    }

    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::layout(self.path(), reason)
    }
}

/// Selects one image of a layout. The default selects any.
#[derive(Debug, Default)]
struct Selector<'a> {
    name: Option<&'a str>,
    /// The full form of a short name.
    full: Option<String>,
    digest: Option<Digest>,
}

impl<'a> Selector<'a> {
    /// Parses a tag, a full name, a digest, or one of the first two with a digest.
    fn parse(text: &'a str) -> Result<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None if text.starts_with("sha256:") || text.starts_with("sha512:") => ("", Some(text)),
            None => (text, None),
        };
        let digest = digest.map(str::parse).transpose()?;
        let full = name.parse::<ImageName>().ok().and_then(|name| name.full);
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), full, digest })
    }

    /// Whether the entry has the name, whatever its digest.
    fn names(&self, entry: &Descriptor) -> bool {
        let Some(name) = self.name else { return true };
        let is =
            |key: &str, name: &str| entry.annotations.get(key).is_some_and(|value| value == name);
        is(REF_NAME, name)
            || is(CONTAINERD_NAME, name)
            || self.full.as_ref().is_some_and(|full| is(CONTAINERD_NAME, full))
    }
}

/// Whether this name, in the syntax of [`ImageLayout::image`], selects an entry of an index.
pub(crate) fn is_named(entry: &Descriptor, name: &str) -> Result<bool> {
    let selector = Selector::parse(name)?;
    Ok(selector.names(entry) && selector.digest.is_none_or(|digest| digest == entry.digest))
}
