//! Blobs of a layout, put in place whole: written beside their place under a temporary name, and renamed.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    blob::Blob,
    checked::{CheckedFile, FileBytes, KnownFiles},
    descriptor::Descriptor,
    digest::{Digest, Hasher},
    error::{Error, Result},
    image_layout::{
        beneath,
        files::{MAX_RECIPE, RECIPES},
        lock::Lock,
    },
    layer_tar::make_lazy,
    new_file::Temporary,
    pool::Pool,
    recipe::{Recipe, RecipeKey, RecipeTrust},
    write_options::WriteOptions,
};

/// `blobs/sha256` of a layout that may not have an index yet. As long as this lives nobody collects blobs there.
#[derive(Debug)]
pub(crate) struct BlobStore {
    blobs: PathBuf,
    /// Where recipes go in the place of blobs, in a sparse layout.
    recipes: Option<PathBuf>,
    /// With which recipes are sealed.
    key: Option<RecipeKey>,
    known: Arc<KnownFiles>,
    options: WriteOptions,
    _lock: Option<Lock>,
}

impl BlobStore {
    /// The folder, made if it is not there.
    pub(crate) fn create(layout: &Path, options: WriteOptions) -> Result<Self> {
        let blobs = layout.join("blobs/sha256");
        create_folder(layout, "blobs/sha256")?;
        let lock = Lock::shared(layout, options)?;
        Ok(Self { blobs, recipes: None, key: None, known: Arc::default(), options, _lock: lock })
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
        for folder in [Some(&self.blobs), self.recipes.as_ref()].into_iter().flatten() {
            // The folder itself, the one of all algorithms, and the layout.
            folder.ancestors().take(3).try_for_each(|folder| match folder.as_os_str().is_empty() {
                true => self.options.sync_folder(Path::new(".")),
                false => self.options.sync_folder(folder),
            })?;
        }
        Ok(())
    }

    /// Sets the key with which recipes are sealed, and the record of files that were hashed before.
    pub(crate) fn knowing(self, trust: &RecipeTrust, known: &Arc<KnownFiles>) -> Self {
        Self { key: trust.sealing_key().cloned(), known: Arc::clone(known), ..self }
    }

    /// A blob of this layout, all its bytes checked.
    pub(crate) fn checked(&self, path: &Path, descriptor: &Descriptor) -> Result<CheckedFile> {
        self.known.check(FileBytes::open(path)?, descriptor)
    }

    /// A blob to be written, whose digest is known only at its end.
    pub(crate) fn new_blob(&self) -> Result<NewBlob> {
        let file = Temporary::new_in(&self.blobs)?;
        Ok(NewBlob { file, folder: self.blobs.clone() })
    }

    /// Puts the blob in its place.
    pub(crate) fn keep(&self, blob: NewBlob, digest: Digest) -> Result<PathBuf> {
        let path = self.path(digest);
        let file = blob.file.persist(&path, self.options)?;
        self.known.add(&file, digest);
        Ok(path)
    }

