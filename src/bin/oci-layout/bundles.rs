//! The signed bundles that are attached to an image, and the files with keys.

use std::{fs, io::Read, path::Path, sync::Arc};

use oci_layout::{
    Blob, Digest, Error, Image, ImageLayout, Result,
    document::{Descriptor, Manifest, MediaType},
};

use crate::{attached::Place, errors, input::read_input};

/// The largest bundle. It is in memory.
pub(crate) const MAX_BUNDLE: u64 = 32 << 20;

/// How many artifacts are read, and how many bytes of their bundles. A registry could invent them
/// without end.
const MAX_ARTIFACTS: usize = 1000;
const MAX_BYTES: u64 = 256 << 20;

/// The largest manifest.
const MAX_MANIFEST: u64 = 4 << 20;

/// The beginning of the media types of bundles, of all versions.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// The annotation with the type of a bundle's predicate. It is not signed, and only saves reading
/// bundles of other types.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// A bundle, or why it cannot be read.
pub(crate) type Found = Result<Vec<u8>, String>;

/// Visits the bundles that are attached to the manifest with this digest, one at a time, with the
/// digests of their artifacts. Leaves out bundles that say that they have another type of predicate.
pub(crate) fn each_bundle(
    place: &Place<'_>,
    subject: Digest,
    predicate_type: &str,
    mut visit: impl FnMut(Digest, Found),
) -> Result<()> {
    let too_many = || {
        let reason = format!(
            "more than {MAX_ARTIFACTS} artifacts that may be signatures are attached to it, or \
             {MAX_BYTES} bytes of them: detach some"
        );
        errors::invalid(format!("image {subject}"), reason)
    };
    let listed = listed(place, subject)?;
    let saved = match place {
        Place::Layout(layout) => saved_by_cosign(layout, subject, &listed)?,
        #[cfg(feature = "registry")]
        Place::Registry(..) => Vec::new(),
    };
    if listed.len() + saved.len() > MAX_ARTIFACTS {
        return Err(too_many());
    }
    let listed = listed.into_iter().map(|digest| (digest, place.image(digest)));
    let mut bytes = 0;
    for (digest, image) in listed.chain(saved.into_iter().map(|image| (image.digest(), Ok(image))))
    {
        let blobs = match image.and_then(|image| bundles(&image, predicate_type)) {
            Ok(blobs) => blobs,
            Err(error) => {
                visit(digest, Err(of_artifact(error)?));
                continue;
            }
        };
        for blob in blobs {
            let size = blob.descriptor().size;
            if size > MAX_BUNDLE {
                visit(digest, Err(format!("has {size} bytes, more than {MAX_BUNDLE}")));
                continue;
            }
            bytes += size;
            if bytes > MAX_BYTES {
                return Err(too_many());
            }
            match read(&*blob) {
                Ok(bundle) => visit(digest, Ok(bundle)),
                Err(error) => visit(digest, Err(of_artifact(error)?)),
            }
        }
    }
    Ok(())
}

/// The artifacts that may have bundles.
fn listed(place: &Place<'_>, subject: Digest) -> Result<Vec<Digest>> {
    // The lists of cosign for registries without the API for referrers have the type of the
    // configuration instead of the artifact type.
    let may_be = |artifact: &Descriptor| match artifact.artifact_type.as_deref() {
        Some(kind) => kind.starts_with(BUNDLE) || kind == MediaType::EMPTY.as_str(),
        None => true,
    };
    let listed = place.referrers(subject)?;
    Ok(listed.iter().filter(|artifact| may_be(artifact)).map(|artifact| artifact.digest).collect())
}

