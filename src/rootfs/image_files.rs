//! The files of an image as a container sees them.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    blob::traits::Blob,
    image::platform_image::PlatformImage,
    layer::{
        glob::{Globs, Use},
        layer_files::{Digests, Is, Kind, LayerFiles, Member, ReadFiles, name_of},
        merge::{Merge, Placed},
    },
    pool::Pool,
    rootfs::{
        contents::copy_contents,
        entry::FileEntry,
        search::no_file,
        unpack::{Skipped, skipped::SkippedList},
    },
    tarfile::{
        follow::{LinkFault, follow},
        path::LayerPath,
    },
};

/// The files of an image, without their contents. Paths begin at the image's root. A file takes 80
/// bytes of memory and its path.
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
#[derive(Clone, Default)]
pub struct ImageFiles {
    pub(crate) layers: Vec<Arc<dyn Blob>>,
    pub(crate) merge: Merge,
    pub(crate) skipped: Vec<Skipped>,
    /// For each layer, the digests of contents, if they were asked for.
    digests: Vec<Arc<Digests>>,
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
        Self::default().and(layers, pool, ReadFiles::default())
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
        Self::default().and(layers, pool, ReadFiles { digests: true, ..Default::default() })
    }

    /// The same for the layers of another image: a path that is in both takes memory only once.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::new`].
    pub fn with_contents_beside<B: Blob + 'static>(
        layers: impl IntoIterator<Item = B>,
        pool: &Pool,
        other: &Self,
    ) -> Result<Self> {
        let mut known = HashSet::with_capacity(other.merge.iter().count());
        known.extend(other.merge.iter().map(|placed| &placed.path));
        Self::default().and(layers, pool, ReadFiles { digests: true, known: Some(&known) })
    }

    /// The files with other layers on top, which are read.
    pub(crate) fn and<B: Blob + 'static>(
        mut self,
        layers: impl IntoIterator<Item = B>,
        pool: &Pool,
        what: ReadFiles<'_>,
    ) -> Result<Self> {
        let layers = layers.into_iter().map(|layer| Arc::new(layer) as Arc<dyn Blob>);
        let layers: Vec<_> = layers.collect();
        let files = LayerFiles::read(&layers, pool, what)?;
        self.layers.extend(layers);
        Ok(self.and_files(files))
    }

    /// The files of an image, whose layers were read.
    #[cfg(feature = "cli")]
    pub(crate) fn of_files(image: &PlatformImage, files: Vec<LayerFiles>) -> Self {
        Self::of_files_with(image, files, |_, _, _| ())
    }

    /// The same. `look` sees each entry with the number of its layer, and with the files before the
    /// entry is applied to them.
    #[cfg(feature = "cli")]
    pub(crate) fn of_files_with(
        image: &PlatformImage,
        files: Vec<LayerFiles>,
        look: impl FnMut(&Merge, usize, &Member),
    ) -> Self {
        let mut all = Self::default().and_files_with(files, look);
        let blobs = image.layers().iter().map(|layer| Arc::new(Arc::clone(layer)) as Arc<dyn Blob>);
        all.layers.extend(blobs);
        all
    }

    /// Without any files; the lowest layer has this number.
    pub(crate) fn from_layer(lowest: usize) -> Self {
        Self { digests: vec![Arc::default(); lowest], ..Self::default() }
    }

    /// The files with those of layers on top that were read.
    pub(crate) fn and_files(self, layers: impl IntoIterator<Item = LayerFiles>) -> Self {
        self.and_files_with(layers, |_, _, _| ())
    }

    fn and_files_with(
        mut self,
        layers: impl IntoIterator<Item = LayerFiles>,
        mut look: impl FnMut(&Merge, usize, &Member),
    ) -> Self {
        let skipped = SkippedList::default();
        for mut layer in layers {
            let number = self.digests.len();
            self.merge.begin(number);
            self.digests.push(Arc::new(std::mem::take(&mut layer.digests)));
            for (name, reason) in std::mem::take(&mut layer.left_out) {
                skipped.add(&name, reason);
            }
            for member in layer.into_members() {
                look(&self.merge, number, &member);
                let path = member.path.clone();
                if member.is == Is::Whiteout {
                    self.whiteouts.insert(path.clone(), number);
                }
                if let Err(reason) = self.merge.apply(member) {
                    skipped.add(&name_of(&path), reason);
                }
            }
        }
        self.skipped.extend(skipped.into_list());
        self
    }

    /// The digest of the contents of a regular file, if they were asked for.
    pub(crate) fn digest(&self, placed: &Placed) -> Option<Digest> {
        let (layer, offset) = placed.place()?;
        self.digests.get(layer)?.get(offset)
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
    pub fn iter(&self) -> impl Iterator<Item = (PathBuf, FileEntry)> {
        let files = self.merge.iter().filter(|placed| !placed.path.is_root());
        files.map(|placed| (placed.path.to_path(), FileEntry::of(placed)))
    }

    /// The files whose paths match a glob, and what is below them, in the order of their paths. `*`
    /// and `?` do not match a slash, `**` does.
    ///
    /// # Errors
    ///
    /// [`Error::Glob`] if the glob cannot be read, and [`Error::Invalid`] if nothing matches.
    pub fn matching(&self, glob: &str) -> Result<impl Iterator<Item = (PathBuf, FileEntry)>> {
        let globs = Globs::new([glob], Use::Include)?;
        let is_match = move |path: &Path| {
            path.strip_prefix("/").is_ok_and(|path| globs.matches_with_parents(path))
        };
        let mut found = self.iter().filter(move |(path, _)| is_match(path)).peekable();
        match found.peek().is_none() && self.merge.iter().next().is_some() {
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
    pub fn get(&self, path: impl AsRef<Path>) -> Result<FileEntry> {
        self.find(path.as_ref()).map(FileEntry::of)
    }

    /// Where a path leads when its symbolic links are followed.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::get`].
    pub fn resolve(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.find(path.as_ref()).map(|placed| placed.path.to_path())
    }

    /// Writes the contents of a regular file. Its layer is read to the end, and its digest is
    /// verified again: a registry may send other bytes than before.
    ///
    /// # Errors
    ///
    /// As of [`ImageFiles::get`], [`Error::Invalid`] for anything but a regular file, the errors of
    /// reading the layer and of writing, and [`Error::BlobDamaged`] if the bytes of the layer are not
    /// those of its digest, after the contents were written.
    pub fn copy(&self, path: impl AsRef<Path>, out: &mut dyn Write) -> Result<()> {
        let path = path.as_ref();
        let placed = self.find(path)?;
        let (Kind::File(_), Some((layer, offset))) = (&placed.file.kind, placed.place()) else {
            return Err(no_file(path, "is not a regular file"));
        };
        self.read_entries(layer, &[(offset, placed)], |_, tar, entry| {
            copy_contents(tar, entry, out)
        })
    }

    /// What the layers contain and no file system can.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn find(&self, path: &Path) -> Result<&Placed> {
        let start = LayerPath::parse(path)?;
        let target_of = |path: &LayerPath| {
            let target = self.merge.get(path).and_then(|placed| placed.file.target());
            Ok::<_, LinkFault>(target.map(<[u8]>::to_vec))
        };
        let found = follow(&start, &LayerPath::root(), target_of)
            .map_err(|fault| no_file(path, &String::from(fault)))?;
        self.merge.get(&found).ok_or_else(|| no_file(path, "does not exist in the image"))
    }
}

impl fmt::Debug for ImageFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageFiles")
            .field("files", &self.merge.iter().count())
            .finish_non_exhaustive()
    }
}
