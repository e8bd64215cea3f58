//! Pulling: images, manifests and blobs.

use std::{collections::HashSet, sync::Arc};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        registry_error::RegistryErrorKind,
    },
    blob::traits::{Blob, MemoryBlob},
    document::{
        descriptor::{Descriptor, Platform},
        layout_paths::MAX_DEPTH,
        manifest::{Index, Manifest},
    },
    image::{existing::Document, graph::Image},
    registry::{blob::RemoteBlob, client::Client, reference::Reference, session::Session, tags},
};

impl Client {
    /// Pulls an image. If it is a multi-platform image, this selects the image for `platform`, or
    /// everything if `platform` is `None`. The manifests are read now, and all other blobs when
    /// their bytes are needed.
    ///
    /// The descriptor of the image in a layout then depends only on the digest of the image,
    /// however it was found.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`] if the registry cannot be reached, denies access, does not have the
    /// image, or sends an invalid response. [`Error::PlatformNotFound`] if it has no image for this
    /// platform. [`Error::Invalid`] and [`Error::Read`] for credentials. If a blob cannot be
    /// downloaded, reading it fails.
    pub fn image(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Image> {
        let session = Arc::new(Session::open(self, reference)?);
        let image =
            Puller { session: Arc::clone(&session), seen: HashSet::new() }.image(platform)?;
        session.counter.expect(image.blobs().iter().map(|blob| blob.descriptor().size).sum());
        Ok(image)
    }

    /// Pulls a manifest, byte for byte as the registry has it. For a multi-platform image, this is
    /// the manifest for `platform`, or the index if `platform` is `None`.
    ///
    /// # Errors
    ///
    /// The errors of [`Client::image`].
    pub fn manifest(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<MemoryBlob> {
        let session = Arc::new(Session::open(self, reference)?);
        Puller { session, seen: HashSet::new() }.found(platform).map(|found| found.bytes)
    }

    /// A blob of this repository, which is downloaded when it is read. The tag and the digest of
    /// the reference are ignored.
    ///
    /// # Errors
    ///
    /// The errors of [`Client::image`].
    pub fn blob(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Arc<dyn Blob>> {
        let session = Arc::new(Session::open(self, reference)?);
        session.counter.expect(descriptor.size);
        Ok(Arc::new(RemoteBlob::new(&session, descriptor)))
    }
}

struct Puller {
    session: Arc<Session>,
    /// The manifests and indexes that were read, so that each one is read once.
    seen: HashSet<Digest>,
}

/// A manifest or an index, and its bytes.
struct Found {
    bytes: MemoryBlob,
    document: Document,
}

impl Puller {
    fn image(&mut self, platform: Option<&Platform>) -> Result<Image> {
        let Found { bytes, document } = self.found(platform)?;
        match document {
            Document::Manifest(manifest) => self.image_of(bytes, manifest),
            Document::Index(index) => {
                let mut descriptor = bytes.descriptor().clone();
                descriptor.artifact_type.clone_from(&index.artifact_type);
                let mut blobs = Vec::new();
                self.collect(bytes, &index, 0, &mut blobs)?;
                Ok(Image::new(descriptor, blobs))
            }
        }
    }

    /// The manifest or index that the reference names, for this platform if one is given.
    fn found(&mut self, platform: Option<&Platform>) -> Result<Found> {
        let found = self.read(self.session.reference.digest);
        let found = found.map_err(|error| tags::explain(&self.session, error))?;
        let Some(platform) = platform else { return Ok(found) };
        match &found.document {
            Document::Index(index) => {
                let mut others = Vec::new();
                match self.choose(index, platform, 0, &mut others)? {
                    Some(chosen) => Ok(chosen),
                    None => Err(self.wrong_platform(platform, &others)),
                }
            }
            Document::Manifest(manifest) => match self.platform(&found.bytes, manifest)? {
                Some(other) if !platform.accepts(&other) => {
                    Err(self.wrong_platform(platform, &[other]))
                }
                _ => Ok(found),
            },
        }
    }

    /// The first manifest in the index for this platform. Adds the platforms of the others to
    /// `others`.
    fn choose(
        &mut self,
        index: &Index,
        platform: &Platform,
        depth: usize,
        others: &mut Vec<Platform>,
    ) -> Result<Option<Found>> {
        for entry in &index.manifests {
            match &entry.platform {
                Some(other) if !platform.accepts(other) => {
                    others.push(other.clone());
                    continue;
                }
                _ if !entry.media_type.names_others() => continue,
                _ => {}
            }
            let found = self.read_entry(entry, depth)?;
            let chosen = match &found.document {
                Document::Index(index) => self.choose(index, platform, depth + 1, others)?,
                Document::Manifest(_) if entry.platform.is_some() => Some(found),
                Document::Manifest(manifest) => match self.platform(&found.bytes, manifest)? {
                    Some(other) if platform.accepts(&other) => Some(found),
                    other => {
                        others.extend(other);
                        None
                    }
                },
            };
            if chosen.is_some() {
                return Ok(chosen);
            }
        }
        Ok(None)
    }

    fn wrong_platform(&self, platform: &Platform, others: &[Platform]) -> Error {
        let others = others.iter().filter(|other| !other.is_unknown());
        let mut available: Vec<_> = others.map(Platform::to_string).collect();
        available.dedup();
        Error::PlatformNotFound {
            of: self.session.reference.to_string(),
            platform: platform.to_string(),
            available,
        }
    }

    fn invalid(&self, reason: String) -> Error {
        self.session.refuse(RegistryErrorKind::InvalidResponse, reason)
    }

    /// The platform of a container image.
    fn platform(&self, bytes: &MemoryBlob, manifest: &Manifest) -> Result<Option<Platform>> {
        Ok(self.image_of(bytes.clone(), manifest.clone())?.platform().cloned())
    }

    fn image_of(&self, bytes: MemoryBlob, manifest: Manifest) -> Result<Image> {
        let blob = |descriptor: &Descriptor| Ok(self.blob(descriptor));
        Image::of_manifest(bytes, manifest, blob).map_err(|error| match error {
            Error::Invalid { what, reason } => {
                self.invalid(format!("the {what} of the image is invalid: {reason}"))
            }
            error => error,
        })
    }

    fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Blob> {
        Arc::new(RemoteBlob::new(&self.session, descriptor))
    }

    /// Collects every blob below an index, and the index itself. Each one follows those that it
    /// refers to.
    fn collect(
        &mut self,
        bytes: MemoryBlob,
        index: &Index,
        depth: usize,
        blobs: &mut Vec<Arc<dyn Blob>>,
    ) -> Result<()> {
        for entry in &index.manifests {
            if !entry.media_type.names_others() {
                let Descriptor { digest, media_type, .. } = entry;
                return Err(self.invalid(format!(
                    "the index refers to {digest} with the media type {media_type}, which is not \
                     supported: choose the image for one platform"
                )));
            }
            if !self.seen.insert(entry.digest) {
                continue;
            }
            let Found { bytes, document } = self.read_entry(entry, depth)?;
            match document {
                Document::Index(index) => self.collect(bytes, &index, depth + 1, blobs)?,
                Document::Manifest(manifest) => {
                    blobs.extend(
                        manifest
                            .layers
                            .iter()
                            .chain([&manifest.config])
                            .map(|named| self.blob(named)),
                    );
                    blobs.push(Arc::new(bytes));
                }
            }
        }
        blobs.push(Arc::new(bytes));
        Ok(())
    }

    /// Reads a manifest or index that an index at this depth refers to.
    fn read_entry(&self, entry: &Descriptor, depth: usize) -> Result<Found> {
        if depth >= MAX_DEPTH {
            let reason = format!("indexes are nested more than {MAX_DEPTH} deep");
            return Err(self.invalid(reason));
        }
        let found = self.read(Some(entry.digest))?;
        let descriptor = found.bytes.descriptor();
        if descriptor.size != entry.size
            || descriptor.media_type.is_index() != entry.media_type.is_index()
        {
            return Err(self.invalid(format!(
                "the index describes {} as {} with {} bytes, but it is {} with {}: push the whole \
                 image again",
                entry.digest, entry.media_type, entry.size, descriptor.media_type, descriptor.size
            )));
        }
        Ok(found)
    }

    fn read(&self, digest: Option<Digest>) -> Result<Found> {
        let bytes = self.session.manifest(digest)?;
        match Document::parse(&bytes) {
            Ok((media_type, document)) => {
                Ok(Found { bytes: MemoryBlob::new(media_type, bytes), document })
            }
            Err(reason) => {
                let digest = Digest::of(&bytes);
                Err(self.invalid(format!("manifest {digest} is invalid: {reason}")))
            }
        }
    }
}
