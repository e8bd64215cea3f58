//! Reads an existing layout: its index, its documents and its blobs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use crate::{
    basics::{Digest, Error, Result, json},
    blob::Blob,
    document::{
        Descriptor, INDEX, Index, MARKER, Manifest, MediaType, RECIPES, REF_NAME, recipe_name,
    },
    layout::files::{LayoutBlob, LayoutFiles},
    pool::Pool,
    recipe::RecipeTrust,
    store::{FileKind, KnownFiles, WriteOptions},
};

/// An image layout in a folder or an archive, as it was when it was opened.
#[derive(Clone, Debug)]
pub struct ImageLayout {
    pub(crate) files: Arc<LayoutFiles>,
    pub(crate) index_bytes: Vec<u8>,
    /// The parsed index. It is parsed on first use, because appending to an index of thousands of
    /// images does not need it.
    pub(crate) index: OnceLock<Index>,
    pub(crate) write: WriteOptions,
}

impl ImageLayout {
    /// Opens a folder, an oci-archive (a tar of such a folder) or a docker-archive (as written by
    /// `docker save` and `podman save`). Only the index is read; it is parsed on first use.
    ///
    /// A docker-archive is presented as a layout of its images: configurations and layers keep
    /// their bytes from the tar and get OCI media types, and each image gets a manifest derived
    /// from them. Compressed layers are read once to compute their digests.
    ///
    /// # Errors
    ///
    /// [`Error::NotALayout`] if the path is not an image layout; [`Error::Layout`] for a damaged
    /// one, and for an archive that is compressed as a whole (see [`ImageLayout::open_in`]);
    /// [`Error::Read`] if it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_files(LayoutFiles::open(path.as_ref(), None)?)
    }

    /// As [`ImageLayout::open`], but also opens an archive that is compressed with gzip or zstd.
    /// The archive is unpacked into an unnamed file in the scratch folder. That file takes its full
    /// unpacked size until this value and everything obtained from it are dropped. The unpacked
    /// size is limited to 100 times the size of the archive, or 1 GiB if that is more.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::open`], and [`Error::Write`] for the scratch folder.
    pub fn open_in(path: impl AsRef<Path>, scratch: impl AsRef<Path>) -> Result<Self> {
        Self::open_files(LayoutFiles::open(path.as_ref(), Some(scratch.as_ref()))?)
    }

    fn open_files(files: LayoutFiles) -> Result<Self> {
        let files = Arc::new(files);
        let index_bytes = read_index(&files)?;
        Ok(Self { files, index_bytes, index: OnceLock::new(), write: WriteOptions::default() })
    }

    /// Sets the thread pool that builds layers from recipes in a sparse layout. The default has as
    /// many threads as this process may run at once.
    pub fn pool(mut self, pool: &Pool) -> Self {
        Arc::make_mut(&mut self.files).pool = Some(pool.clone());
        self
    }

    /// Sets which recipes are followed, and the key that seals the recipes written by
    /// [`ImageLayout::append`]. By default, only recipes that read nothing outside the Nix store
    /// are followed.
    pub fn trust(mut self, trust: RecipeTrust) -> Self {
        Arc::make_mut(&mut self.files).trust = trust;
        self
    }

    /// Records in this folder which files were hashed, so that later processes hash a blob file
    /// again only after it changes. Without this record, each process hashes the file itself. The
    /// folder must belong to the user, because its contents are trusted.
    pub fn remember_checks(self, folder: impl Into<PathBuf>) -> Self {
        self.with_known(Arc::new(KnownFiles::in_folder(folder.into())))
    }

    pub(crate) fn with_known(mut self, known: Arc<KnownFiles>) -> Self {
        Arc::make_mut(&mut self.files).known = known;
        self
    }

    /// Whether the layout is sparse: appended images get recipes instead of blobs.
    pub fn is_sparse(&self) -> bool {
        matches!(self.files.kind(RECIPES), Ok(Some(FileKind::Folder)))
    }

    /// Checks that every recipe of the layout may be followed. Skips files that are not valid
    /// recipes; reading their blobs reports what is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::RecipeUntrusted`] for the first recipe that may not be followed, and
    /// [`Error::Read`] if a folder cannot be read.
    pub fn check_trust(&self) -> Result<()> {
        let names = match self.files.kind(RECIPES) {
            Ok(None) => return Ok(()),
            _ => self.files.names(RECIPES).map_err(Error::read(self.path().join(RECIPES)))?,
        };
        for name in names {
            let digest =
                name.strip_suffix(".json").and_then(|hex| format!("sha256:{hex}").parse().ok());
            if let Some((digest, recipe)) =
                digest.and_then(|digest| Some((digest, self.files.recipe(digest).ok()??)))
            {
                self.files.trust.check(&recipe, &self.path().join(recipe_name(digest)))?;
            }
        }
        Ok(())
    }

    /// Sets how edits are written: which writes survive a power loss, and whether locks keep other
    /// writers out.
    pub fn write_options(self, write: WriteOptions) -> Self {
        Self { write, ..self }
    }

    /// Returns the path of the folder or archive.
    pub fn path(&self) -> &Path {
        &self.files.path
    }

    /// Returns the contents of `index.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if it is not a valid image index. Every method that looks up images then
    /// returns this error.
    pub fn index(&self) -> Result<&Index> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = parse_index(&self.files, &self.index_bytes)?;
        Ok(self.index.get_or_init(|| index))
    }

    /// Returns the tags in the order of the index.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::index`].
    pub fn tags(&self) -> Result<Vec<&str>> {
        let tags =
            self.index()?.manifests.iter().filter_map(|entry| entry.annotations.get(REF_NAME));
        Ok(tags.map(String::as_str).collect())
    }

    /// Returns the artifacts in the index: manifests with an artifact type.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::index`]; [`Error::BlobMissing`] and [`Error::BlobDamaged`] for a manifest.
    pub fn artifacts(&self) -> Result<Vec<(Descriptor, Manifest)>> {
        let mut artifacts = Vec::new();
        for entry in self.index()?.manifests.iter().filter(|entry| entry.media_type.is_manifest()) {
            let manifest: Manifest = self.read(entry)?;
            if manifest.artifact_type.is_some()
                || manifest.config.media_type.to_oci() != MediaType::CONFIG
            {
                artifacts.push((entry.clone(), manifest));
            }
        }
        Ok(artifacts)
    }

    /// Returns the manifests in the index whose `subject` is the manifest with this digest: the
    /// artifacts that are attached to an image.
    ///
    /// # Errors
    ///
    /// As [`ImageLayout::artifacts`].
    pub fn referrers(&self, digest: Digest) -> Result<Vec<(Descriptor, Manifest)>> {
        let mut referrers = Vec::new();
        for entry in self.index()?.manifests.iter().filter(|entry| entry.media_type.is_manifest()) {
            let manifest: Manifest = self.read(entry)?;
            if manifest.subject.as_ref().is_some_and(|subject| subject.digest == digest) {
                referrers.push((entry.clone(), manifest));
            }
        }
        Ok(referrers)
    }

    /// Reads a document of the layout: an [`Index`], a [`Manifest`] or a
    /// [`Configuration`](crate::document::Configuration). Its size and digest are checked against the
    /// descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`], [`Error::BlobDamaged`], and [`Error::Layout`] if the blob is not
    /// such a document.
    pub fn read<T: serde::de::DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T> {
        parse(&self.files, descriptor)
    }

    /// Returns a blob that a document of the layout names. Reading it reports whether it is missing
    /// or does not match its descriptor.
    pub fn blob(&self, descriptor: &Descriptor) -> Arc<dyn Blob> {
        Arc::new(LayoutBlob { files: Arc::clone(&self.files), descriptor: descriptor.clone() })
    }
}

