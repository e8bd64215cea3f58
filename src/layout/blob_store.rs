//! Which form a blob takes in a layout: that of its file, of its bytes, or of its recipe.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{
        error::{Error, Result},
        json::{Bounds, Counted},
    },
    blob::{chunks, traits::Blob},
    document::layout_paths::{MAX_RECIPE, RECIPES},
    layer::lazy::make_lazy,
    pool::Pool,
    recipe::{
        origin::Recipe,
        trust::{RecipeKey, RecipeTrust},
    },
    store::{
        blob_files::{BlobFiles, create_folder},
        known_files::KnownFiles,
        new_file::Temporary,
        write_options::WriteOptions,
    },
};

/// Where the blobs of a layout are put.
#[derive(Debug)]
pub(crate) struct BlobStore {
    blobs: BlobFiles,
    /// Where recipes go in the place of blobs, in a sparse layout.
    recipes: Option<PathBuf>,
    /// With which recipes are sealed.
    key: Option<RecipeKey>,
}

impl BlobStore {
    /// The folder, made if it is not there.
    pub(crate) fn create(layout: &Path, options: WriteOptions) -> Result<Self> {
        Ok(Self { blobs: BlobFiles::create(layout, options)?, recipes: None, key: None })
    }

    /// The same of a layout that is sparse, or becomes it.
    pub(crate) fn create_sparse(layout: &Path, options: WriteOptions) -> Result<Self> {
        let recipes = layout.join(RECIPES);
        create_folder(layout, RECIPES)?;
        Ok(Self { recipes: Some(recipes), ..Self::create(layout, options)? })
    }

    /// Waits until the names of all blobs and recipes are on disk, and those of their directories. After that, an index
    /// may name the blobs.
    pub(crate) fn sync_folders(&self) -> Result<()> {
        for folder in [Some(self.blobs.folder()), self.recipes.as_deref()].into_iter().flatten() {
            // The folder itself, the one of all algorithms, and the layout.
            folder.ancestors().take(3).try_for_each(|folder| match folder.as_os_str().is_empty() {
                true => self.blobs.options().sync_folder(Path::new(".")),
                false => self.blobs.options().sync_folder(folder),
            })?;
        }
        Ok(())
    }

    /// Sets the key with which recipes are sealed, and the record of files that were hashed before.
    pub(crate) fn knowing(self, trust: &RecipeTrust, known: &Arc<KnownFiles>) -> Self {
        Self { key: trust.sealing_key().cloned(), blobs: self.blobs.known(known), ..self }
    }

    /// Takes a blob in, and returns its file: its recipe if the layout is sparse, otherwise its file if it has one, or else
    /// its bytes, which are checked on the way. What has to be made is made by these threads. The file's contents are
    /// synced then.
    pub(crate) fn put(&self, blob: &dyn Blob, pool: &Pool) -> Result<PathBuf> {
        let descriptor = blob.descriptor();
        let path = self.blobs.path(descriptor.digest);
        if self.has(&path, blob) {
            // Whoever wrote it may not have synced it.
            self.blobs.options().sync_path(&path)?;
            return Ok(path);
        }
        let recipe = blob.recipe();
        if let (Some(recipes), Some(recipe), false) = (&self.recipes, &recipe, descriptor.media_type.is_document())
            && let Some(path) = put_recipe(recipes, recipe, self.key.as_ref(), self.blobs.options())?
        {
            return Ok(path);
        }
        if let Some(file) = blob.file().filter(|file| is_blob(file, descriptor.size)) {
            blob.checked()?;
            // A link is the fastest copy, but it is the same file with the same mode.
            let ours = fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o7777 == 0o644);
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

    /// Whether the blob is in its place already. Its name and size are not enough: its bytes may have been damaged, and
    /// then it is replaced. What this process put there, it does not hash again.
    pub(crate) fn has(&self, path: &Path, blob: &dyn Blob) -> bool {
        is_blob(path, blob.descriptor().size)
            && (blob.file() == Some(path) || self.blobs.checked(path, blob.descriptor()).is_ok())
    }

    /// Puts the blob's bytes, which are checked on the way, in its place, whatever is there.
    pub(crate) fn replace(&self, blob: &dyn Blob) -> Result<()> {
        let mut new = self.blobs.new_blob()?;
        chunks::copy(blob, &mut new)?;
        self.blobs.keep(new, blob.descriptor().digest).map(drop)
    }
}

/// Puts a recipe in the place of a blob, unless it is one that nobody would read.
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
    let file = Temporary::new_in(recipes)?;
    file.file().write_all(&bytes).map_err(Error::write(&path))?;
    file.persist(&path, options)?;
    Ok(Some(path))
}

/// Whether this is a regular file of this size.
fn is_blob(path: &Path, size: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == size)
}