    /// Takes a blob in, and returns its file: its recipe if the layout is sparse, otherwise its file if it has one, or else
    /// its bytes, which are checked on the way. What has to be made is made by these threads. The file's contents are
    /// synced then.
    pub(crate) fn put(&self, blob: &dyn Blob, pool: &Pool) -> Result<PathBuf> {
        let descriptor = blob.descriptor();
        let path = self.path(descriptor.digest);
        if self.has(&path, blob) {
            // Whoever wrote it may not have synced it.
            self.options.sync_path(&path)?;
            return Ok(path);
        }
        let recipe = blob.recipe();
        if let (Some(recipes), Some(recipe), false) = (&self.recipes, &recipe, descriptor.media_type.is_document())
            && let Some(path) = put_recipe(recipes, recipe, self.key.as_ref(), self.options)?
        {
            return Ok(path);
        }
        if let Some(file) = blob.file().filter(|file| is_blob(file, descriptor.size)) {
            blob.checked()?;
            // A link is the fastest copy, but it is the same file with the same mode.
            let ours = fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o7777 == 0o644);
            if ours {
                self.options.sync_path(file)?;
                if fs::hard_link(file, &path).is_ok() {
                    return Ok(path);
                }
            }
            let new = self.new_blob()?;
            let mut source = File::open(file).map_err(Error::read(file))?;
            // Between two files, the system copies, or shares blocks, by itself.
            let copied = io::copy(&mut source, &mut new.file.file()).map_err(Error::write(&path))?;
            descriptor.check(copied, None)?;
            return self.keep(new, descriptor.digest);
        }
        let mut new = self.new_blob()?;
        let made = recipe.map_or(Ok(false), |recipe| make_lazy(&recipe, pool, &mut new));
        if !made.map_err(|error| new.name_error(error))? {
            let (digest, size) = copy(blob, &mut new).map_err(|error| new.name_error(error))?;
            descriptor.check(size, Some(digest))?;
        }
        self.keep(new, descriptor.digest)
    }

    /// Whether the blob is in its place already. Its name and size are not enough: its bytes may have been damaged, and
    /// then it is replaced. What this process put there, it does not hash again.
    pub(crate) fn has(&self, path: &Path, blob: &dyn Blob) -> bool {
        is_blob(path, blob.descriptor().size)
            && (blob.file() == Some(path) || self.checked(path, blob.descriptor()).is_ok())
    }

    /// Puts the blob's bytes, which are checked on the way, in its place, whatever is there.
    pub(crate) fn replace(&self, blob: &dyn Blob) -> Result<()> {
        let mut new = self.new_blob()?;
        let (digest, size) = copy(blob, &mut new).map_err(|error| new.name_error(error))?;
        blob.descriptor().check(size, Some(digest))?;
        self.keep(new, digest).map(drop)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }
}

/// Makes a folder of the layout. A layout that has a link in its place may be a stranger's, and the link may lead to
/// another layout.
fn create_folder(layout: &Path, name: &str) -> Result<()> {
    let path = layout.join(name);
    fs::create_dir_all(&path).map_err(Error::write(&path))?;
    beneath::folder(layout, name).map(drop).map_err(|cause| beneath::unreadable(layout, name, cause))
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
    if bytes.len() as u64 > MAX_RECIPE {
        return Ok(None);
    }
    let path = recipes.join(format!("{}.json", recipe.descriptor().digest.hex()));
    let file = Temporary::new_in(recipes)?;
    file.file().write_all(&bytes).map_err(Error::write(&path))?;
    file.persist(&path, options)?;
    Ok(Some(path))
}

/// Copies the blob's bytes, and returns their digest and number. Those of a file were hashed before, and are not hashed
/// again. One byte more than the descriptor says is copied at most: enough to know that there are too many.
fn copy(blob: &dyn Blob, to: &mut impl Write) -> Result<(Digest, u64)> {
    let descriptor = blob.descriptor();
    let unreadable = |cause: io::Error| Error::blob(descriptor.digest, cause);
    let (source, mut hasher): (Box<dyn Read>, _) = match blob.checked()? {
        Some(file) => (Box::new(file), None),
        None => (blob.open()?, Some(Hasher::default())),
    };
    let mut source = source.take(descriptor.size.saturating_add(1));
    let mut buffer = vec![0; 256 << 10];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(hasher.map_or((descriptor.digest, descriptor.size), Hasher::finish)),
            Ok(n) => {
                hasher.iter_mut().for_each(|hasher| hasher.update(&buffer[..n]));
                to.write_all(&buffer[..n]).map_err(Error::write(""))?;
            }
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(unreadable(cause)),
        }
    }
}

/// Makes a file with the blob's bytes, checked on the way.
#[cfg(feature = "registry")]
pub(crate) fn write_blob(blob: &dyn Blob, path: &Path) -> Result<()> {
    let mut file = File::create_new(path).map_err(Error::write(path))?;
    let (digest, size) = copy(blob, &mut file).map_err(|error| match error {
        Error::Write { cause, .. } => Error::Write { path: path.to_owned(), cause },
        other => other,
    })?;
    blob.descriptor().check(size, Some(digest))
}

/// A blob while it is written. Dropped, it is gone.
pub(crate) struct NewBlob {
    file: Temporary,
    folder: PathBuf,
}

impl NewBlob {
    /// Puts the name of where it was written to into an error of a [`Write`].
    pub(crate) fn name_error(&self, error: Error) -> Error {
        match error {
            Error::Write { cause, .. } => Error::Write { path: self.folder.clone(), cause },
            other => other,
        }
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether this is a regular file of this size.
fn is_blob(path: &Path, size: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == size)
}
