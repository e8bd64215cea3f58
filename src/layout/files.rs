//! The files of a layout, in a folder or an archive.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{Digest, Error, Result},
    blob::{Blob, chunks},
    document::{Descriptor, MAX_DOCUMENT, MAX_RECIPE, blob_name, recipe_name},
    layout::{archive::Archive, open_archive},
    pool::Pool,
    recipe::{Recipe, RecipeTrust},
    store::{Beneath, CheckedFile, FileBytes, FileKind, KnownFiles, beneath},
};

/// Reads the files of a layout.
#[derive(Clone, Debug)]
pub(crate) struct LayoutFiles {
    /// The folder or archive.
    pub(crate) path: PathBuf,
    archive: Option<Arc<Archive>>,
    /// The folder in which a compressed archive was unpacked.
    #[cfg_attr(
        not(feature = "registry"),
        expect(dead_code, reason = "a registry opens the layout again")
    )]
    pub(crate) scratch: Option<PathBuf>,
    /// The threads that build blobs from recipes.
    pub(crate) pool: Option<Pool>,
    /// Which recipes are followed.
    pub(crate) trust: RecipeTrust,
    /// The files that were hashed before.
    pub(crate) known: Arc<KnownFiles>,
}

impl LayoutFiles {
    /// Opens a layout. A compressed archive is unpacked in the scratch folder.
    pub(crate) fn open(path: &Path, scratch: Option<&Path>) -> Result<Self> {
        let files = Self::open_damaged(path, scratch)?;
        let Some(archive) = &files.archive else { return Ok(files) };
        match &archive.damage {
            Some(reason) if archive.members.is_empty() && !archive.is_opaque => {
                Err(Error::not_a_layout(path, reason))
            }
            Some(reason) => Err(Error::layout(path, reason)),
            None => Ok(files),
        }
    }

    /// As [`LayoutFiles::open`], but an archive that cannot be read to its end has the files before
    /// the damage.
    pub(crate) fn open_damaged(path: &Path, scratch: Option<&Path>) -> Result<Self> {
        let metadata = path.metadata().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => Error::not_a_layout(
                path,
                "does not exist: give the folder of an image layout, or an archive of images",
            ),
            _ => Error::read(path)(cause),
        })?;
        let archive = match FileKind::from(metadata.file_type()) {
            FileKind::Folder => None,
            FileKind::File => Some(Arc::new(open_archive::open(path, scratch)?)),
            FileKind::Other(kind) => {
                let reason = format!(
                    "is a {kind}: give the folder of an image layout, or an archive of images"
                );
                return Err(Error::not_a_layout(path, reason));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            archive,
            scratch: scratch.map(Path::to_owned),
            pool: None,
            trust: RecipeTrust::default(),
            known: Arc::default(),
        })
    }

    /// Returns the folder; `None` for an archive.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.archive.is_none().then_some(&*self.path)
    }

    /// Opens a file and returns it with its size; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if it is not a regular file inside the layout. Links are not followed.
    pub(crate) fn file(&self, name: &str) -> Result<Option<(Box<dyn Read + Send>, u64)>> {
        match &self.archive {
            None => {
                let found = self.regular(name)?;
                Ok(found.map(|found| {
                    (Box::new(found.file) as Box<dyn Read + Send>, found.metadata.len())
                }))
            }
            Some(archive) => Ok(archive
                .file(name)
                .map(|(reader, size)| (Box::new(reader) as Box<dyn Read + Send>, size))),
        }
    }

    /// Verifies a blob that is stored as a file, and returns that file; `None` if there is no such
    /// file.
    ///
    /// # Errors
    ///
    /// As [`LayoutFiles::file`], and [`Error::BlobDamaged`].
    pub(crate) fn checked(&self, descriptor: &Descriptor) -> Result<Option<CheckedFile>> {
        let name = blob_name(descriptor.digest);
        let bytes = match &self.archive {
            None => self.regular(&name)?.map(|Beneath { file, metadata }| {
                FileBytes::new(file, 0, metadata.len(), &self.path.join(&name))
            }),
            Some(archive) => archive.file_bytes(&name, &self.path),
        };
        bytes.map(|bytes| self.known.check(bytes, descriptor)).transpose()
    }

    /// Opens a regular file of the folder; `None` if it does not exist.
    fn regular(&self, name: &str) -> Result<Option<Beneath>> {
        match Beneath::read(&self.path, name) {
            Ok(Some(found)) if !found.metadata.is_file() => {
                let kind = FileKind::from(found.metadata.file_type()).name();
                let reason = format!(
                    "is a {kind}, but every file of a layout must be a regular file inside it: \
                     make or fetch the layout again"
                );
                Err(Error::layout(self.path.join(name), reason))
            }
            Ok(found) => Ok(found),
            Err(cause) => Err(beneath::unreadable(&self.path, name, cause)),
        }
    }

    /// Returns the kind of a file, without following links; `None` if it does not exist.
    pub(crate) fn kind(&self, name: &str) -> io::Result<Option<FileKind>> {
        match &self.archive {
            None => {
                Ok(Beneath::look(&self.path, name)?.map(|found| found.metadata.file_type().into()))
            }
            Some(archive) => Ok(archive.kind(name)),
        }
    }

    /// Returns the names in a folder, sorted. Invalid UTF-8 is replaced.
    pub(crate) fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = match &self.archive {
            Some(archive) => archive.names_in(folder).map(str::to_owned).collect(),
            None => beneath::names(&self.path, folder)?,
        };
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Returns the archive, if the layout is one.
    pub(crate) fn archive(&self) -> Option<&Archive> {
        self.archive.as_deref()
    }

    /// Reads a document and verifies it against its descriptor.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let what = blob_name(descriptor.digest);
        let Some((file, size)) = self.file(&what)? else {
            return Err(Error::BlobMissing { path: self.path.clone(), digest: descriptor.digest });
        };
        descriptor.check(size, None)?;
        chunks::read_document_from(descriptor, file)
    }

    /// Reads the recipe of a blob if it exists, trusted or not.
    pub(crate) fn recipe(&self, digest: Digest) -> Result<Option<Recipe>> {
        let name = recipe_name(digest);
        let Some((mut file, size)) = self.file(&name)? else { return Ok(None) };
        let bytes = self.read_small(&name, &mut file, size, MAX_RECIPE)?;
        let recipe = Recipe::from_bytes(&bytes).map_err(|error| match error {
            Error::Invalid { what, reason } => {
                Error::invalid(format!("{:?}, {what}", self.path.join(&name)), reason)
            }
            other => other,
        })?;
        match recipe.descriptor().digest == digest {
            true => Ok(Some(recipe)),
            false => Err(Error::layout(
                self.path.join(&name),
                format!(
                    "is the recipe of another blob, {}: make the image again",
                    recipe.descriptor().digest
                ),
            )),
        }
    }

    /// Whether the blob or its recipe exists.
    pub(crate) fn has_blob(&self, digest: Digest) -> bool {
        let names = [blob_name(digest), recipe_name(digest)];
        names.iter().any(|name| matches!(self.kind(name), Ok(Some(FileKind::File))))
    }

    /// Returns the file and the offset at which a blob is stored contiguously.
    fn place(&self, digest: Digest) -> Option<(PathBuf, u64)> {
        let name = blob_name(digest);
        match &self.archive {
            Some(archive) => archive.offset(&name).map(|offset| (self.path.clone(), offset)),
            None => {
                let is_file = matches!(self.kind(&name), Ok(Some(FileKind::File)));
                is_file.then(|| (self.path.join(name), 0))
            }
        }
    }

    /// Reads a small file that is not a blob.
    pub(crate) fn small_file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((mut file, size)) = self.file(name)? else { return Ok(None) };
        self.read_small(name, &mut file, size, MAX_DOCUMENT).map(Some)
    }

    /// Whether the file exists and has these bytes. Compares in small pieces, because fresh memory
    /// costs more than reading.
    pub(crate) fn holds(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let Some((mut file, size)) = self.file(name)? else { return Ok(false) };
        if size != bytes.len() as u64 {
            return Ok(false);
        }
        let mut buffer = [0; 16 << 10];
        for expected in bytes.chunks(buffer.len()) {
            let part = &mut buffer[..expected.len()];
            match file.read_exact(part) {
                Ok(()) if part == expected => {}
                Ok(()) => return Ok(false),
                Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(cause) => return Err(Error::read(self.path.join(name))(cause)),
            }
        }
        Ok(true)
    }

    fn read_small(
        &self,
        name: &str,
        reader: &mut impl Read,
        size: u64,
        most: u64,
    ) -> Result<Vec<u8>> {
        if size > most {
            let reason = format!(
                "has {size} bytes, more than the maximum of {most}: make or fetch the layout again"
            );
            return Err(Error::layout(self.path.join(name), reason));
        }
        // One extra byte, so that reaching the end needs no larger buffer.
        let mut bytes = Vec::with_capacity(size as usize + 1);
        reader.take(most).read_to_end(&mut bytes).map_err(Error::read(self.path.join(name)))?;
        Ok(bytes)
    }
}

