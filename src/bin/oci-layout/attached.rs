//! The referrers of an image, in a layout or a registry: for `--referrers`, and for the commands that
//! attach, list, verify and remove them.

use std::{collections::HashSet, sync::Arc};

#[cfg(feature = "registry")]
use oci_layout::registry::{Client, Reference};
use oci_layout::{Blob, Digest, Image, ImageLayout, Pool, Result, document::Descriptor};

use crate::{
    args::LayoutTag,
    edit::open_layout,
    errors,
    image_arg::{ImageArg, WholeImage},
    trust::Trust,
    write_args::WriteArgs,
};

/// How many artifacts of an image are followed. A registry could invent them without end.
pub(crate) const MAX_REFERRERS: usize = 10_000;

/// Where an image and its referrers are.
pub(crate) enum Place<'a> {
    Layout(&'a ImageLayout),
    #[cfg(feature = "registry")]
    Registry(&'a Client, &'a Reference),
}

impl Place<'_> {
    /// The referrers of the manifest with this digest, as a registry describes them: with the
    /// artifact type and the annotations of each.
    pub(crate) fn referrers(&self, digest: Digest) -> Result<Vec<Descriptor>> {
        match self {
            Self::Layout(layout) => {
                let described =
                    |(entry, manifest): (Descriptor, oci_layout::document::Manifest)| {
                        let mut described =
                            Descriptor::new(entry.media_type, entry.digest, entry.size);
                        described.artifact_type =
                            manifest.artifact_type.or(Some(manifest.config.media_type.to_string()));
                        described.annotations = manifest.annotations;
                        described
                    };
                Ok(layout.referrers(digest)?.into_iter().map(described).collect())
            }
            #[cfg(feature = "registry")]
            Self::Registry(client, reference) => client.referrers(reference, digest),
        }
    }

    /// The referrers of all manifests of an image, and those of these referrers, each once and
    /// after the one that it refers to.
    pub(crate) fn attached(&self, image: &Image) -> Result<Vec<Image>> {
        let manifests = image.blobs().iter().map(|blob| blob.descriptor());
        let mut waiting: Vec<Digest> = manifests
            .filter(|descriptor| {
                descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
            })
            .map(|descriptor| descriptor.digest)
            .collect();
        waiting.retain(|digest| *digest != image.digest());
        waiting.push(image.digest());
        let mut seen: HashSet<Digest> = waiting.iter().copied().collect();
        let mut attached = Vec::new();
        while let Some(digest) = waiting.pop() {
            if attached.len() > MAX_REFERRERS {
                let reason =
                    format!("more than {MAX_REFERRERS} artifacts are attached to it: detach some");
                return Err(errors::invalid(format!("image {}", image.digest()), reason));
            }
            for referrer in self.referrers(digest)? {
                if seen.insert(referrer.digest) {
                    attached.push(self.image(referrer.digest)?);
                    waiting.push(referrer.digest);
                }
            }
        }
        Ok(attached)
    }

    /// An artifact of the layout or the repository, by its digest.
    pub(crate) fn image(&self, digest: Digest) -> Result<Image> {
        match self {
            Self::Layout(layout) => layout.whole_image(Some(&digest.to_string())),
            #[cfg(feature = "registry")]
            Self::Registry(client, reference) => client.image(&by_digest(reference, digest), None),
        }
    }

    /// A manifest of the layout or the repository, without what it refers to.
    pub(crate) fn manifest(&self, descriptor: &Descriptor) -> Result<Arc<dyn Blob>> {
        match self {
            Self::Layout(layout) => Ok(layout.blob(descriptor)),
            #[cfg(feature = "registry")]
            Self::Registry(client, reference) => {
                let manifest = client.manifest(&by_digest(reference, descriptor.digest), None)?;
                Ok(Arc::new(manifest))
            }
        }
    }

    /// A blob of the layout or the repository.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Arc<dyn Blob>> {
        match self {
            Self::Layout(layout) => Ok(layout.blob(descriptor)),
            #[cfg(feature = "registry")]
            Self::Registry(client, reference) => client.blob(reference, descriptor),
        }
    }
}

/// Does something where the image is.
pub(crate) fn in_place<T>(
    image: &WholeImage,
    trust: &Trust,
    work: impl FnOnce(&Place<'_>) -> Result<T>,
) -> Result<T> {
    let _lock = image.image.lock();
    match &image.image {
        ImageArg::Layout(LayoutTag { layout, .. }) => work(&Place::Layout(&trust.open(layout)?)),
        #[cfg(feature = "registry")]
        ImageArg::Registry(reference) => {
            work(&Place::Registry(&image.registries.client()?, reference))
        }
    }
}

/// Adds an artifact to the layout or the repository of an image.
pub(crate) fn attach(
    image: &WholeImage,
    artifact: Image,
    write: WriteArgs,
    pool: &Pool,
    trust: &Trust,
) -> Result<()> {
    match &image.image {
        ImageArg::Layout(LayoutTag { layout, .. }) => {
            open_layout(layout, write, trust)?.append([artifact], pool).map(|_| ())
        }
        #[cfg(feature = "registry")]
        ImageArg::Registry(reference) => {
            let client = image.registries.client()?;
            push_attached(&client, &[artifact], std::slice::from_ref(reference))
        }
    }
}

/// Sends artifacts to the repositories of an image.
#[cfg(feature = "registry")]
pub(crate) fn push_attached(
    client: &Client,
    attached: &[Image],
    references: &[Reference],
) -> Result<()> {
    attached.iter().try_for_each(|artifact| {
        let at = references.iter().map(|reference| by_digest(reference, artifact.digest()));
        client.push(artifact, &at.collect::<Vec<_>>()).map(|_| ())
    })
}

/// The manifest with this digest in the same repository. A tag would move to it.
#[cfg(feature = "registry")]
pub(crate) fn by_digest(reference: &Reference, digest: Digest) -> Reference {
    let mut reference = reference.at(digest);
    reference.tag = None;
    reference
}
