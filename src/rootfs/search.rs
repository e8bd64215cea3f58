//! Single files of an image, found without reading more of its layers than that takes.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use crate::{
    basics::error::{Error, Result},
    blob::traits::Blob,
    image::platform_image::PlatformImage,
    rootfs::{
        contents::{copy_contents, copy_from},
        entry::{FileEntry, FileKind},
        layer_stream::Fault,
        unpack::{Skipped, UnpackOptions, unpack_below},
    },
    tarfile::{
        decompress::unpacked,
        follow::{LinkFault, follow},
        path::LayerPath,
        reader::{TarEntry, TarReader},
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
    pub fn get(&mut self, path: impl AsRef<Path>) -> Result<Arc<FileEntry>> {
        self.resolve(path.as_ref()).map(|(_, entry)| entry)
    }

    /// Writes the contents of a regular file.
    ///
    /// # Errors
    ///
    /// As of [`FileSearch::get`], [`Error::Invalid`] for anything but a regular file, and the
    /// errors of writing.
    pub fn copy(&mut self, path: impl AsRef<Path>, out: &mut dyn Write) -> Result<()> {
        let path = path.as_ref();
        let (_, file) = self.resolve(path)?;
        match file.kind {
            FileKind::File { .. } => self.0[file.layer].copy(&file, out),
            _ => Err(no_file(path, "is not a regular file")),
        }
    }

    /// Writes a directory of the image, with everything below it, into an empty directory: see
    /// [`unpack`](crate::rootfs::unpack). This reads all layers, and verifies them.
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
        let (root, _) = self.resolve(path.as_ref())?;
        let layers = self.0.iter().map(|layer| Arc::clone(&layer.blob));
        unpack_below(layers, &root, directory.as_ref(), &options.into())
    }

    fn resolve(&mut self, path: &Path) -> Result<(LayerPath, Arc<FileEntry>)> {
        let start = LayerPath::parse(path)?;
        let found = follow(&start, &LayerPath::root(), |at| self.target_of(at));
        let found = found.map_err(|fault| match fault {
            NotFound::Link(fault) => no_file(path, &String::from(fault)),
            NotFound::Unread(error) => error,
        })?;
        match self.find(&found, self.0.len())? {
            Some(entry) => Ok((found, entry)),
            None => Err(no_file(path, "does not exist in the image")),
        }
    }

    fn target_of(&mut self, path: &LayerPath) -> Result<Option<Vec<u8>>, NotFound> {
        let entry = self.find(path, self.0.len()).map_err(NotFound::Unread)?;
        Ok(entry.and_then(|entry| match &entry.kind {
            FileKind::Symlink { target } => Some(target.as_encoded_bytes().to_vec()),
            _ => None,
        }))
    }

    /// What so many of the lowest layers have at a path whose parents are no links.
    fn find(&mut self, path: &LayerPath, layers: usize) -> Result<Option<Arc<FileEntry>>> {
        let mut implied = None;
        for number in (0..layers).rev() {
            let layer = &mut self.0[number];
            match layer.find(path)? {
                Some(Found::Entry(entry)) if entry.is_dir() || implied.is_none() => {
                    return Ok(Some(entry));
                }
                Some(Found::Link(target)) if implied.is_none() => {
                    let linked = self.find(&target, number)?;
                    if linked.as_ref().is_some_and(|entry| !entry.is_dir()) {
                        return Ok(linked);
                    }
                }
                // A directory of a higher layer replaces it.
                Some(_) => break,
                None => {}
            }
            let layer = &self.0[number];
            if implied.is_none() && layer.has_below(path) {
                implied = Some(Arc::new(FileEntry::implied(number)));
            }
            if layer.hides(path) {
                break;
            }
        }
        Ok(implied)
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

/// A layer that is read as far as it had to be.
struct Layer {
    number: usize,
    blob: Arc<dyn Blob>,
    progress: Progress,
    /// The first entry of each path so far.
    entries: BTreeMap<LayerPath, Found>,
    /// The entry that was read last, while its contents are not read.
    last: Option<TarEntry>,
}

enum Progress {
    Unread,
    Reading(TarReader<Box<dyn Read + Send>>),
    Ended,
}

#[derive(Clone)]
enum Found {
    Entry(Arc<FileEntry>),
    /// A hard link to a file of a lower layer.
    Link(LayerPath),
    Whiteout,
}

impl Layer {
    fn new(number: usize, blob: Arc<dyn Blob>) -> Self {
        let (progress, entries, last) = (Progress::Unread, BTreeMap::new(), None);
        Self { number, blob, progress, entries, last }
    }

    /// The entry at a path. Reads on until it comes, or to the end.
    fn find(&mut self, path: &LayerPath) -> Result<Option<Found>> {
        loop {
            if let Some(found) = self.entries.get(path) {
                return Ok(Some(found.clone()));
            }
            match self.read_entry() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => {
                    // The next search fails in the same way.
                    *self = Self::new(self.number, Arc::clone(&self.blob));
                    return Err(error);
                }
            }
        }
    }

    /// Reads the next entry, if there is one.
    fn read_entry(&mut self) -> Result<bool> {
        let digest = self.blob.descriptor().digest;
        let unreadable = |cause| Error::blob(digest, cause);
        let tar = match &mut self.progress {
            Progress::Ended => return Ok(false),
            Progress::Reading(tar) => tar,
            Progress::Unread => {
                let tar = unpacked(self.blob.open()?).map_err(unreadable)?;
                self.progress = Progress::Reading(TarReader::new(tar));
                return Ok(true);
            }
        };
        let next = tar.next_entry();
        self.last = next.map_err(|error| unreadable(io::Error::other(error.to_string())))?;
        let Some(entry) = &self.last else {
            self.progress = Progress::Ended;
            return Ok(false);
        };
        // A name that no file system has is at no path.
        let Ok(path) = LayerPath::parse_member(&entry.path) else { return Ok(true) };
        let found = if path.is_whiteout() {
            Some(Found::Whiteout)
        } else if entry.kind.is_hard_link() {
            LayerPath::parse_member(&entry.link).ok().and_then(|target| self.linked(target))
        } else {
            FileEntry::new(entry, self.number).map(|entry| Found::Entry(Arc::new(entry)))
        };
        if let Some(found) = found {
            self.entries.entry(path).or_insert(found);
        }
        Ok(true)
    }

    /// What a hard link with this target is.
    fn linked(&self, target: LayerPath) -> Option<Found> {
        match self.entries.get(&target) {
            // Only a whiteout before the link removes it.
            None => (!self.hides(&target)).then_some(Found::Link(target)),
            Some(Found::Entry(entry)) if entry.is_dir() => None,
            found => found.cloned(),
        }
    }

    /// Whether the layer has a file below a path. It was read to its end.
    fn has_below(&self, path: &LayerPath) -> bool {
        let mut below = self
            .entries
            .range(path..)
            .take_while(|(other, _)| *other == path || other.is_below(path));
        below.any(|(other, _)| other != path && !other.is_whiteout())
    }

    /// Whether the layer, as far as it was read, removes what lower layers have at a path, or has a
    /// file in place of one of its parents.
    fn hides(&self, path: &LayerPath) -> bool {
        let has = |path: LayerPath| self.entries.contains_key(&path);
        let is_file = |path: &LayerPath| match self.entries.get(path) {
            Some(Found::Entry(entry)) => !entry.is_dir(),
            found => found.is_some(),
        };
        has(path.whiteout())
            || has(LayerPath::root().opaque_whiteout())
            || path.ancestors().any(|parent| {
                has(parent.whiteout()) || has(parent.opaque_whiteout()) || is_file(&parent)
            })
    }

    fn copy(&mut self, file: &FileEntry, out: &mut dyn Write) -> Result<()> {
        let last = self.last.take_if(|last| Some(last.offset) == file.offset);
        match (last, &mut self.progress) {
            (Some(entry), Progress::Reading(tar)) => {
                copy_contents(tar, &entry, out).map_err(|fault| match fault {
                    Fault::Other(error) => error,
                    Fault::Tar(error) => {
                        let cause = io::Error::other(error.to_string());
                        Error::blob(self.blob.descriptor().digest, cause)
                    }
                })
            }
            // Its entry was passed while something else was looked for.
            _ => copy_from(&*self.blob, file, out),
        }
    }
}
