//! The files of an image as a container sees them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{
        digest::{Digest, Hasher},
        error::{Error, Result},
    },
    blob::{chunks, traits::Blob},
    image::platform_image::PlatformImage,
    layer::glob::{Globs, Use},
    pool::Pool,
    rootfs::{
        contents::copy_from,
        entry::{FileEntry, FileKind},
        merge::Merge,
        search::no_file,
        unpack::{Skipped, skipped::SkippedList},
    },
    tarfile::{
        decompress::unpacked,
        follow::{LinkFault, follow},
        path::LayerPath,
        reader::{TarEntry, TarError, TarReader},
    },
};

/// The files of an image, without their contents. Paths begin at the image's root.
///
/// ```
/// use oci_layout::{FileMapping, LayerOptions, Pool, layer_tar, rootfs::ImageFiles};
/// let lower = layer_tar([FileMapping::text("1\n", "/etc/version")], LayerOptions::default())?;
/// let upper = layer_tar([FileMapping::text("2\n", "/etc/version")], LayerOptions::default())?;
/// let files = ImageFiles::new([lower, upper], &Pool::available())?;
/// let paths: Vec<_> = files.iter().map(|(path, _)| path.display().to_string()).collect();
/// assert_eq!(paths, ["/etc", "/etc/version"]);
/// let mut contents = Vec::new();
/// files.copy("/etc/version", &mut contents)?;
/// assert_eq!(contents, b"2\n");
/// # Ok::<_, oci_layout::Error>(())
/// ```
pub struct ImageFiles {
    pub(crate) layers: Vec<Arc<dyn Blob>>,
    pub(crate) merge: Merge,
    pub(crate) skipped: Vec<Skipped>,
    /// For each layer, the digests of contents by the offset of the entry, if they were asked for.
    pub(crate) digests: Vec<Arc<HashMap<u64, Digest>>>,
    /// The whiteouts of all layers, and the topmost layer that has each.
    pub(crate) whiteouts: BTreeMap<LayerPath, usize>,
}

impl ImageFiles {
    /// Reads layers, lowest first. Each is read once, and its digest is verified. The pool reads
    /// several at the same time, because reading a layer is mostly decompressing it.
    ///
    /// # Errors
    ///
    /// Those of reading a layer, and [`Error::BlobDamaged`] if its bytes are not those of its
    /// digest.
    pub fn new<B: Blob + 'static>(
        layers: impl IntoIterator<Item = B>,
        pool: &Pool,
    ) -> Result<Self> {
        Self::read(layers, pool, false)
    }

    /// The same with the digests of all contents, for [`layer_diff`](crate::rootfs::layer_diff()).
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::new`].
    pub fn with_contents<B: Blob + 'static>(
        layers: impl IntoIterator<Item = B>,
        pool: &Pool,
    ) -> Result<Self> {
        Self::read(layers, pool, true)
    }

    fn read<B: Blob + 'static>(
        layers: impl IntoIterator<Item = B>,
        pool: &Pool,
        has_digests: bool,
    ) -> Result<Self> {
        let layers = layers.into_iter().map(|layer| Arc::new(layer) as Arc<dyn Blob>);
        let layers: Vec<_> = layers.collect();
        let entries = read_layers(&layers, pool, has_digests)?;
        Ok(Self { layers, ..Self::merged(&entries, 0) })
    }

    /// The files of layers that were read, without the layers. The lowest has this number.
    pub(crate) fn merged<'a>(
        layers: impl IntoIterator<Item = &'a LayerEntries>,
        lowest: usize,
    ) -> Self {
        let (mut merge, skipped) = (Merge::default(), SkippedList::default());
        let (mut digests, mut whiteouts) = (vec![Arc::default(); lowest], BTreeMap::new());
        for (number, layer) in (lowest..).zip(layers) {
            merge.begin(number);
            digests.push(Arc::clone(&layer.digests));
            for entry in &layer.entries {
                match LayerPath::parse_member(&entry.path) {
                    Ok(path) if path.is_whiteout() => drop(whiteouts.insert(path, number)),
                    _ => {}
                }
                if let Err(reason) = merge.apply(entry) {
                    skipped.add(&bytes_path(&entry.path), reason);
                }
            }
        }
        Self { layers: Vec::new(), merge, skipped: skipped.into_list(), digests, whiteouts }
    }

    /// The digest of the contents of a regular file, if they were asked for.
    pub(crate) fn digest(&self, entry: &FileEntry) -> Option<Digest> {
        self.digests.get(entry.layer)?.get(&entry.offset?).copied()
    }

    /// The files of an image for one platform.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::new`].
    pub fn of(image: &PlatformImage, pool: &Pool) -> Result<Self> {
        Self::new(image.layers().iter().cloned(), pool)
    }

    /// All files, in the order of their paths: a directory comes right before what it contains.
    /// The root itself is left out.
    pub fn iter(&self) -> impl Iterator<Item = (PathBuf, &FileEntry)> {
        let files = self.merge.files().iter().filter(|(path, _)| !path.is_root());
        files.map(|(path, placed)| (path.to_path(), &*placed.entry))
    }

    /// The files whose paths match a glob, and what is below them. `*` and `?` do not match a
    /// slash, `**` does.
    ///
    /// # Errors
    ///
    /// [`Error::Glob`] if the glob cannot be read, and [`Error::Invalid`] if nothing matches.
    pub fn matching(&self, glob: &str) -> Result<Vec<(PathBuf, &FileEntry)>> {
        let globs = Globs::new([glob], Use::Include)?;
        let is_match =
            |path: &Path| path.strip_prefix("/").is_ok_and(|path| globs.matches_with_parents(path));
        let found: Vec<_> = self.iter().filter(|(path, _)| is_match(path)).collect();
        match found.is_empty() && !self.merge.files().is_empty() {
            true => Err(Error::invalid(format!("{glob:?}"), "no file of the image matches")),
            false => Ok(found),
        }
    }

    /// The file at a path. Symbolic links on the way and at the end are followed, inside of the
    /// image.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the file does not exist, or if a link on the way leads nowhere.
    pub fn get(&self, path: impl AsRef<Path>) -> Result<&FileEntry> {
        self.find(path.as_ref()).map(|(_, entry)| entry)
    }

    /// Where a path leads when its symbolic links are followed.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::get`].
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.find(path.as_ref()).map(|(path, _)| path.to_path())
    }

    /// Writes the contents of a regular file. The layer is read up to the end of the file, so that
    /// its digest is not verified again.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::get`], [`Error::Invalid`] for anything but a regular file, and the
    /// errors of reading the layer and of writing.
    pub fn copy(&self, path: impl AsRef<Path>, out: &mut dyn Write) -> Result<()> {
        let path = path.as_ref();
        let (_, file) = self.find(path)?;
        if !matches!(file.kind, FileKind::File { .. }) {
            return Err(no_file(path, "is not a regular file"));
        }
        copy_from(&*self.layers[file.layer], file, out)
    }

    /// What the layers contain and no file system can.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    pub(crate) fn find(&self, path: &Path) -> Result<(LayerPath, &FileEntry)> {
        let start = LayerPath::parse(path)?;
        let target_of = |path: &LayerPath| match self.entry(path).map(|entry| &entry.kind) {
            Some(FileKind::Symlink { target }) => {
                Ok::<_, LinkFault>(Some(target.as_encoded_bytes().to_vec()))
            }
            _ => Ok(None),
        };
        let found = follow(&start, &LayerPath::root(), target_of)
            .map_err(|fault| no_file(path, &String::from(fault)))?;
        match self.entry(&found) {
            Some(entry) => Ok((found, entry)),
            None => Err(no_file(path, "does not exist in the image")),
        }
    }

    pub(crate) fn entry(&self, path: &LayerPath) -> Option<&FileEntry> {
        self.merge.files().get(path).map(|placed| &*placed.entry)
    }
}

