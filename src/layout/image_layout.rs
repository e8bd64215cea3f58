//! `image_layout` writes images to a directory; [`LayoutOptions`] configures it.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    basics::{Error, Result, json},
    document::{INDEX, Index, MARKER, MediaType, manifest::with_known_members, marker},
    image::Image,
    layout::{
        blob_store::BlobStore,
        entries::{entries, nest},
        read::ImageLayout,
    },
    pool::Pool,
    recipe::RecipeTrust,
    store::{Lock, WriteOptions, replace},
};

/// Writes these images as an [image
/// layout](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md): `oci-layout`,
/// `index.json` and `blobs/sha256`.
///
/// Images with the same name (or without names) and different platforms are combined into one index
/// under that name, so that one `crane push` or `skopeo copy --all` copies all of them.
///
/// The directory is created if it does not exist. Layers already stored in it stay where they are,
/// layers stored elsewhere are linked or copied, and layers that were only described are built.
/// With [`LayoutOptions::sparse`], recipes record where stored layers are and how the others are
/// built. `index.json` is written last, so that a failed call does not leave a directory that looks
/// like a layout. All files are on disk when the function returns, unless [`LayoutOptions::write`]
/// says otherwise.
///
/// The options are JSON merged over the defaults of `index.json`, or [`LayoutOptions`]. `manifests`
/// always lists the images that were passed.
///
/// ```
/// # use oci_layout::{FileMapping, LayerOptions, image_config, image_layout, image_manifest, layer_tar};
/// use serde_json::json;
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("image");
/// let app = layer_tar([FileMapping::text("", "/bin/app").mode(0o755)], LayerOptions::default().store(&dir))?;
/// let config = image_config([&app], json!({ "config": { "Entrypoint": ["/bin/app"] } }))?;
/// let image = image_manifest(config, [app], json!({}))?;
/// let layout = image_layout(&dir, [image.tagged("latest")], json!({}))?;
/// assert_eq!(layout.index()?.manifests.len(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::OutputExists`] if the directory is already an image layout; [`Error::Images`] if two
/// images have the same name and platform; [`Error::Invalid`] for an invalid name or JSON that does
/// not fit an index; any error from reading the sources of a described layer;
/// [`Error::BlobDamaged`] for a blob that does not match its descriptor; and [`Error::Write`].
pub fn image_layout<I: Into<Image>>(
    dir: impl AsRef<Path>,
    images: impl IntoIterator<Item = I>,
    options: impl Into<LayoutOptions>,
) -> Result<ImageLayout> {
    let dir = dir.as_ref();
    let LayoutOptions { extra, pool, sparse, trust, write } = options.into();
    let mut extra = with_known_members("image index", extra, Index::MEMBERS)?;
    extra.remove("manifests");
    let images = nest(images.into_iter().map(Into::into).collect(), extra.get("annotations"))?;
    let mut value = json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX });
    json::merge(&mut value, Value::Object(extra));
    let mut index: Index = json::from_value("image index", value)?;
    index.manifests = entries(&images)?;
    index.media_type()?;

    let known = Arc::default();
    let store = BlobStore::create(dir, sparse, write)?.knowing(&trust, &known);
    let _alone = Lock::index(dir, write)?;
    if fs::symlink_metadata(dir.join(INDEX)).is_ok() {
        let reason = "is an image layout already: append to it, or choose another folder";
        return Err(Error::OutputExists { path: dir.to_owned(), reason: reason.to_owned() });
    }
    store.put_all(&images, &pool.unwrap_or_else(Pool::available))?;
    replace(&dir.join(MARKER), &[&marker()], write)?;
    store.sync_folders()?;
    replace(&dir.join(INDEX), &[&json::to_bytes(&index)], write)?;
    write.sync_folder(dir)?;
    write.sync_way_to(dir)?;
    // This call wrote all of its recipes.
    let trust = if sparse { RecipeTrust::everything() } else { trust };
    Ok(ImageLayout::open(dir)?.trust(trust).with_known(known))
}

/// The options of [`image_layout`]. JSON converts into it.
#[derive(Clone, Debug, Default)]
#[must_use]
#[non_exhaustive]
pub struct LayoutOptions {
    /// JSON merged over the defaults of `index.json`; `null` changes nothing.
    pub extra: Value,
    /// The thread pool. The default has as many threads as this process may run at once.
    pub pool: Option<Pool>,
    /// Whether to write the [`Recipe`](crate::Recipe) of a blob instead of the blob where one
    /// exists: for layers that were described with a recipe, and for all blobs that lie in files.
    /// No source is opened and no layer is copied. [`ImageLayout::fill`] turns the result into a
    /// full layout. Off by default.
    pub sparse: bool,
    /// Recipes are sealed with the key of this value; a reader with the same key may follow them.
    /// There is no key by default.
    pub trust: RecipeTrust,
    /// Which writes survive a power loss, and whether locks keep other writers out.
    pub write: WriteOptions,
}

impl LayoutOptions {
    /// Creates options from this JSON.
    pub fn new(extra: Value) -> Self {
        extra.into()
    }

    /// Sets the thread pool.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets whether recipes are written instead of blobs.
    pub fn sparse(self, sparse: bool) -> Self {
        Self { sparse, ..self }
    }

    /// Sets the key that seals recipes.
    pub fn trust(self, trust: RecipeTrust) -> Self {
        Self { trust, ..self }
    }

    /// Sets which writes survive a power loss, and whether locks keep other writers out.
    pub fn write(self, write: WriteOptions) -> Self {
        Self { write, ..self }
    }
}

impl From<Value> for LayoutOptions {
    fn from(extra: Value) -> Self {
        Self { extra, ..Self::default() }
    }
}
