//! Writes the files of a layout: first the blobs, then the documents that name them.

use std::{collections::HashSet, io::Write, path::Path, sync::Arc};

use crate::{
    basics::{Error, Result},
    blob::Blob,
    image::Image,
    layout::blob_store::BlobStore,
    pool::Pool,
    store::{Temporary, WriteOptions},
};

/// Writes every blob of these images, several at a time.
pub(crate) fn put_blobs(store: &BlobStore, images: &[Image], pool: &Pool) -> Result<()> {
    let mut seen = HashSet::new();
    let blobs: Vec<&Arc<dyn Blob>> = images
        .iter()
        .flat_map(Image::blobs)
        .filter(|blob| seen.insert(blob.descriptor().digest))
        .collect();
    pool.map(blobs, |blob| store.put(blob.as_ref(), pool).map(drop)).into_iter().collect()
}

/// Replaces a file of the layout atomically. Its contents are synced before the rename; the
/// directory is not.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8], options: WriteOptions) -> Result<()> {
    let path = dir.join(name);
    let file = Temporary::new_in(dir)?;
    file.file().write_all(bytes).map_err(Error::write(&path))?;
    file.persist(&path, options).map(drop)
}
