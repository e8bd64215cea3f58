//! An image's files in a directory.

pub(crate) mod skipped;
pub(crate) mod target;
pub(crate) mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

use crate::{
    basics::error::{Error, Result},
    blob::traits::Blob,
    pool::Pool,
    rootfs::{
        entry::FileEntry,
        layer_stream::{Fault, read_layer},
        merge::{Change, Merge, Put},
        unpack::{
            target::{NewFile, Target},
            writers::Writers,
        },
    },
    tarfile::{
        path::LayerPath,
        reader::{TarEntry, TarReader},
    },
};

pub use crate::rootfs::unpack::skipped::Skipped;

/// The largest contents that are passed to another thread. A larger file is written as it is read.
const SMALL: u64 = 1 << 20;

/// Unpacks layers, lowest first, into an empty directory.
///
/// Whiteouts remove what lower layers contain. Permissions, times, owners, extended attributes,
/// hard links (also to files of lower layers), devices and holes of sparse files are restored as
/// far as this process may: what is left out is returned, and is no error. A file whose owner cannot
/// be set does not get its setuid and setgid bits either. Nothing is written
/// outside of the directory, whatever the layers contain: symbolic links are never followed, and a
/// directory replaces a link that is in the way.
///
/// Each layer is read once, and blocks of this byte format are decompressed in parallel. Memory holds
/// an entry for each file, six blocks of a layer (of 1 MiB with gzip, 4 MiB with zstd), and at most
/// 1.25 MiB of contents of small files twice for each thread of the pool, and once more.
///
/// # Errors
///
/// [`Error::OutputExists`] if the directory is not empty, [`Error::Write`] for what the system
/// refuses, and the errors of reading the layers. The directory then contains a part of the files.
pub fn unpack<B: Blob>(
    layers: impl IntoIterator<Item = B>,
    directory: impl AsRef<Path>,
    options: impl Into<UnpackOptions>,
) -> Result<Vec<Skipped>> {
    unpack_below(layers, &LayerPath::root(), directory.as_ref(), &options.into())
}

/// Options of [`unpack`]. A pool alone is enough.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct UnpackOptions {
    /// Writes small files.
    pub pool: Pool,
    /// Whether owners are set: [`UnpackOptions::same_owner`].
    pub same_owner: bool,
}

impl UnpackOptions {
    /// Sets whether owners are set, which takes root. If not, all files belong to the user of this
    /// process, and have no setuid and setgid bits. The default is `true`.
    pub fn same_owner(mut self, same_owner: bool) -> Self {
        self.same_owner = same_owner;
        self
    }
}

impl From<&Pool> for UnpackOptions {
    fn from(pool: &Pool) -> Self {
        Self { pool: pool.clone(), same_owner: true }
    }
}

/// Unpacks what lies below one directory of the image. Layers may remove the directory, or have
/// something else in its place, as long as it is a directory in the end.
pub(crate) fn unpack_below<B: Blob>(
    layers: impl IntoIterator<Item = B>,
    root: &LayerPath,
    directory: &Path,
    options: &UnpackOptions,
) -> Result<Vec<Skipped>> {
    let target = Target::new(directory, options.same_owner)?;
    let layers: Vec<_> = layers.into_iter().collect();
    let mut merge = Merge::default();
    Writers::with(options.pool.threads(), &target, |writers| {
        let mut outside = BTreeSet::new();
        for (number, layer) in layers.iter().enumerate() {
            merge.begin(number);
            let (merge, outside) = (&mut merge, &mut outside);
            let mut unpacking = Unpacking { target: &target, writers, root, merge, outside };
            read_layer(layer, |tar| {
                while let Some(entry) = tar.next_entry()? {
                    match unpacking.merge.apply(&entry) {
                        Ok(change) => unpacking.follow(change, tar, &entry)?,
                        Err(reason) => {
                            let name = Path::new(OsStr::from_bytes(&entry.path));
                            target.skipped.add(name, reason);
                        }
                    }
                }
                Ok(true)
            })?;
        }
        writers.flush()?;
        copy_outside(&layers, &merge, &target, writers, root, outside)
    })?;
    // From the bottom up: what is written into a directory changes its time, and its mode may
    // forbid it.
    for (path, placed) in merge.files().iter().rev() {
        if let Some(path) = path.below(root).filter(|_| placed.entry.is_dir()) {
            target.set_directory(&path, &placed.entry)?;
        }
    }
    Ok(target.skipped.into_list())
}

