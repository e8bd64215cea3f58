//! Turns a sparse layout into a full one: builds each blob that has a recipe, and puts it in the
//! place of the recipe.

use std::{fs, io, path::Path};

use crate::{
    basics::{Error, Result},
    blob::Blob,
    document::{Descriptor, RECIPES, blob_name, recipe_name},
    layout::{
        blob_store::{BlobStore, distinct_blobs},
        read::ImageLayout,
    },
    pool::Pool,
    store::Lock,
};

impl ImageLayout {
    /// Turns a sparse layout into a full one: builds every blob that an image of the layout names
    /// and that exists only as a recipe, several at a time, and removes the recipes. Returns the
    /// descriptors of these blobs. The layout is then the same as if
    /// [`image_layout`](crate::image_layout()) had written it without recipes.
    ///
    /// Each blob appears atomically. After an error or a kill the layout is still valid, and the
    /// next call continues with the remaining blobs. Other programs may read the layout and append
    /// to it at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::SourceOutdated`] and any other error from following a recipe, returned after all
    /// other blobs were built; [`Error::Write`]; [`Error::BlobMissing`], [`Error::BlobDamaged`] and
    /// [`Error::Layout`] if a manifest or index cannot be read; [`Error::ReadOnlyArchive`].
    pub fn fill(&self, pool: &Pool) -> Result<Vec<Descriptor>> {
        let dir = self.folder()?;
        let store = BlobStore::create(dir, false, self.write)?
            .knowing(&self.files.trust, &self.files.known);
        let images = self.reopen()?.images()?;
        let filled =
            pool.map(distinct_blobs(&images), |blob| fill_in(dir, &store, blob.as_ref(), pool));
        // Recipes are removed only when the blobs are safely on disk.
        store.sync_folders()?;
        let recipes = |blob: &Option<Filled>| {
            blob.as_ref().map(|blob| dir.join(recipe_name(blob.descriptor.digest)))
        };
        for recipe in filled.iter().flatten().filter_map(recipes) {
            remove_file(&recipe)?;
        }
        match self.write.sync_folder(&dir.join(RECIPES)) {
            Err(Error::Write { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
        let filled: Vec<_> = filled.into_iter().collect::<Result<_>>()?;
        drop(store);
        // Without the folder, the layout is no longer sparse. A current writer may be about to use
        // it.
        if let Some(_alone) = Lock::try_exclusive(dir, self.write)? {
            for folder in
                Path::new(RECIPES).ancestors().filter(|folder| !folder.as_os_str().is_empty())
            {
                // Recipes that no image names are left to garbage collection.
                let _ = fs::remove_dir(dir.join(folder));
            }
        }
        Ok(filled
            .into_iter()
            .flatten()
            .filter(|blob| blob.is_new)
            .map(|blob| blob.descriptor)
            .collect())
    }
}

/// Removes a file if it exists.
fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::write(path)(cause)),
        _ => Ok(()),
    }
}

/// A blob that is stored, and still has its recipe.
struct Filled {
    descriptor: Descriptor,
    is_new: bool,
}

/// Builds a blob from its recipe, if the recipe exists.
fn fill_in(dir: &Path, store: &BlobStore, blob: &dyn Blob, pool: &Pool) -> Result<Option<Filled>> {
    let digest = blob.descriptor().digest;
    let recipe = dir.join(recipe_name(digest));
    if !recipe.exists() {
        return Ok(None);
    }
    let path = dir.join(blob_name(digest));
    // An existing file counts only if its bytes are those of the blob; name and size are not
    // enough.
    let is_new = !store.has(&path, blob);
    if is_new {
        remove_file(&path)?;
    }
    store.put(blob, pool)?;
    Ok(Some(Filled { descriptor: blob.descriptor().clone(), is_new }))
}
