//! The images of containers below an index, at any depth, and the choice of one platform.

use std::{collections::HashSet, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    basics::{Digest, Error, Result, json},
    blob::{Blob, chunks},
    document::{Configuration, Descriptor, Index, MAX_DEPTH, Manifest, Platform},
    image::graph::Image,
};

/// Documents that name each other: those of an image, or of a layout.
pub(crate) trait Graph {
    /// Reads a document, and verifies it against its descriptor.
    fn read<T: DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T>;

    /// An error about the whole; the reason is a sentence without its subject.
    fn refuse(&self, reason: impl Into<String>) -> Error;

    /// Whether an entry of an index is here. An index may name images that are stored elsewhere:
    /// <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#blobs>
    fn holds(&self, _entry: &Descriptor) -> bool {
        true
    }
}

/// Walks through indexes to the manifests of containers, each once. Skips artifacts, and entries
/// that `may_be` rejects.
pub(crate) struct Containers<'a, G> {
    graph: &'a G,
    may_be: &'a dyn Fn(&Descriptor) -> bool,
    seen: HashSet<Digest>,
    /// The error of the first candidate that an index names and the graph lacks.
    pub(crate) missing: Option<Error>,
}

impl<'a, G: Graph> Containers<'a, G> {
    pub(crate) fn new(graph: &'a G, may_be: &'a dyn Fn(&Descriptor) -> bool) -> Self {
        Self { graph, may_be, seen: HashSet::new(), missing: None }
    }

    /// Calls the function with each manifest at or below this descriptor.
    pub(crate) fn visit(
        &mut self,
        descriptor: &Descriptor,
        found: &mut dyn FnMut(&Descriptor, Manifest) -> Result<()>,
    ) -> Result<()> {
        self.visit_at(descriptor, 0, found)
    }

    fn visit_at(
        &mut self,
        descriptor: &Descriptor,
        depth: usize,
        found: &mut dyn FnMut(&Descriptor, Manifest) -> Result<()>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.graph.refuse(format!(
                "has indexes that are nested more than {MAX_DEPTH} deep: make the image again with \
                 fewer levels"
            )));
        }
        if !(self.may_be)(descriptor) || !self.seen.insert(descriptor.digest) {
            return Ok(());
        }
        if descriptor.media_type.is_index() {
            let index: Index = self.graph.read(descriptor)?;
            for entry in index.manifests.iter().filter(|entry| self.graph.holds(entry)) {
                match self.visit_at(entry, depth + 1, found) {
                    Err(error @ Error::BlobMissing { .. }) => {
                        self.missing.get_or_insert(error);
                    }
                    result => result?,
                }
            }
        } else if descriptor.media_type.is_manifest() {
            let manifest: Manifest = self.graph.read(descriptor)?;
            if manifest.is_of_container() {
                found(descriptor, manifest)?;
            }
        }
        Ok(())
    }
}

/// An image of a container for one platform.
pub(crate) struct Container {
    pub(crate) descriptor: Descriptor,
    pub(crate) manifest: Manifest,
    pub(crate) platform: Platform,
}

impl Container {
    /// Returns the images of containers in an image; an artifact has none.
    pub(crate) fn all(image: &Image) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        Containers::new(image, &|_| true).visit(
            image.descriptor(),
            &mut |descriptor, manifest| {
                let platform = match &descriptor.platform {
                    Some(platform) => platform.clone(),
                    // A later read of the configuration reports that it is not that of a container.
                    None => match image.read::<Configuration>(&manifest.config) {
                        Ok(configuration) => configuration.platform(),
                        Err(Error::Invalid { .. }) => Platform::default(),
                        Err(error) => return Err(error),
                    },
                };
                // An attestation of BuildKit, which cannot be run.
                if !platform.is_unknown() {
                    all.push(Self { descriptor: descriptor.clone(), manifest, platform });
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// Returns the one for this platform, the only one, or the one for linux/amd64; `None` if the
    /// image has none.
    ///
    /// # Errors
    ///
    /// [`Error::PlatformNotFound`] if none is for the platform.
    pub(crate) fn choose(image: &Image, platform: Option<&Platform>) -> Result<Option<Self>> {
        let mut all = Self::all(image)?;
        if all.is_empty() || (platform.is_none() && all.len() == 1) {
            return Ok(all.pop());
        }
        let wanted = platform.cloned().unwrap_or_default();
        match all.iter().position(|container| wanted.accepts(&container.platform)) {
            Some(at) => Ok(Some(all.swap_remove(at))),
            None => {
                let of = format!("image {}", image.digest());
                Err(no_platform(of, &wanted, all.iter().map(|it| &it.platform)))
            }
        }
    }
}

/// The error if no image is for a platform, with the available platforms.
pub(crate) fn no_platform<'a>(
    of: String,
    wanted: &Platform,
    has: impl Iterator<Item = &'a Platform>,
) -> Error {
    let available = has.map(Platform::to_string).collect();
    Error::PlatformNotFound { of, platform: wanted.to_string(), available }
}

impl Graph for Image {
    fn read<T: DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T> {
        let bytes = chunks::read_document(self.blob(descriptor)?.as_ref())?;
        json::from_slice(&bytes).map_err(|error| {
            Error::invalid(format!("{} {}", descriptor.media_type, descriptor.digest), error)
        })
    }

    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::invalid(format!("image {}", self.digest()), format!("it {}", reason.into()))
    }

    fn holds(&self, entry: &Descriptor) -> bool {
        self.blob(entry).is_ok()
    }
}

impl Image {
    /// Reads a document of the image, byte for byte: a manifest, an index or a configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the image has no such blob or if it is too large for a document,
    /// [`Error::BlobDamaged`] if its bytes do not match the digest, and read errors.
    pub fn document(&self, digest: Digest) -> Result<Vec<u8>> {
        chunks::read_document(self.find(digest)?.as_ref())
    }

    /// The blob that this descriptor names.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<&Arc<dyn Blob>> {
        self.find(descriptor.digest)
    }

    fn find(&self, digest: Digest) -> Result<&Arc<dyn Blob>> {
        let found = self.blobs.iter().find(|blob| blob.descriptor().digest == digest);
        found.ok_or_else(|| self.refuse(format!("lacks the blob {digest}: fetch it whole")))
    }
}
