//! Decides which recipes are followed: a recipe names files of this machine, and a stranger may
//! have written it.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    basics::{Error, Result},
    recipe::origin::{Origin, Recipe},
};

/// Which recipes of a layout are followed. Other recipes are an error, which names the file that
/// the recipe would read.
///
/// A recipe is followed if one of these conditions holds:
///
/// - It has the seal of the [`RecipeKey`] of this value: this user wrote it on this machine.
/// - All files that it reads are below the roots of this value. The Nix store is a root by default,
///   because everyone can read it.
/// - All recipes are trusted.
///
/// Paths are compared with the roots after resolving links. A user who can change files below a
/// root can change them between the comparison and the read. The bytes are only returned if they
/// have the digest in the recipe.
///
/// ```
/// use oci_layout::{ImageLayout, RecipeTrust};
/// # use oci_layout::{Image, image_layout};
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("image");
/// # image_layout(&dir, [] as [Image; 0], serde_json::json!({}))?;
/// let layout = ImageLayout::open(dir)?.trust(RecipeTrust::default().root("/srv/sources"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RecipeTrust {
    all: bool,
    roots: Vec<PathBuf>,
    key: Option<RecipeKey>,
}

/// Trusts the Nix store.
impl Default for RecipeTrust {
    fn default() -> Self {
        Self { all: false, roots: vec!["/nix/store".into()], key: None }
    }
}

impl RecipeTrust {
    /// Follows all recipes, whoever wrote them. They can read everything that this process can
    /// read.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Adds a folder below which recipes may read files.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.roots.push(folder.into());
        self
    }

    /// Sets the key whose recipes are followed.
    pub fn key(self, key: RecipeKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The key that seals new recipes.
    pub(crate) fn sealing_key(&self) -> Option<&RecipeKey> {
        self.key.as_ref()
    }

    /// Checks whether a recipe that was read from this file is followed.
    ///
    /// # Errors
    ///
    /// [`Error::RecipeUntrusted`] if not.
    pub(crate) fn check(&self, recipe: &Recipe, file: &Path) -> Result<()> {
        if self.all || self.key.as_ref().is_some_and(|key| key.has_sealed(recipe)) {
            return Ok(());
        }
        match self.outside(recipe) {
            None => Ok(()),
            Some(source) => Err(Error::RecipeUntrusted { recipe: file.to_owned(), reads: source }),
        }
    }

    /// Whether a path leads below a root.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the program uses it"))]
    pub(crate) fn covers(&self, path: &Path) -> bool {
        self.all || is_below(path, &self.canonical_roots())
    }

    /// The first file outside of the roots that a recipe reads.
    fn outside(&self, recipe: &Recipe) -> Option<PathBuf> {
        let roots = self.canonical_roots();
        let outside = |path: &Path| (!is_below(path, &roots)).then(|| path.to_owned());
        match &recipe.origin {
            Origin::File { path, .. } => outside(path),
            Origin::Tar { spec, .. } => {
                spec.files.iter().filter_map(|file| file.source.path()).find_map(outside)
            }
        }
    }

    fn canonical_roots(&self) -> Vec<PathBuf> {
        self.roots.iter().filter_map(|root| resolved(root)).collect()
    }
}

fn is_below(path: &Path, roots: &[PathBuf]) -> bool {
    resolved(path).is_some_and(|path| roots.iter().any(|root| path.starts_with(root)))
}

/// Resolves all links of a path. A path that does not exist stays as it is, so that reading it
/// reports that it vanished. Returns `None` for a dangling link, and for a path whose parent does
/// not exist.
fn resolved(path: &Path) -> Option<PathBuf> {
    match path.canonicalize() {
        Ok(path) => Some(path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Some(resolved(path.parent()?)?.join(path.file_name()?))
        }
        Err(_) => None,
    }
}

/// A secret of this user, which identifies recipes that this user wrote on this machine.
///
/// A recipe that is written with it has a seal: a message authentication code (HMAC with SHA-256)
/// of the recipe. A stranger can neither make a seal nor change a sealed recipe. A stranger who
/// received a sealed recipe can return it, but it still describes the same blob.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipeKey([u8; 32]);

impl RecipeKey {
    /// Reads the key from a file. Returns `None` if the file does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the file cannot be read. [`Error::Invalid`] if it has another length,
    /// belongs to another user, or is readable by other users.
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let mut file = match fs::File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Error::read(path))?,
        };
        let metadata = file.metadata().map_err(Error::read(path))?;
        let refuse = |reason: &str| Err(Error::invalid(format!("recipe key {path:?}"), reason));
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return refuse("it belongs to another user: remove it, and a new key will be created");
        }
        if metadata.mode() & 0o077 != 0 {
            return refuse("other users can read it: remove it, and a new key will be created");
        }
        let mut key = [0; 32];
        match file.read_exact(&mut key) {
            Ok(()) if metadata.len() == 32 => Ok(Some(Self(key))),
            Err(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
                Err(Error::read(path)(cause))
            }
            _ => refuse("it does not have 32 bytes: remove it, and a new key will be created"),
        }
    }

    /// Reads the key from a file. Creates the file and its folder if they do not exist.
    ///
    /// # Errors
    ///
    /// The same as [`RecipeKey::open`], and [`Error::Write`].
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(key) = Self::open(path)? {
            return Ok(key);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Error::write(path)(io::Error::other(error)))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::write(folder))?;
        let private = fs::Permissions::from_mode(0o600);
        let file = tempfile::Builder::new()
            .permissions(private)
            .tempfile_in(folder)
            .map_err(Error::write(folder))?;
        file.as_file()
            .write_all(&key)
            .and_then(|()| file.as_file().sync_all())
            .map_err(Error::write(path))?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(Self(key)),
            // Another process was faster, so its key counts.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Self::open(path)?.ok_or_else(|| Error::read(path)(io::ErrorKind::NotFound.into()))
            }
            Err(error) => Err(Error::write(path)(error.error)),
        }
    }

    /// Computes the seal of a recipe.
    ///
    /// # Errors
    ///
    /// The same as [`Recipe::to_bytes`].
    pub(crate) fn seal(&self, recipe: &Recipe) -> Result<[u8; 32]> {
        Ok(self.mac(recipe)?.finalize().into_bytes().into())
    }

    fn has_sealed(&self, recipe: &Recipe) -> bool {
        let mac = recipe.seal.and_then(|seal| Some((seal, self.mac(recipe).ok()?)));
        mac.is_some_and(|(seal, mac)| mac.verify_slice(&seal).is_ok())
    }

    fn mac(&self, recipe: &Recipe) -> Result<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is one");
        Ok(mac.chain_update("oci-layout recipe\n").chain_update(recipe.to_bytes()?))
    }
}

/// Omits the secret.
impl fmt::Debug for RecipeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipeKey").finish_non_exhaustive()
    }
}
