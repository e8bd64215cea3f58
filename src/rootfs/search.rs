//! Single files of an image, found without reading more of its layers than that takes.

pub(crate) mod layer;

use std::{fmt, io::Write, path::Path, sync::Arc};

use crate::{
    basics::error::{Error, Result},
    blob::traits::Blob,
    image::platform_image::PlatformImage,
    layer::{
        layer_files::File,
        merge::look::{Found, Looked, Wanted, look},
    },
    rootfs::{
        entry::{FileEntry, FileKind},
        search::layer::{Layer, Seen},
        unpack::{
            Skipped, UnpackOptions, Unpacking, set_directories, target::Target, writers::Writers,
        },
    },
    tarfile::{
        follow::{LinkFault, follow},
        path::LayerPath,
    },
};

/// Looks for single files of an image, and reads as little of its layers as possible: from the top
/// layer down, each only up to the entry that decides, and the contents in the same pass. The
/// digest of a layer that is not read to its end is not verified.
/// [`ImageFiles`](crate::rootfs::ImageFiles) reads and verifies all layers.
///
/// If a layer has several entries for a path, which the [specification] forbids, the first one
/// decides here, and the last one in a container.
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, layer_tar, rootfs::FileSearch};
/// let files = [FileMapping::text("8\n", "/opt/version"), FileMapping::symlink("opt", "/app")];
/// let mut search = FileSearch::new([layer_tar(files, LayerOptions::default())?]);
/// let mut contents = Vec::new();
/// search.copy("/app/version", &mut contents)?;
/// assert_eq!(contents, b"8\n");
/// # Ok::<_, oci_layout::Error>(())
/// ```
///
/// [specification]: https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#distributable-format
pub struct FileSearch(
    /// Lowest first.
    Vec<Layer>,
);

