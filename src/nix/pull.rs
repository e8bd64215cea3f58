//! Builds layouts and files from a registry, and layouts from fetched blobs.

use std::{collections::HashMap, fs, path::PathBuf, sync::Arc};

use serde::Deserialize;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::traits::FileBlob,
    image::graph::Image,
    layout::image_layout::{self, LayoutOptions},
    nix::{attributes::Attributes, output::WRITE},
    pool::Pool,
};

#[cfg(feature = "registry")]
use crate::{
    blob::chunks,
    document::descriptor::{Descriptor, MediaType},
    registry::{client::Client, download_pool, reference::Reference},
};

/// Builds a layout of an image in a registry.
///
/// # Errors
///
/// As [`Client::image`] and [`image_layout`](crate::image_layout()).
#[cfg(feature = "registry")]
pub fn pull(attributes: &Attributes, client: Client, pool: &Pool) -> Result<()> {
    let (client, reference) = asked(attributes, client)?;
    let platform = attributes.platform()?;
    let image = client.image(&reference, platform.as_ref())?;
    let tag = attributes.get::<Option<String>>("tag")?.or(reference.tag);
    let image = tag.into_iter().fold(image, Image::tagged);
    let options = LayoutOptions::default().pool(&download_pool(pool)).write(WRITE);
    image_layout::image_layout(attributes.output(), [image], options).map(|_| ())
}

/// Builds a file with the bytes of a blob in a registry.
///
/// # Errors
///
/// As [`Client::blob`]; [`Error::BlobDamaged`] if the bytes do not match the digest; and
/// [`Error::Write`].
#[cfg(feature = "registry")]
pub fn pull_blob(attributes: &Attributes, client: Client) -> Result<()> {
    let (client, reference) = asked(attributes, client)?;
    let media_type = MediaType::new(attributes.get::<String>("mediaType")?);
    let descriptor =
        Descriptor::new(media_type, attributes.get("digest")?, attributes.get("size")?);
    let blob = client.blob(&reference, &descriptor)?;
    let output = attributes.output();
    let mut file = std::fs::File::create_new(output).map_err(Error::write(output))?;
    chunks::copy(&blob, &mut file).map_err(|error| match error {
        Error::Write { cause, .. } => Error::write(output)(cause),
        other => other,
    })
}

#[cfg(feature = "registry")]
fn asked(attributes: &Attributes, client: Client) -> Result<(Client, Reference)> {
    let plain_http = attributes.get::<Option<bool>>("plainHttp")?.unwrap_or(client.plain_http);
    Ok((client.plain_http(plain_http), attributes.get::<String>("reference")?.parse()?))
}

/// Builds a layout of a manifest and the blobs that it names.
///
/// # Errors
///
/// As [`Image::from_manifest`] and [`image_layout`](crate::image_layout()), and
/// [`Error::BlobMissing`] if the manifest names a blob that `blobs` does not have.
pub fn blobs_to_layout(attributes: &Attributes, pool: &Pool) -> Result<()> {
    #[derive(Deserialize)]
    struct Named {
        digest: Digest,
        path: PathBuf,
    }
    let manifest: PathBuf = attributes.get("manifest")?;
    let blobs = attributes.list("blobs")?.into_iter().map(|Named { digest, path }| (digest, path));
    let blobs: HashMap<Digest, PathBuf> = blobs.collect();
    let bytes = fs::read(&manifest).map_err(Error::read(&manifest))?;
    let image = Image::from_manifest(bytes, |descriptor| match blobs.get(&descriptor.digest) {
        Some(path) => Ok(Arc::new(FileBlob::new(descriptor.clone(), path))),
        None => Err(Error::BlobMissing { path: manifest.clone(), digest: descriptor.digest }),
    })?;
    let image = attributes.get::<Option<String>>("tag")?.into_iter().fold(image, Image::tagged);
    image_layout::image_layout(
        attributes.output(),
        [image],
        LayoutOptions::default().pool(pool).write(WRITE),
    )
    .map(|_| ())
}
