//! The signed bundles that are attached to an image, and the files with keys.

use std::{fs, io::Read, path::Path};

use oci_layout::{
    Blob, Digest, Error, ImageLayout, Result,
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

/// The annotation in the index of a layout by which `cosign verify --local-image` finds the image.
pub(crate) const COSIGN_IMAGE: (&str, &str) = ("kind", "dev.cosignproject.cosign/image");

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
    let mut artifacts = listed(place, subject)?;
    match place {
        Place::Layout(layout) => artifacts.extend(saved_by_cosign(layout, subject, &artifacts)?),
        #[cfg(feature = "registry")]
        Place::Registry(..) => {}
    }
    if artifacts.len() > MAX_ARTIFACTS {
        return Err(too_many());
    }
    let (mut count, mut bytes) = (0, 0);
    for artifact in artifacts {
        let digest = artifact.digest;
        let bundles = match bundles(place, &artifact, predicate_type) {
            Ok(bundles) => bundles,
            Err(error) => {
                visit(digest, Err(of_artifact(error)?));
                continue;
            }
        };
        count += bundles.len();
        for bundle in bundles {
            if bundle.size > MAX_BUNDLE {
                let reason = format!("has {} bytes, more than {MAX_BUNDLE}", bundle.size);
                visit(digest, Err(reason));
                continue;
            }
            bytes += bundle.size;
            if bytes > MAX_BYTES || count > MAX_ARTIFACTS {
                return Err(too_many());
            }
            match place.blob(&bundle).and_then(|blob| read(&*blob)) {
                Ok(bundle) => visit(digest, Ok(bundle)),
                Err(error) => visit(digest, Err(of_artifact(error)?)),
            }
        }
    }
    Ok(())
}

/// Whether the artifact is a bundle, by its type.
pub(crate) fn is_bundle(artifact: &Descriptor) -> bool {
    artifact.artifact_type.as_deref().is_some_and(|kind| kind.starts_with(BUNDLE))
}

/// The artifacts that may have bundles. An index has none of its own.
fn listed(place: &Place<'_>, subject: Digest) -> Result<Vec<Descriptor>> {
    // The lists of cosign for registries without the API for referrers have the type of the
    // configuration instead of the artifact type.
    let may_be = |artifact: &Descriptor| match artifact.artifact_type.as_deref() {
        Some(kind) => is_bundle(artifact) || kind == MediaType::EMPTY.as_str(),
        None => true,
    };
    let mut listed = place.referrers(subject)?;
    listed.retain(|artifact| !artifact.media_type.is_index() && may_be(artifact));
    Ok(listed)
}

/// The artifacts that `cosign save` stores: as blobs that no index lists.
fn saved_by_cosign(
    layout: &ImageLayout,
    subject: Digest,
    listed: &[Descriptor],
) -> Result<Vec<Descriptor>> {
    // Our own layouts list their artifacts, and a blob may be one that was detached. `sign` sets the
    // first kind too, but most images have a platform there, and `detach` removes it again.
    let (key, image) = COSIGN_IMAGE;
    let is_saved = |entry: &Descriptor| match entry.annotations.get(key).map(String::as_str) {
        Some(kind) if kind == image => entry.media_type.is_manifest() && entry.platform.is_none(),
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
        let is_listed = |digest| listed.iter().any(|artifact| artifact.digest == digest);
        let Some(digest) = digest.filter(|digest| size <= MAX_MANIFEST && !is_listed(*digest))
        else {
            continue;
        };
        // Most blobs are something else.
        let descriptor = Descriptor::new(MediaType::MANIFEST, digest, size);
        let Ok(manifest) = layout.read::<Manifest>(&descriptor) else { continue };
        if manifest.subject.is_some_and(|of| of.digest == subject) && saved.len() <= MAX_ARTIFACTS {
            saved.push(descriptor);
        }
    }
    saved.sort_by_key(|artifact| artifact.digest.hex());
    Ok(saved)
}

/// The bundles of an artifact. Nothing but its manifest is read: what it says of itself may be wrong.
fn bundles(
    place: &Place<'_>,
    artifact: &Descriptor,
    predicate_type: &str,
) -> Result<Vec<Descriptor>> {
    let invalid = |reason| errors::invalid(format!("manifest {}", artifact.digest), reason);
    let blob = place.manifest(artifact)?;
    let size = blob.descriptor().size;
    if size > MAX_MANIFEST {
        return Err(invalid(format!("it has {size} bytes, more than {MAX_MANIFEST}")));
    }
    let manifest: Manifest =
        serde_json::from_slice(&read(&*blob)?).map_err(|error| invalid(error.to_string()))?;
    let stated = manifest.annotations.get(PREDICATE_TYPE);
    if stated.is_some_and(|kind| kind != predicate_type) {
        return Ok(Vec::new());
    }
    let is_bundle = |blob: &Descriptor| blob.media_type.as_str().starts_with(BUNDLE);
    Ok(manifest.layers.into_iter().filter(is_bundle).collect())
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
            return Ok(unreadable(&error));
        }
    }
    match error {
        Error::BlobMissing { .. }
        | Error::BlobDamaged { .. }
        | Error::Layout { .. }
        | Error::Invalid { .. }
        | Error::ImageNotFound { .. } => Ok(unreadable(&error)),
        Error::BlobUnreadable { digest, cause } => match cause.downcast() {
            Ok(error) => of_artifact(error),
            Err(cause) => Err(Error::BlobUnreadable { digest, cause }),
        },
        error => Err(error),
    }
}

/// Shortened, because an error may quote any text of the artifact.
fn unreadable(error: &Error) -> String {
    const LONGEST: usize = 400;
    let said = format!("cannot be read: {error}");
    match said.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

/// Reads a file with a key.
pub(crate) fn read_key(file: &Path) -> Result<Vec<u8>> {
    read_input(file, 1 << 20, "it is not a key")
}

/// Names the file in an error about a key.
pub(crate) fn key_error(file: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Invalid { reason, .. } => errors::invalid(format!("key {file:?}"), reason),
        error => error,
    }
}
