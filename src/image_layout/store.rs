//! Blobs of a layout, put in place whole: written beside their place under a temporary name, and renamed.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    blob::Blob,
    chunks::Chunks,
    descriptor::Descriptor,
    digest::{Digest, Hasher},
    error::{Error, Result},
    image_layout::{
        WriteOptions,
        files::{MAX_RECIPE, RECIPES},
        lock::Lock,
    },
    new_file::Temporary,
    pool::Pool,
    recipe::Recipe,
};

/// `blobs/sha256` of a layout that may not have an index yet. As long as this lives nobody collects blobs there.
#[derive(Debug)]
pub(crate) struct BlobStore {
    blobs: PathBuf,
    /// Where recipes go in the place of blobs, in a sparse layout.
    recipes: Option<PathBuf>,
    options: WriteOptions,
    _lock: Option<Lock>,
}

impl BlobStore {
    /// The folder, made if it is not there.
    pub(crate) fn create(layout: &Path, options: WriteOptions) -> Result<Self> {
        let blobs = layout.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(Error::write(&blobs))?;
        Ok(Self { blobs, recipes: None, options, _lock: Lock::shared(layout, options)? })
    }

    /// The same of a layout that is sparse, or becomes it.
    pub(crate) fn create_sparse(layout: &Path, options: WriteOptions) -> Result<Self> {
        let recipes = layout.join(RECIPES);
        fs::create_dir_all(&recipes).map_err(Error::write(&recipes))?;
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

    /// A blob to be written, whose digest is known only at its end.
    pub(crate) fn new_blob(&self) -> Result<NewBlob> {
        let file = Temporary::new_in(&self.blobs)?;
        Ok(NewBlob { file, folder: self.blobs.clone() })
    }

    /// Puts the blob in its place.
    pub(crate) fn keep(&self, blob: NewBlob, digest: Digest) -> Result<PathBuf> {
        let path = self.path(digest);
        blob.file.persist(&path, self.options)?;
        Ok(path)
    }

    /// Takes a blob in, and returns its file: its recipe if the layout is sparse, otherwise its file if it has one, or else
    /// its bytes, which are checked on the way. What has to be made is made by these threads. The file's contents are
    /// synced then.
    pub(crate) fn put(&self, blob: &dyn Blob, pool: &Pool) -> Result<PathBuf> {
        let descriptor = blob.descriptor();
        let path = self.path(descriptor.digest);
        if is_blob(&path, descriptor.size) {
            // Whoever wrote it may not have synced it.
            self.options.sync_path(&path)?;
            return Ok(path);
        }
        let recipe = blob.recipe();
        if let (Some(recipes), Some(recipe), false) = (&self.recipes, &recipe, descriptor.media_type.is_document())
            && let Some(path) = put_recipe(recipes, recipe, self.options)?
        {
            return Ok(path);
        }
        if let Some(file) = blob.file().filter(|file| is_blob(file, descriptor.size)) {
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
            check(descriptor, copied, None)?;
            return self.keep(new, descriptor.digest);
        }
        let mut new = self.new_blob()?;
        let made = recipe.map_or(Ok(false), |recipe| recipe.make(pool, &mut new));
        if !made.map_err(|error| new.name_error(error))? {
            let (digest, size) = copy(blob, &mut new).map_err(|error| new.name_error(error))?;
            check(descriptor, size, Some(digest))?;
        }
        self.keep(new, descriptor.digest)
    }

    /// Puts the blob's bytes, which are checked on the way, in its place, whatever is there.
    pub(crate) fn replace(&self, blob: &dyn Blob) -> Result<()> {
        let mut new = self.new_blob()?;
        let (digest, size) = copy(blob, &mut new).map_err(|error| new.name_error(error))?;
        check(blob.descriptor(), size, Some(digest))?;
        self.keep(new, digest).map(drop)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }
}

/// Puts a recipe in the place of a blob, unless it is one that nobody would read.
fn put_recipe(recipes: &Path, recipe: &Recipe, options: WriteOptions) -> Result<Option<PathBuf>> {
    let bytes = recipe.to_bytes()?;
    if bytes.len() as u64 > MAX_RECIPE {
        return Ok(None);
    }
    let path = recipes.join(format!("{}.json", recipe.descriptor().digest.hex()));
    let file = Temporary::new_in(recipes)?;
    file.file().write_all(&bytes).map_err(Error::write(&path))?;
    file.persist(&path, options)?;
    Ok(Some(path))
}

/// Copies the blob's bytes, and returns their digest and number. One byte more than the descriptor says is copied at
/// most: enough to know that there are too many.
fn copy(blob: &dyn Blob, to: &mut impl Write) -> Result<(Digest, u64)> {
    let descriptor = blob.descriptor();
    let unreadable = |cause: io::Error| Error::blob(descriptor.digest, cause);
    let mut source = blob.open()?.take(descriptor.size.saturating_add(1));
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => {
                hasher.update(&buffer[..n]);
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
    check(blob.descriptor(), size, Some(digest))
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

/// Whether this is the blob, by its bytes.
pub(crate) fn is_whole(path: &Path, descriptor: &Descriptor) -> bool {
    let is_right = |file| Chunks::new(descriptor, Box::new(file)).all(|chunk| chunk.is_ok());
    is_blob(path, descriptor.size) && File::open(path).is_ok_and(is_right)
}

/// Whether these are the blob's size and digest.
pub(crate) fn check(descriptor: &Descriptor, size: u64, digest: Option<Digest>) -> Result<()> {
    let damaged = |expected: String, actual: String| Error::BlobDamaged { digest: descriptor.digest, expected, actual };
    if size != descriptor.size {
        let actual = if size > descriptor.size { "more".to_owned() } else { size.to_string() };
        return Err(damaged(format!("{} bytes", descriptor.size), actual));
    }
    match digest {
        Some(digest) if digest != descriptor.digest => Err(damaged(descriptor.digest.to_string(), digest.to_string())),
        _ => Ok(()),
    }
}