/// A layer that is unpacked on top of those before it.
struct Unpacking<'a, 'w> {
    target: &'a Target,
    writers: &'a Writers<'w>,
    root: &'a LayerPath,
    merge: &'a mut Merge,
    /// The paths below the root that are hard links to files elsewhere, which are not written yet.
    outside: &'a mut BTreeSet<LayerPath>,
}

impl Unpacking<'_, '_> {
    /// Makes a change of the merged files in the directory too. The root itself is there already.
    fn follow<R: Read>(
        &mut self,
        change: Change,
        tar: &mut TarReader<R>,
        entry: &TarEntry,
    ) -> Result<(), Fault> {
        let Self { target, writers, root, .. } = self;
        let below = |path: &LayerPath| path.below(root).filter(|path| !path.is_root());
        if !change.removed.is_empty() {
            // A file that is removed may not have been written yet.
            writers.flush()?;
        }
        for (path, is_dir) in change.removed {
            if let Some(place) = below(&path).filter(|_| !self.outside.remove(&path)) {
                target.remove(&place, is_dir)?;
            }
        }
        for place in change.implied.iter().filter_map(below) {
            target.add_directory(&place)?;
        }
        match change.put {
            None => {}
            Some(Put::Directory(path)) => {
                if let Some(place) = below(&path) {
                    target.add_directory(&place)?;
                }
            }
            Some(Put::HardLink { path, target: linked }) => {
                writers.flush()?;
                match (below(&path), below(&linked)) {
                    (Some(place), Some(linked_place)) if !self.outside.contains(&linked) => {
                        target.add_link(&place, &linked_place)?;
                    }
                    (Some(_), _) => drop(self.outside.insert(path)),
                    (None, _) => {}
                }
            }
            Some(Put::File(path, file)) => {
                if let Some(place) = below(&path) {
                    write(target, writers, &place, file, tar, entry)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes the files outside of the root that hard links below it lead to: their entries passed
/// before it was known that the contents are needed.
fn copy_outside<B: Blob>(
    layers: &[B],
    merge: &Merge,
    target: &Target,
    writers: &Writers<'_>,
    root: &LayerPath,
    outside: BTreeSet<LayerPath>,
) -> Result<()> {
    let mut wanted: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for path in outside {
        let entry = merge.files().get(&path).map(|placed| Arc::clone(&placed.entry));
        if let (Some(entry), Some(place)) = (entry, path.below(root)) {
            let places = wanted.entry(entry.layer).or_default().entry(entry.offset).or_default();
            places.push((place, entry));
        }
    }
    for (number, mut files) in wanted {
        read_layer(&layers[number], |tar| {
            while !files.is_empty()
                && let Some(entry) = tar.next_entry()?
            {
                let mut names = files.remove(&Some(entry.offset)).unwrap_or_default().into_iter();
                let Some((place, file)) = names.next() else { continue };
                write(target, writers, &place, file, tar, &entry)?;
                writers.flush()?;
                for (name, _) in names {
                    target.add_link(&name, &place)?;
                }
            }
            // The digest was verified when the layer was read first.
            Ok(false)
        })?;
    }
    Ok(())
}

/// Writes the file of the entry that was returned last.
fn write<R: Read>(
    target: &Target,
    writers: &Writers<'_>,
    path: &LayerPath,
    file: Arc<FileEntry>,
    tar: &mut TarReader<R>,
    entry: &TarEntry,
) -> Result<(), Fault> {
    let fault = |cause| Fault::Other(Error::write(target.path_of(path))(cause));
    let parent = target.parent(path).map_err(fault)?;
    let is_whole = !entry.sparse && file.size() == entry.stored_size;
    if is_whole && file.size() <= SMALL {
        let contents = tar.whole_contents(entry)?;
        writers.add(NewFile { parent, path: path.clone(), file, contents })?;
        return Ok(());
    }
    let mut new = target.create(&parent, path, &file).map_err(fault)?;
    tar.contents(entry, |at, bytes| new.write_at(at, bytes).map_err(fault))?;
    target.finish(&new, path, &file).map_err(fault)
}