impl FileSearch {
    /// Looks in these layers, lowest first. Nothing is read yet.
    pub fn new<B: Blob + 'static>(layers: impl IntoIterator<Item = B>) -> Self {
        let layers = layers.into_iter().map(|layer| Arc::new(layer) as Arc<dyn Blob>);
        Self(layers.enumerate().map(|(number, blob)| Layer::new(number, blob)).collect())
    }

    /// Looks in an image for one platform.
    pub fn of(image: &PlatformImage) -> Self {
        Self::new(image.layers().iter().cloned())
    }

    /// The file at a path. Symbolic links on the way and at the end are followed, inside of the
    /// image.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the file does not exist, or if a link on the way leads nowhere, and the
    /// errors of reading the layers.
    pub fn get(&mut self, path: impl AsRef<Path>) -> Result<FileEntry> {
        self.resolve(path.as_ref(), Wanted::Entry).map(|(_, entry)| entry)
    }

    /// Whether a path leads to a directory. Often, the first file below it says so.
    ///
    /// # Errors
    ///
    /// As of [`FileSearch::get`].
    pub fn is_dir(&mut self, path: impl AsRef<Path>) -> Result<bool> {
        self.resolve(path.as_ref(), Wanted::Kind).map(|(_, entry)| entry.is_dir())
    }

    /// Writes the contents of a regular file.
    ///
    /// # Errors
    ///
    /// As of [`FileSearch::get`], [`Error::Invalid`] for anything but a regular file, and the
    /// errors of writing.
    pub fn copy(&mut self, path: impl AsRef<Path>, out: &mut dyn Write) -> Result<()> {
        let path = path.as_ref();
        let (_, file) = self.resolve(path, Wanted::Kind)?;
        match file.kind {
            FileKind::File { .. } => self.0[file.layer].copy(&file, out),
            _ => Err(no_file(path, "is not a regular file")),
        }
    }

    /// Reads the rest of the layers that were read until now, and verifies their digests. Before
    /// that, contents are what damaged layers have.
    ///
    /// # Errors
    ///
    /// [`Error::BlobDamaged`], and the errors of reading the layers.
    pub fn verify(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(Layer::verify)
    }

    /// Writes a directory of the image, with everything below it, into an empty directory: see
    /// [`unpack`](crate::rootfs::unpack). This reads all layers, and verifies them. If a file of the
    /// directory is a hard link to one outside of it, its contents are copied.
    ///
    /// A layer is read once, unless files of the directory passed before it was known that they are
    /// wanted: those before a symbolic link that leads to the directory, and those outside of it.
    ///
    /// # Errors
    ///
    /// As of [`FileSearch::get`] and [`unpack`](crate::rootfs::unpack).
    pub fn copy_directory(
        &mut self,
        path: impl AsRef<Path>,
        directory: impl AsRef<Path>,
        options: impl Into<UnpackOptions>,
    ) -> Result<Vec<Skipped>> {
        let options = options.into();
        let (root, _) = self.resolve(path.as_ref(), Wanted::Kind)?;
        let target = Target::new(directory.as_ref(), options.same_owner)?;
        let merge = Writers::with(options.pool.threads(), &target, |writers| {
            let mut unpacking = Unpacking::new(&target, writers, &root);
            self.0.iter_mut().try_for_each(|layer| layer.unpack(&mut unpacking, &root))?;
            let blobs: Vec<_> = self.0.iter().map(|layer| Arc::clone(&layer.blob)).collect();
            unpacking.end(&blobs)
        })?;
        set_directories(&target, &merge, &root)?;
        Ok(target.skipped.into_list())
    }

    fn resolve(&mut self, path: &Path, wanted: Wanted) -> Result<(LayerPath, FileEntry)> {
        let start = LayerPath::parse(path)?;
        let found = follow(&start, &LayerPath::root(), |at| self.target_of(at));
        let found = found.map_err(|fault| match fault {
            NotFound::Link(fault) => no_file(path, &String::from(fault)),
            NotFound::Unread(error) => error,
        })?;
        match self.find(&found, self.0.len(), wanted)? {
            Some(entry) => Ok((found, entry)),
            None => Err(no_file(path, "does not exist in the image")),
        }
    }

    fn target_of(&mut self, path: &LayerPath) -> Result<Option<Vec<u8>>, NotFound> {
        let entry = self.find(path, self.0.len(), Wanted::Kind).map_err(NotFound::Unread)?;
        Ok(entry.and_then(|entry| match &entry.kind {
            FileKind::Symlink { target } => Some(target.as_encoded_bytes().to_vec()),
            _ => None,
        }))
    }

    /// What so many of the lowest layers have at a path whose parents are no links.
    fn find(
        &mut self,
        path: &LayerPath,
        layers: usize,
        wanted: Wanted,
    ) -> Result<Option<FileEntry>> {
        let above = self.0.len() - layers;
        let found = look(self.0.iter_mut().rev().skip(above), path, wanted)?;
        let Some(Found { is, layer, .. }) = found else { return Ok(None) };
        let number = layers - 1 - layer;
        let target = match is {
            Looked::Directory(Some(entry)) | Looked::File(Seen::Entry(entry)) => {
                return Ok(Some(entry));
            }
            Looked::Directory(None) => return Ok(Some(FileEntry::new(&File::implied(), number))),
            Looked::File(Seen::Link(target)) => target,
        };
        match self.find(&target, number, wanted)? {
            Some(linked) if !linked.is_dir() => Ok(Some(linked)),
            // A link to nothing is left out.
            _ if self.0[number].hides(path) => Ok(None),
            _ => self.find(path, number, wanted),
        }
    }
}

impl fmt::Debug for FileSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSearch").field("layers", &self.0.len()).finish_non_exhaustive()
    }
}

/// Why a path leads nowhere.
enum NotFound {
    Link(LinkFault),
    Unread(Error),
}

impl From<LinkFault> for NotFound {
    fn from(fault: LinkFault) -> Self {
        Self::Link(fault)
    }
}

pub(crate) fn no_file(path: &Path, reason: &str) -> Error {
    Error::invalid(format!("{path:?}"), reason)
}
