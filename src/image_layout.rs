//! `image_layout`: images in, the directory that holds them out; and what can be done with one that exists.

mod archive;
pub(crate) mod beneath;
pub(crate) mod blob_files;
mod choose;
mod compressed;
mod docker_archive;
mod edit;
pub(crate) mod file_kind;
pub(crate) mod files;
mod fill;
mod lock;
pub(crate) mod name;
pub(crate) mod paths;
mod read;
mod repair;
pub(crate) mod repository;
pub(crate) mod store;
mod verify;
mod whole;

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Write,
    path::Path,
    sync::Arc,
};

use serde_json::{Value, json};

use self::store::BlobStore;
pub use self::{
    edit::Collected,
    lock::ReadLock,
    name::ImageName,
    read::ImageLayout,
    repair::{Repair, repair},
    verify::{Defect, Finding, Severity, VerifyOptions, verify},
};
pub(crate) use crate::image_layout::paths::{INDEX, MARKER, marker};
use crate::{
    blob::Blob,
    descriptor::{Descriptor, MediaType},
    digest::Digest,
    error::{Error, Result},
    image_manifest::{Image, Index, image_index},
    json,
    new_file::Temporary,
    pool::Pool,
    recipe::RecipeTrust,
    write_options::WriteOptions,
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
    let _alone = lock::Lock::index(dir, write)?;
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

/// Images under the same names become one index, which has the annotations of the layout's own: it is what a
/// registry gets to see.
pub(crate) fn nest(images: Vec<Image>, annotations: Option<&Value>) -> Result<Vec<Image>> {
    let mut groups: Vec<Vec<Image>> = Vec::new();
    let mut group_of: HashMap<Vec<String>, usize> = HashMap::new();
    for image in images {
        // What keeps its name from another layout's index, or is itself for several platforms, stands for itself.
        let named = !image.names().is_empty() || !image.descriptor().annotations.contains_key(name::REF_NAME);
        let single = image.platform().is_some() && named;
        match group_of.get(image.names()).filter(|_| single) {
            Some(&group) => groups[group].push(image),
            None => {
                if single {
                    group_of.insert(image.names().to_vec(), groups.len());
                }
                groups.push(vec![image]);
            }
        }
    }
    let extra = annotations.map_or(Value::Null, |annotations| json!({ "annotations": annotations }));
    let nested = groups.into_iter().map(|mut group| match group.len() {
        1 => Ok(group.remove(0)),
        _ => {
            let names = group[0].names().to_vec();
            let index = image_index(group.into_iter().map(Image::without_names), extra.clone())?;
            Ok(names.into_iter().fold(Image::from(index), Image::tagged))
        }
    });
    nested.collect()
}

/// The descriptors that name these images in a layout's index: one for each name of an image.
pub(crate) fn entries(images: &[Image]) -> Result<Vec<Descriptor>> {
    let mut entries: Vec<Descriptor> = Vec::new();
    let mut known = HashSet::new();
    for image in images {
        if image.names().is_empty() {
            entries.push(image.descriptor().clone());
        }
        for name in image.names() {
            let mut descriptor = image.descriptor().clone();
            name.parse::<ImageName>()?.annotate(&mut descriptor);
            if known.insert(json::to_bytes(&descriptor)) {
                entries.push(descriptor);
            }
        }
    }
    let mut tagged: HashMap<&str, Digest> = HashMap::new();
    for entry in &entries {
        let Some(tag) = entry.annotations.get(name::REF_NAME) else { continue };
        let first = *tagged.entry(tag).or_insert(entry.digest);
        if first != entry.digest {
            return Err(Error::Images {
                first: first.to_string(),
                second: entry.digest.to_string(),
                reason: format!("both have the tag {tag:?}: give one of them another"),
            });
        }
    }
    Ok(entries)
}

/// Puts every blob of these images in its place, several at a time.
fn put_blobs(store: &BlobStore, images: &[Image], pool: &Pool) -> Result<()> {
    let mut seen = HashSet::new();
    let blobs: Vec<&Arc<dyn Blob>> =
        images.iter().flat_map(Image::blobs).filter(|blob| seen.insert(blob.descriptor().digest)).collect();
    pool.map(blobs, |blob| store.put(blob.as_ref(), pool).map(drop)).into_iter().collect()
}

/// Replaces a file of the layout as a whole. Its contents are synced before it takes its name; the directory is not.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8], options: WriteOptions) -> Result<()> {
    let path = dir.join(name);
    let file = Temporary::new_in(dir)?;
    file.file().write_all(bytes).map_err(Error::write(&path))?;
    file.persist(&path, options).map(drop)
}