/// A blob of a layout that is read. It does not expose its file, because its bytes are not
/// verified.
#[derive(Clone, Debug)]
pub(crate) struct LayoutBlob {
    pub(crate) files: Arc<LayoutFiles>,
    pub(crate) descriptor: Descriptor,
}

impl LayoutBlob {
    /// Returns the recipe of the blob, if it matches the descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::RecipeUntrusted`] if it may not be followed, and any error from reading it.
    pub(crate) fn in_its_place(&self) -> Result<Option<Recipe>> {
        let Some(recipe) = self.files.recipe(self.descriptor.digest)? else { return Ok(None) };
        self.descriptor.check(recipe.descriptor().size, None)?;
        self.files
            .trust
            .check(&recipe, &self.files.path.join(recipe_name(self.descriptor.digest)))?;
        let recipe = recipe.known(&self.files.known);
        Ok(Some(match &self.files.pool {
            Some(pool) => recipe.pool(pool),
            None => recipe,
        }))
    }

    fn recipe_or_missing(&self) -> Result<Recipe> {
        let missing =
            || Error::BlobMissing { path: self.files.path.clone(), digest: self.descriptor.digest };
        self.in_its_place()?.ok_or_else(missing)
    }
}

impl Blob for LayoutBlob {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self.files.file(&blob_name(self.descriptor.digest))? {
            Some((reader, _)) => Ok(reader),
            None => self.recipe_or_missing()?.open(),
        }
    }

    fn checked(&self) -> Result<Option<CheckedFile>> {
        match self.files.checked(&self.descriptor)? {
            Some(file) => Ok(Some(file)),
            // The blob is in an archive, but not contiguously in a file.
            None if self.files.archive.is_some()
                && self.files.file(&blob_name(self.descriptor.digest))?.is_some() =>
            {
                Ok(None)
            }
            None => self.recipe_or_missing()?.checked(),
        }
    }

    fn recipe(&self) -> Option<Recipe> {
        match self.files.place(self.descriptor.digest) {
            Some((file, offset)) => {
                let recipe = Recipe::of_file(self.descriptor.clone(), file, offset).ok()?;
                Some(recipe.known(&self.files.known))
            }
            None => self.in_its_place().ok().flatten(),
        }
    }
}
