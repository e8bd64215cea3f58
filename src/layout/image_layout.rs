//! `image_layout`: images in, the directory that holds them out; and what can be done with one that exists.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    document::{
        descriptor::MediaType,
        layout_paths::{INDEX, MARKER, marker},
        manifest::Index,
    },
    image::graph::Image,
    layout::{
        blob_store::BlobStore,
        entries::{entries, nest},
        read::ImageLayout,
        write::{put_blobs, replace},
    },
    pool::Pool,
    recipe::trust::RecipeTrust,
    store::{lock::Lock, write_options::WriteOptions},
};

/// Writes an [image layout](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md) with these
/// images: `oci-layout`, `index.json` and `blobs/sha256`.
///
/// Images under the same name (or all without one) and for different platforms become one index for all of them
/// under that name, so that one `crane push` or `skopeo copy --all` carries the whole.
///
/// The folder is made if it is not there. Layers stored in it before stay where they are, layers stored elsewhere are
/// linked or copied, and layers that were only described are made now; with [`LayoutOptions::sparse`] recipes say where
/// those lie, and how these are made. `index.json` comes last, so that a folder
/// whose making failed is no layout. All of it is on disk when the function returns, unless
/// [`LayoutOptions::write`] says otherwise.
///
/// The options are JSON merged over the defaults of `index.json`, or [`LayoutOptions`]. `manifests` is always that of
/// the images.
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
/// [`Error::Layout`] if the folder is an image layout already, [`Error::Images`] if two images have one name and one
/// platform, [`Error::Invalid`] for a name that is none or JSON that no index can hold, whatever a described layer's
/// sources give, [`Error::BlobDamaged`] for a blob that is not what its descriptor says, and [`Error::Write`].
pub fn image_layout<I: Into<Image>>(
    dir: impl AsRef<Path>,
    images: impl IntoIterator<Item = I>,
    options: impl Into<LayoutOptions>,
) -> Result<ImageLayout> {
    let dir = dir.as_ref();
    let LayoutOptions { extra, pool, sparse, trust, write } = options.into();
    let mut extra = json::with_known_keys("image index", extra, Index::MEMBERS)?;
    extra.remove("manifests");
    let images = nest(images.into_iter().map(Into::into).collect(), extra.get("annotations"))?;
    let mut value = json!({ "schemaVersion": 2, "mediaType": MediaType::INDEX });
    json::merge(&mut value, Value::Object(extra));
    let mut index: Index = json::from_value("image index", value)?;
    index.manifests = entries(&images)?;
    index.media_type()?;

    let known = Arc::default();
    let store = if sparse { BlobStore::create_sparse(dir, write)? } else { BlobStore::create(dir, write)? };
    let store = store.knowing(&trust, &known);
    let _alone = Lock::index(dir, write)?;
    if fs::symlink_metadata(dir.join(INDEX)).is_ok() {
        return Err(Error::layout(dir, "is an image layout already: append to it, or choose another folder"));
    }
    put_blobs(&store, &images, &pool.unwrap_or_else(Pool::available))?;
    replace(dir, MARKER, &marker(), write)?;
    store.sync_folders()?;
    replace(dir, INDEX, &json::to_bytes(&index), write)?;
    write.sync_folder(dir)?;
    write.sync_way_to(dir)?;
    // All recipes in it were written by this call.
    let trust = if sparse { RecipeTrust::everything() } else { trust };
    Ok(ImageLayout::open(dir)?.trust(trust).with_known(known))
}

/// What [`image_layout`] makes the layout with, beside the images. JSON converts into it.
#[derive(Clone, Debug, Default)]
pub struct LayoutOptions {
    /// Merged over the defaults of `index.json`; `null` is nothing.
    pub extra: Value,
    /// The threads; by default as many as this process may run at once.
    pub pool: Option<Pool>,
    /// Whether the layout holds the [`Recipe`](crate::Recipe) of a blob in its place, wherever there is one: of layers
    /// that were described with theirs, and of all that lies in files; off by default. No source is opened for that, and
    /// no layer copied. [`ImageLayout::fill`] makes it a layout like any other.
    pub sparse: bool,
    /// With its key, recipes are sealed, so that whoever opens the layout with the same key may follow them. By default
    /// there is no key.
    pub trust: RecipeTrust,
    /// What survives a power loss, and whether locks keep other writers away.
    pub write: WriteOptions,
}

impl LayoutOptions {
    /// Options with this JSON.
    pub fn new(extra: Value) -> Self {
        extra.into()
    }

    /// Sets the threads.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: Some(pool.clone()), ..self }
    }

    /// Sets whether recipes take the place of blobs.
    pub fn sparse(self, sparse: bool) -> Self {
        Self { sparse, ..self }
    }

    /// Sets with which key recipes are sealed.
    pub fn trust(self, trust: RecipeTrust) -> Self {
        Self { trust, ..self }
    }

    /// Sets what survives a power loss, and whether locks keep other writers away.
    pub fn write(self, write: WriteOptions) -> Self {
        Self { write, ..self }
    }
}

impl From<Value> for LayoutOptions {
    fn from(extra: Value) -> Self {
        Self { extra, ..Self::default() }
    }
}
