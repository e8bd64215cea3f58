//! Opens base images. Those in registries are fetched into a cache.

use std::path::Path;

use oci_layout::{PlatformImage, ReadLock, Result, document::Platform};

use crate::{
    image_arg::{ImageArg, Registries},
    trust::Trust,
};

/// Opens a base image, or another image that is kept in the cache like one. `pulling` says what is
/// done if it must be fetched. The lock keeps its blobs until the last one is read.
#[cfg_attr(
    not(feature = "registry"),
    expect(unused_variables, reason = "only images in registries need a cache")
)]
pub(crate) fn open(
    base: &ImageArg,
    platform: Option<&Platform>,
    cache: Option<&Path>,
    registries: &Registries,
    trust: &Trust,
    pulling: &'static str,
) -> Result<(PlatformImage, Option<ReadLock>)> {
    #[cfg(feature = "registry")]
    if let (ImageArg::Registry(reference), Some(cache)) = (base, cache) {
        return cached::open(reference, platform, cache, registries, trust, pulling);
    }
    let lock = base.lock();
    Ok((base.open(platform, registries, trust)?, lock))
}

#[cfg(feature = "registry")]
mod cached {
    use std::path::Path;

    use oci_layout::{
        Error, Image, LayoutOptions, PlatformImage, Pool, ReadLock, Result,
        document::Platform,
        image_layout,
        registry::{Reference, download_pool},
    };

    use crate::{image_arg::Registries, progress, registries::in_bar, trust::Trust};

    /// Opens an image of a registry. An image that is named by its digest is fetched once. Of any
    /// other image, the manifest is fetched each time, and blobs that the cache lacks.
    pub(super) fn open(
        reference: &Reference,
        platform: Option<&Platform>,
        cache: &Path,
        registries: &Registries,
        trust: &Trust,
        pulling: &'static str,
    ) -> Result<(PlatformImage, Option<ReadLock>)> {
        // The same reference names other images for other platforms.
        let folder =
            platform.map_or("any".to_owned(), |platform| platform.to_string().replace('/', "-"));
        let dir = cache.join("images").join(folder);
        let name = name(reference);
        let find = || -> Result<_> {
            let lock = ReadLock::new(&dir);
            Ok((trust.open(&dir)?.image(Some(&name), platform)?, Some(lock)))
        };
        if reference.digest.is_some()
            && let Ok(found) = find()
        {
            return Ok(found);
        }
        progress::show(pulling, |bytes| {
            let client = in_bar(registries.client()?, bytes);
            let image = client.image(reference, platform)?;
            let image = Image::from(PlatformImage::of(&image, platform)?).tagged(&name);
            store(&dir, image, trust)
        })?;
        find()
    }

    /// The name of the image in the cache.
    fn name(Reference { registry, repository, tag, digest, .. }: &Reference) -> String {
        let tag = match (digest, tag) {
            (Some(digest), _) => digest.to_string().replace(':', "-"),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        };
        format!("{registry}/{repository}:{tag}")
    }

    fn store(dir: &Path, image: Image, trust: &Trust) -> Result<()> {
        let pool = download_pool(&Pool::available());
        if !dir.join("oci-layout").exists() {
            let options = LayoutOptions::default().pool(&pool);
            match image_layout(dir, [image.clone()], options) {
                // Another process was faster.
                Err(Error::OutputExists { .. }) => {}
                made => return made.map(drop),
            }
        }
        trust.open(dir)?.append([image], &pool).map(drop)
    }
}