/// The entries of a layer.
pub(crate) struct LayerEntries {
    pub(crate) entries: Vec<TarEntry>,
    /// The digests of contents by the offset of the entry, if they were asked for.
    digests: Arc<HashMap<u64, Digest>>,
}

/// Reads layers to their ends. The pool reads several at the same time.
pub(crate) fn read_layers<B: Blob>(
    layers: &[B],
    pool: &Pool,
    has_digests: bool,
) -> Result<Vec<LayerEntries>> {
    let read = pool.map_parts(layers, |layer| read_entries(layer, has_digests));
    read.into_iter().collect()
}

fn read_entries(layer: &dyn Blob, has_digests: bool) -> Result<LayerEntries> {
    let digest = layer.descriptor().digest;
    chunks::verified(layer, |blob| {
        let mut tar = TarReader::new(unpacked(blob).map_err(|cause| Error::blob(digest, cause))?);
        let damaged = |error: TarError| Error::blob(digest, io::Error::other(error.to_string()));
        let (mut entries, mut digests) = (Vec::new(), HashMap::new());
        while let Some(mut entry) = tar.next_entry().map_err(damaged)? {
            if has_digests && entry.kind.is_file() | entry.sparse {
                digests.insert(entry.offset, digest_of(&mut tar, &entry).map_err(damaged)?);
            }
            // Many, and only needed for the contents.
            entry.extents = Vec::new();
            entries.push(entry);
        }
        Ok(LayerEntries { entries, digests: Arc::new(digests) })
    })
}

/// The digest of the contents of the entry that was returned last. Where holes are is a part of the
/// contents of a sparse file, because a hole may be larger than any disk.
fn digest_of<R: io::Read>(tar: &mut TarReader<R>, entry: &TarEntry) -> Result<Digest, TarError> {
    let mut hasher = Hasher::default();
    tar.contents(entry, |at, bytes| {
        if entry.sparse {
            hasher.update(&at.to_be_bytes());
        }
        hasher.update(bytes);
        Ok::<_, TarError>(())
    })?;
    Ok(hasher.finish().0)
}

fn bytes_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

impl fmt::Debug for ImageFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageFiles")
            .field("files", &self.merge.files().len())
            .finish_non_exhaustive()
    }
}
