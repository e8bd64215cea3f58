//! Whose recipes are followed: a recipe names files of this machine, and a stranger may have
//! written it.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    basics::error::{Error, Result},
    recipe::{
        mapping::{FileMapping, Source},
        origin::{Origin, Recipe},
    },
};

/// Which recipes of a layout are followed. Every other is an error that names the file that it
/// would read.
///
/// A recipe is followed if one of these holds:
///
/// - it has the seal of a [`RecipeKey`] that is given here: this user wrote it on this machine;
/// - all files that it reads lie below the roots that are given here, and the Nix store is one by
///   default: everybody may read it;
/// - all recipes are trusted.
///
/// Links in the paths are followed before they are compared with the roots. Who may change what
/// lies below a root can change it between the comparison and the read. What is read leaves only if
/// it has the digest that the recipe says.
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

/// The Nix store.
impl Default for RecipeTrust {
    fn default() -> Self {
        Self { all: false, roots: vec!["/nix/store".into()], key: None }
    }
}

impl RecipeTrust {
    /// All recipes are followed, whoever wrote them: they read what this process may read.
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

    /// The key, with which new recipes are sealed.
    pub(crate) fn sealing_key(&self) -> Option<&RecipeKey> {
        self.key.as_ref()
    }

    /// Whether a recipe that was read from this file is followed.
    ///
    /// # Errors
    ///
    /// [`Error::RecipeUntrusted`].
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

    /// The first file that a recipe reads outside of the roots.
    fn outside(&self, recipe: &Recipe) -> Option<PathBuf> {
        let roots = self.canonical_roots();
        let outside = |path: &Path| (!is_below(path, &roots)).then(|| path.to_owned());
        match &recipe.origin {
            Origin::File { path, .. } => outside(path),
            Origin::Tar { spec, .. } => spec.files.iter().filter_map(source).find_map(outside),
        }
    }

    fn canonical_roots(&self) -> Vec<PathBuf> {
        self.roots.iter().filter_map(|root| resolved(root)).collect()
    }
}

fn source(mapping: &FileMapping) -> Option<&Path> {
    match &mapping.source {
        Source::Path(path) | Source::Tar(path) => Some(path),
        _ => None,
    }
}

fn is_below(path: &Path, roots: &[PathBuf]) -> bool {
    resolved(path).is_some_and(|path| roots.iter().any(|root| path.starts_with(root)))
}

/// Where a path leads, with all links followed. What is not there is taken as it stands, so that
/// reading it says that it vanished; nothing is known of a dangling link, and of what lies above
/// something that is not there.
fn resolved(path: &Path) -> Option<PathBuf> {
    match path.canonicalize() {
        Ok(path) => Some(path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            Some(resolved(path.parent()?)?.join(path.file_name()?))
        }
        Err(_) => None,
    }
}

/// A secret of this user, by which the recipes that this user wrote on this machine are known
/// again.
///
/// A recipe that is written with it has a seal: a message authentication code (HMAC with sha256)
/// over the recipe. A stranger can neither make a seal nor change a sealed recipe. A stranger who
/// was given a sealed recipe can give it back: it still describes the same blob.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipeKey([u8; 32]);

impl RecipeKey {
    /// The key in this file; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]; [`Error::Invalid`] for a file that has another length, belongs to another
    /// user or can be read by other users.
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let mut file = match fs::File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Error::read(path))?,
        };
        let metadata = file.metadata().map_err(Error::read(path))?;
        let refuse = |reason: &str| Err(Error::invalid(format!("recipe key {path:?}"), reason));
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return refuse("it belongs to another user: remove it, and a new one is made");
        }
        if metadata.mode() & 0o077 != 0 {
            return refuse("other users may read it: remove it, and a new one is made");
        }
        let mut key = [0; 32];
        match file.read_exact(&mut key) {
            Ok(()) if metadata.len() == 32 => Ok(Some(Self(key))),
            Err(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => {
                Err(Error::read(path)(cause))
            }
            _ => refuse("it has another length than 32 bytes: remove it, and a new one is made"),
        }
    }

    /// The same, made with its folder if it is not there.
    ///
    /// # Errors
    ///
    /// As of [`RecipeKey::open`], and [`Error::Write`].
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
            // Another process was faster: its key counts.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Self::open(path)?.ok_or_else(|| Error::read(path)(io::ErrorKind::NotFound.into()))
            }
            Err(error) => Err(Error::write(path)(error.error)),
        }
    }

    /// The seal of a recipe.
    ///
    /// # Errors
    ///
    /// As of [`Recipe::to_bytes`].
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

/// Without the secret.
impl fmt::Debug for RecipeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipeKey").finish_non_exhaustive()
    }
}
