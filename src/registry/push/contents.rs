//! The documents and blobs of an image.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::{
        chunks,
        traits::{Blob, MemoryBlob},
    },
    document::{
        descriptor::{Annotations, Descriptor},
        layout_paths::MAX_DEPTH,
    },
    image::{existing, graph::Image},
    registry::{reference::Reference, referrer::Referrer},
};

/// The annotation with the name of the base image: [pre-defined annotation
/// keys](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys).
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// An image whose documents have been read.
pub(crate) struct Contents {
    /// Each document follows those that it refers to. The root is the last one.
    pub(crate) documents: Vec<Document>,
    blobs: HashMap<Digest, Arc<dyn Blob>>,
}

/// A manifest or an index.
pub(crate) struct Document {
    /// The bytes, with the media type that the document declares.
    pub(crate) bytes: MemoryBlob,
    /// The manifests and indexes that it refers to.
    pub(crate) below: Vec<Digest>,
    /// The blobs that it refers to.
    pub(crate) blobs: Vec<Descriptor>,
    pub(crate) referrer: Option<Referrer>,
    base: Option<Reference>,
}

impl Document {
    pub(crate) fn digest(&self) -> Digest {
        self.bytes.descriptor().digest
    }
}

impl Contents {
    pub(crate) fn read(image: &Image) -> Result<Self> {
        let blobs =
            image.blobs().iter().map(|blob| (blob.descriptor().digest, Arc::clone(blob))).collect();
        let mut contents = Self { documents: Vec::new(), blobs };
        contents.add(image.digest(), 0, &mut HashSet::new())?;
        Ok(contents)
    }

    /// The root of the image.
    pub(crate) fn root(&self) -> &Document {
        self.documents.last().expect("an image has a document")
    }

    pub(crate) fn blob(&self, digest: Digest) -> Result<&Arc<dyn Blob>> {
        let lacking = || {
            Error::invalid(
                "image",
                format!(
                    "blob {digest} is missing, which a manifest refers to: create the image again"
                ),
            )
        };
        self.blobs.get(&digest).ok_or_else(lacking)
    }

    /// The base images that the annotations name.
    pub(crate) fn bases(&self) -> impl Iterator<Item = &Reference> {
        self.documents.iter().filter_map(|document| document.base.as_ref())
    }

    fn add(&mut self, digest: Digest, depth: usize, seen: &mut HashSet<Digest>) -> Result<()> {
        if !seen.insert(digest) {
            return Ok(());
        }
        let refuse =
            |reason: String| Err(Error::invalid(format!("image manifest {digest}"), reason));
        if depth > MAX_DEPTH {
            return refuse(format!(
                "indexes are nested more than {MAX_DEPTH} deep: make the image again with fewer \
                 levels"
            ));
        }
        let bytes = chunks::read_document(self.blob(digest)?)?;
        let (media_type, document) = match existing::Document::parse(&bytes) {
            Ok(parsed) => parsed,
            Err(reason) => return refuse(reason),
        };
        let bytes = MemoryBlob::new(media_type, bytes);
        let referrer = Referrer::of(&document, bytes.descriptor());
        let (below, blobs, annotations) = match document {
            existing::Document::Manifest(manifest) => {
                let blobs = manifest.layers.into_iter().chain([manifest.config]).collect();
                (Vec::new(), blobs, manifest.annotations)
            }
            existing::Document::Index(index) => {
                if let Some(other) =
                    index.manifests.iter().find(|entry| !entry.media_type.names_others())
                {
                    return refuse(format!(
                        "the index refers to {} with the media type {}, which is not a manifest, \
                         and registries refuse such an index: push a single image by its tag or \
                         digest",
                        other.digest, other.media_type
                    ));
                }
                let below: Vec<Digest> = index.manifests.iter().map(|entry| entry.digest).collect();
                for digest in &below {
                    self.add(*digest, depth + 1, seen)?;
                }
                (below, Vec::new(), index.annotations)
            }
        };
        let base = base(&annotations);
        self.documents.push(Document { bytes, below, blobs, referrer, base });
        Ok(())
    }
}

/// An invalid name is ignored, because the push does not depend on it.
fn base(annotations: &Annotations) -> Option<Reference> {
    annotations.get(BASE_NAME)?.parse().ok()
}
