//! What an image consists of.

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
    registry::reference::Reference,
};

/// The base image's name: [pre-defined annotation
/// keys](https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys).
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// All of an image: its documents have been read, and nothing else.
pub(crate) struct Contents {
    /// Each behind those that it names; the image's own is the last.
    pub(crate) documents: Vec<Document>,
    blobs: HashMap<Digest, Arc<dyn Blob>>,
}

/// A manifest or an index.
pub(crate) struct Document {
    /// With the media type that it says itself.
    pub(crate) bytes: MemoryBlob,
    /// The manifests and indexes that it names.
    pub(crate) below: Vec<Digest>,
    /// The blobs that it names.
    pub(crate) blobs: Vec<Descriptor>,
    pub(crate) referrer: Option<Referrer>,
    base: Option<Reference>,
}

/// What says something of another manifest.
pub(crate) struct Referrer {
    /// The other one.
    pub(crate) subject: Digest,
    /// What a list of all that say something of that one has of this.
    pub(crate) entry: Descriptor,
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

    /// The image's own document.
    pub(crate) fn root(&self) -> &Document {
        self.documents.last().expect("an image has a document")
    }

    pub(crate) fn blob(&self, digest: Digest) -> Result<&Arc<dyn Blob>> {
        let lacking = || {
            Error::invalid(
                "image",
                format!("it names blob {digest} and does not have it: make it again"),
            )
        };
        self.blobs.get(&digest).ok_or_else(lacking)
    }

    /// The images that it was made on, as far as it says so.
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
            return refuse(format!("it is in indexes more than {MAX_DEPTH} deep"));
        }
        let bytes = chunks::read_document(self.blob(digest)?)?;
        let (media_type, document) = match existing::Document::parse(&bytes) {
            Ok(parsed) => parsed,
            Err(reason) => return refuse(reason),
        };
        let bytes = MemoryBlob::new(media_type, bytes);
        let document = match document {
            existing::Document::Manifest(manifest) => {
                let kind = manifest.artifact_type.filter(|kind| !kind.is_empty());
                let kind = kind.unwrap_or_else(|| manifest.config.media_type.to_string());
                let referrer =
                    referrer(&bytes, manifest.subject, Some(kind), &manifest.annotations);
                let blobs = manifest.layers.into_iter().chain([manifest.config]).collect();
                Document {
                    below: Vec::new(),
                    blobs,
                    referrer,
                    base: base(&manifest.annotations),
                    bytes,
                }
            }
            existing::Document::Index(index) => {
                if let Some(other) =
                    index.manifests.iter().find(|entry| !entry.media_type.names_others())
                {
                    return refuse(format!(
                        "its index names {} of the media type {}, which is no manifest, and \
                         registries refuse such an index: push an image of its own, by its tag or \
                         digest",
                        other.digest, other.media_type
                    ));
                }
                let below: Vec<Digest> = index.manifests.iter().map(|entry| entry.digest).collect();
                for digest in &below {
                    self.add(*digest, depth + 1, seen)?;
                }
                let kind = index.artifact_type.filter(|kind| !kind.is_empty());
                let referrer = referrer(&bytes, index.subject, kind, &index.annotations);
                Document {
                    below,
                    blobs: Vec::new(),
                    referrer,
                    base: base(&index.annotations),
                    bytes,
                }
            }
        };
        self.documents.push(document);
        Ok(())
    }
}

/// See [`super::referrers`].
fn referrer(
    bytes: &MemoryBlob,
    subject: Option<Descriptor>,
    kind: Option<String>,
    annotations: &Annotations,
) -> Option<Referrer> {
    let mut entry = bytes.descriptor().clone();
    entry.artifact_type = kind;
    entry.annotations = annotations.clone();
    Some(Referrer { subject: subject?.digest, entry })
}

/// A name that is none is of no use here, and no reason to send nothing.
fn base(annotations: &Annotations) -> Option<Reference> {
    annotations.get(BASE_NAME)?.parse().ok()
}
