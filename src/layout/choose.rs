//! Selects one image of a layout by its name, digest or platform, or because it is the only one.

use std::collections::HashSet;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    document::{
        descriptor::{Descriptor, Platform},
        layout_paths::MAX_DEPTH,
        manifest::{Index, Manifest},
        name::{CONTAINERD_NAME, ImageName, REF_NAME},
    },
    image::platform_image::PlatformImage,
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
        let mut found = Found::default();
        for entry in &entries {
            match self.collect(entry, 0, &may_be, &mut found) {
                // Another entry may be the requested one.
                Err(error @ (Error::BlobMissing { .. } | Error::Layout { .. }))
                    if entries.len() > 1 =>
                {
                    found.missing.get_or_insert(error);
                }
                result => result?,
            }
        }
        let Found { mut images, missing, .. } = found;
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
        if let Some(missing) = missing {
            return Err(missing);
        }
        if platform.is_none() && entries.len() > 1 {
            return Err(self.ambiguous(None)?);
        }
        let mut found = Found::default();
        for entry in &entries {
            self.collect(entry, 0, &|_| true, &mut found)?;
        }
        let platforms = found.images.iter().map(|image| image.configuration().platform());
        Err(Error::PlatformNotFound {
            of: format!("{:?}", self.path()),
            platform: platform.unwrap_or(&default).to_string(),
            available: platforms.map(|platform| platform.to_string()).collect(),
        })
    }

    /// Returns the entry with this name, or the only one.
    pub(crate) fn entry(&self, name: Option<&str>) -> Result<Descriptor> {
        let mut entries = self.entries(name)?;
        match entries.len() {
            1 => Ok(entries.remove(0)),
            _ => Err(self.ambiguous(name)?),
        }
    }

    /// Returns all candidates, each manifest or index once. Without a name, these are all entries.
    fn entries(&self, name: Option<&str>) -> Result<Vec<Descriptor>> {
        let selector = name.map(Selector::parse).transpose()?.unwrap_or_default();
        let mut seen = HashSet::new();
        let named = self.index()?.manifests.iter().filter(|entry| selector.names(entry));
        let named: Vec<&Descriptor> = named.filter(|entry| seen.insert(entry.digest)).collect();
        let entries: Vec<Descriptor> = match selector.digest {
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

    /// Collects the images below a descriptor, each once. Skips artifacts and attestations, and
    /// entries that `may_be` rejects.
    fn collect(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        may_be: &dyn Fn(&Descriptor) -> bool,
        found: &mut Found,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::layout(
                self.path(),
                format!("has indexes more than {MAX_DEPTH} deep"),
            ));
        }
        if !may_be(descriptor) || !found.seen.insert(descriptor.digest) {
            return Ok(());
        }
        if descriptor.media_type.is_index() {
            for entry in &self.read::<Index>(descriptor)?.manifests {
                match self.collect(entry, depth + 1, may_be, found) {
                    // An index may name blobs that are stored elsewhere:
                    // https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#blobs
                    Err(error @ Error::BlobMissing { .. }) => {
                        found.missing.get_or_insert(error);
                    }
                    result => result?,
                }
            }
        } else if descriptor.media_type.is_manifest() {
            let manifest: Manifest = self.read(descriptor)?;
            if manifest.is_of_container() {
                let image = self.platform_image(descriptor, manifest)?;
                if !image.configuration().platform().is_unknown() {
                    found.images.push(image);
                }
            }
        }
        Ok(())
    }
}

/// Images while they are collected.
#[derive(Default)]
struct Found {
    seen: HashSet<Digest>,
    images: Vec<PlatformImage>,
    /// The error of the first candidate that an index names and the layout lacks.
    missing: Option<Error>,
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
