//! Writes blobs to a layout. A blob is linked, copied or built, or represented by its recipe.

use std::{
    collections::HashSet,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{
        Error, Result,
        json::{Bounds, Counted},
    },
    blob::{Blob, chunks},
    document::{MAX_RECIPE, RECIPES},
    image::Image,
    layer::lazy::make_lazy,
    pool::Pool,
    recipe::{Recipe, RecipeKey, RecipeTrust},
    store::{BlobFiles, KnownFiles, WriteOptions, create_folder, replace},
};

/// The place for the blobs of a layout.
#[derive(Debug)]
pub(crate) struct BlobStore {
    blobs: BlobFiles,
    /// The folder for recipes, in a sparse layout.
    recipes: Option<PathBuf>,
    /// The key that seals recipes.
    key: Option<RecipeKey>,
}

impl BlobStore {
    /// Opens the folder for blobs, and that for recipes of a layout that is or becomes sparse.
    /// Creates them if they do not exist.
    pub(crate) fn create(layout: &Path, sparse: bool, options: WriteOptions) -> Result<Self> {
        if sparse {
            create_folder(layout, RECIPES)?;
        }
        let recipes = sparse.then(|| layout.join(RECIPES));
        Ok(Self { blobs: BlobFiles::create(layout, options)?, recipes, key: None })
    }

    /// Syncs the names of all blobs and recipes, and of their directories. An index may name the
    /// blobs after that.
    pub(crate) fn sync_folders(&self) -> Result<()> {
        for folder in [Some(self.blobs.folder()), self.recipes.as_deref()].into_iter().flatten() {
            // The folder itself, `blobs` or `recipes`, and the layout.
            folder.ancestors().take(3).try_for_each(|folder| {
                match folder.as_os_str().is_empty() {
                    true => self.blobs.options().sync_folder(Path::new(".")),
                    false => self.blobs.options().sync_folder(folder),
                }
            })?;
        }
        Ok(())
    }

    /// Sets the key that seals recipes, and the record of files that were hashed before.
    pub(crate) fn knowing(self, trust: &RecipeTrust, known: &Arc<KnownFiles>) -> Self {
        Self { key: trust.sealing_key().cloned(), blobs: self.blobs.known(known), ..self }
    }

    /// Adds a blob and returns its path. A sparse layout stores the blob's recipe. Otherwise the
    /// file of the blob is linked or copied, or its bytes are verified and written; `pool` builds a
    /// blob that has only a recipe. The contents are synced.
    pub(crate) fn put(&self, blob: &dyn Blob, pool: &Pool) -> Result<PathBuf> {
        let descriptor = blob.descriptor();
        let path = self.blobs.path(descriptor.digest);
        if self.has(&path, blob) {
            // Another writer may not have synced it.
            self.blobs.options().sync_path(&path)?;
            return Ok(path);
        }
        let recipe = blob.recipe();
        if let (Some(recipes), Some(recipe), false) =
            (&self.recipes, &recipe, descriptor.media_type.is_document())
            && let Some(path) =
                put_recipe(recipes, recipe, self.key.as_ref(), self.blobs.options())?
        {
            return Ok(path);
        }
        if let Some(file) = blob.file().filter(|file| is_blob(file, descriptor.size)) {
            blob.checked()?;
            // A hard link is fastest, but it shares the mode of the file.
            let ours =
                fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o7777 == 0o644);
            if ours {
                self.blobs.options().sync_path(file)?;
                if fs::hard_link(file, &path).is_ok() {
                    return Ok(path);
                }
            }
            let mut new = self.blobs.new_blob()?;
            let copied = new.copy_from(&File::open(file).map_err(Error::read(file))?)?;
            descriptor.check(copied, None)?;
            return self.blobs.keep(new, descriptor.digest);
        }
        let mut new = self.blobs.new_blob()?;
        let is_made = recipe.map_or(Ok(false), |recipe| make_lazy(&recipe, pool, &mut new))?;
        if !is_made {
            chunks::copy(blob, &mut new)?;
        }
        self.blobs.keep(new, descriptor.digest)
    }

    /// Adds every blob of these images, several at a time.
    pub(crate) fn put_all(&self, images: &[Image], pool: &Pool) -> Result<()> {
        let put = |blob: &Arc<dyn Blob>| self.put(blob.as_ref(), pool).map(drop);
        pool.map(distinct_blobs(images), put).into_iter().collect()
    }

    /// Whether the blob is already stored. Its bytes are verified, unless this process wrote them;
    /// name and size are not enough, because a damaged blob must be replaced.
    pub(crate) fn has(&self, path: &Path, blob: &dyn Blob) -> bool {
        is_blob(path, blob.descriptor().size)
            && (blob.file() == Some(path) || self.blobs.checked(path, blob.descriptor()).is_ok())
    }

    /// Verifies the bytes of the blob and writes them, replacing an existing file.
    pub(crate) fn replace(&self, blob: &dyn Blob) -> Result<()> {
        let mut new = self.blobs.new_blob()?;
        chunks::copy(blob, &mut new)?;
        self.blobs.keep(new, blob.descriptor().digest).map(drop)
    }
}

/// Returns the blobs of these images, each once.
pub(crate) fn distinct_blobs(images: &[Image]) -> Vec<&Arc<dyn Blob>> {
    let mut seen = HashSet::new();
    let blobs = images.iter().flat_map(Image::blobs);
    blobs.filter(|blob| seen.insert(blob.descriptor().digest)).collect()
}

/// Writes a recipe, unless it exceeds the limits of a reader.
fn put_recipe(
    recipes: &Path,
    recipe: &Recipe,
    key: Option<&RecipeKey>,
    options: WriteOptions,
) -> Result<Option<PathBuf>> {
    let bytes = match key {
        Some(key) => recipe.to_sealed_bytes(key)?,
        None => recipe.to_bytes()?,
    };
    if bytes.len() as u64 > MAX_RECIPE || Bounds::DOCUMENT.check(&bytes, Counted::All).is_err() {
        return Ok(None);
    }
    let path = recipes.join(format!("{}.json", recipe.descriptor().digest.hex()));
    replace(&path, &[&bytes], options)?;
    Ok(Some(path))
}

/// Whether this is a regular file of this size.
fn is_blob(path: &Path, size: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == size)
}