/// Reads the current bytes of the index.
pub(crate) fn read_index(files: &LayoutFiles) -> Result<Vec<u8>> {
    if files.small_file(MARKER)?.is_none() {
        return Err(Error::not_a_layout(
            &files.path,
            "is not an image layout, because it has no oci-layout file: give the folder of an \
             image layout, or an archive of images",
        ));
    }
    let bytes = files.small_file(INDEX)?;
    bytes.ok_or_else(|| {
        let reason = "has no index.json, because it is incomplete: make or fetch it again";
        Error::layout(&files.path, reason)
    })
}

pub(crate) fn parse_index<'a, T: serde::Deserialize<'a>>(
    files: &LayoutFiles,
    bytes: &'a [u8],
) -> Result<T> {
    json::from_slice(bytes).map_err(|error| {
        let reason = format!("is not an image index ({error}): make or fetch the layout again");
        Error::layout(files.path.join(INDEX), reason)
    })
}

fn parse<T: serde::de::DeserializeOwned>(
    files: &LayoutFiles,
    descriptor: &Descriptor,
) -> Result<T> {
    let bytes = files.document(descriptor)?;
    json::from_slice(&bytes).map_err(|error| {
        let reason = format!(
            "has a blob {} that cannot be read as {} ({error}): make or fetch the image again",
            descriptor.digest, descriptor.media_type
        );
        Error::layout(&files.path, reason)
    })
}