/// The artifacts that `cosign save` stores: as blobs that no index lists.
fn saved_by_cosign(layout: &ImageLayout, subject: Digest, listed: &[Digest]) -> Result<Vec<Image>> {
    // Our own layouts list their artifacts, and a blob may be one that was detached. `sign` sets the
    // first kind too, but images have a platform there.
    let is_saved = |entry: &Descriptor| match entry.annotations.get("kind").map(String::as_str) {
        Some("dev.cosignproject.cosign/image") => {
            entry.media_type.is_manifest() && entry.platform.is_none()
        }
        Some("dev.cosignproject.cosign/imageIndex") => true,
        _ => false,
    };
    let mut entries = layout.index()?.manifests.iter().filter(|entry| entry.digest == subject);
    let folder = layout.path().join("blobs/sha256");
    if !entries.any(is_saved) || !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut saved = Vec::new();
    for file in fs::read_dir(&folder).map_err(errors::read(&folder))? {
        let file = file.map_err(errors::read(&folder))?;
        let size = file.metadata().map_err(errors::read(file.path()))?.len();
        let digest = file.file_name().to_str().and_then(|hex| format!("sha256:{hex}").parse().ok());
        let Some(digest) = digest.filter(|digest| size <= MAX_MANIFEST && !listed.contains(digest))
        else {
            continue;
        };
        // Most blobs are something else.
        let descriptor = Descriptor::new(MediaType::MANIFEST, digest, size);
        let Ok(manifest) = layout.read::<Manifest>(&descriptor) else { continue };
        if manifest.subject.is_some_and(|of| of.digest == subject) && saved.len() <= MAX_ARTIFACTS {
            let bytes = read(&*layout.blob(&descriptor))?;
            saved.push(Image::from_manifest(bytes, |blob| Ok(layout.blob(blob)))?);
        }
    }
    saved.sort_by_key(|image| image.digest().hex());
    Ok(saved)
}

/// The blobs with bundles of an artifact.
fn bundles(artifact: &Image, predicate_type: &str) -> Result<Vec<Arc<dyn Blob>>> {
    let manifest: Manifest = serde_json::from_slice(&artifact.document(artifact.digest())?)
        .map_err(|error| {
            errors::invalid(format!("manifest {}", artifact.digest()), error.to_string())
        })?;
    let is_other =
        manifest.annotations.get(PREDICATE_TYPE).is_some_and(|kind| kind != predicate_type);
    let is_bundle =
        |blob: &&Arc<dyn Blob>| blob.descriptor().media_type.as_str().starts_with(BUNDLE);
    Ok(artifact.blobs().iter().filter(is_bundle).filter(|_| !is_other).cloned().collect())
}

/// Reads a blob whose size is limited.
fn read(blob: &dyn Blob) -> Result<Vec<u8>> {
    let Descriptor { digest, size, .. } = *blob.descriptor();
    let mut bytes = Vec::new();
    let unreadable = |cause| Error::BlobUnreadable { digest, cause };
    blob.open()?.take(size + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let actual = Digest::of(&bytes);
    match actual == digest {
        true => Ok(bytes),
        false => Err(Error::BlobDamaged {
            digest,
            expected: digest.to_string(),
            actual: actual.to_string(),
        }),
    }
}

/// Why one artifact cannot be read. What concerns all artifacts stays an error.
fn of_artifact(error: Error) -> Result<String> {
    #[cfg(feature = "registry")]
    {
        use oci_layout::RegistryErrorKind::{Damaged, InvalidResponse, NotFound, TooLarge};
        let is_here = |kind| matches!(kind, NotFound | InvalidResponse | Damaged | TooLarge);
        if matches!(error, Error::Registry { kind, .. } if is_here(kind)) {
            return Ok(format!("cannot be read: {error}"));
        }
    }
    match error {
        Error::BlobMissing { .. }
        | Error::BlobDamaged { .. }
        | Error::Layout { .. }
        | Error::Invalid { .. }
        | Error::ImageNotFound { .. } => Ok(format!("cannot be read: {error}")),
        Error::BlobUnreadable { digest, cause } => match cause.downcast() {
            Ok(error) => of_artifact(error),
            Err(cause) => Err(Error::BlobUnreadable { digest, cause }),
        },
        error => Err(error),
    }
}

/// Reads a file with a key.
pub(crate) fn read_key(file: &Path) -> Result<Vec<u8>> {
    read_input(file, 1 << 20, "it is no key")
}

/// Names the file in an error about a key.
pub(crate) fn key_error(file: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Invalid { reason, .. } => errors::invalid(format!("key {file:?}"), reason),
        error => error,
    }
}
