//! An image's files in a directory.

pub(crate) mod skipped;
pub(crate) mod target;
pub(crate) mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
    sync::Arc,
};

use crate::{
    basics::error::{Error, Result},
    blob::traits::Blob,
    layer::{
        layer_files::{Member, name, name_of},
        merge::{Merge, Put},
    },
    pool::Pool,
    rootfs::{
        entry::FileEntry,
        layer_stream::{Fault, read_layer},
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
    let (root, options) = (&LayerPath::root(), options.into());
    let target = Target::new(directory.as_ref(), options.same_owner)?;
    let layers: Vec<_> = layers.into_iter().collect();
    let merge = Writers::with(options.pool.threads(), &target, |writers| {
        let mut unpacking = Unpacking::new(&target, writers, root);
        for (number, layer) in layers.iter().enumerate() {
            unpacking.merge.begin(number);
            read_layer(layer, |tar| unpacking.layer(tar).map(|()| true))?;
        }
        unpacking.end(&layers)
    })?;
    set_directories(&target, &merge, root)?;
    Ok(target.skipped.into_list())
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

/// Gives the directories what their entries say of them, from the bottom up: what is written into a
/// directory changes its time, and its mode may forbid it.
pub(crate) fn set_directories(target: &Target, merge: &Merge, root: &LayerPath) -> Result<()> {
    for placed in merge.iter().rev().filter(|placed| placed.file.is_dir()) {
        if let Some(path) = placed.path.below(root) {
            target.set_directory(&path, &FileEntry::of(placed))?;
        }
    }
    Ok(())
}

/// Layers that are unpacked on top of each other.
pub(crate) struct Unpacking<'a, 'w> {
    target: &'a Target,
    writers: &'a Writers<'w>,
    root: &'a LayerPath,
    pub(crate) merge: Merge,
    /// The paths below the root that are hard links to files elsewhere, which are not written yet.
    outside: BTreeSet<LayerPath>,
}

impl<'a, 'w> Unpacking<'a, 'w> {
    pub(crate) fn new(target: &'a Target, writers: &'a Writers<'w>, root: &'a LayerPath) -> Self {
        Self { target, writers, root, merge: Merge::default(), outside: BTreeSet::new() }
    }

    /// Unpacks what is left of a layer.
    pub(crate) fn layer<R: Read>(&mut self, tar: &mut TarReader<R>) -> Result<(), Fault> {
        while let Some(entry) = tar.next_entry()? {
            self.entry(tar, &entry)?;
        }
        Ok(())
    }

    /// Unpacks the entry that was returned last.
    pub(crate) fn entry<R: Read>(
        &mut self,
        tar: &mut TarReader<R>,
        entry: &TarEntry,
    ) -> Result<(), Fault> {
        match Member::new(entry) {
            Ok(member) => {
                if let Some((place, file)) = self.apply(member)? {
                    write(self.target, self.writers, &place, file, tar, entry)?;
                }
            }
            Err(reason) => self.leave_out(&name(entry), reason),
        }
        Ok(())
    }

    /// Unpacks an entry that has no contents, or whose contents are not wanted.
    pub(crate) fn without_contents(&mut self, member: Member) -> Result<(), Fault> {
        let Some((path, file)) = self.apply(member)? else { return Ok(()) };
        let fault = |cause| Error::write(self.target.path_of(&path))(cause);
        let parent = self.target.parent(&path).map_err(fault)?;
        self.writers.add(NewFile { parent, path, file, contents: Vec::new() })?;
        Ok(())
    }

    /// Records an entry that no file system can have.
    pub(crate) fn leave_out(&self, name: &Path, reason: String) {
        self.target.skipped.add(name, reason);
    }

    /// Makes a change of the merged files in the directory too, and returns what is to be written.
    /// The root itself is there already.
    fn apply(&mut self, member: Member) -> Result<Option<(LayerPath, Arc<FileEntry>)>, Fault> {
        let Self { target, writers, root, .. } = self;
        let path = member.path.clone();
        let change = match self.merge.apply(member) {
            Ok(change) => change,
            Err(reason) => {
                target.skipped.add(&name_of(&path), reason);
                return Ok(None);
            }
        };
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
            Some(Put::File(path)) => {
                let placed = below(&path).zip(self.merge.get(&path));
                return Ok(placed.map(|(place, file)| (place, Arc::new(FileEntry::of(file)))));
            }
        }
        Ok(None)
    }

    /// Writes what is left, and returns the merged files.
    pub(crate) fn end<B: Blob>(self, layers: &[B]) -> Result<Merge> {
        let Self { target, writers, root, merge, outside } = self;
        writers.flush()?;
        copy_outside(layers, &merge, target, writers, root, outside)?;
        writers.flush()?;
        Ok(merge)
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
        if let (Some(placed), Some(name)) = (merge.get(&path), path.below(root))
            && let Some((layer, offset)) = placed.place()
        {
            let names = wanted.entry(layer).or_default().entry(offset).or_default();
            names.push((name, placed));
        }
    }
    for (number, mut files) in wanted {
        read_layer(&layers[number], |tar| {
            while !files.is_empty()
                && let Some(entry) = tar.next_entry()?
            {
                let mut names = files.remove(&entry.offset).unwrap_or_default().into_iter();
                let Some((first, placed)) = names.next() else { continue };
                let file = Arc::new(FileEntry::of(placed));
                write(target, writers, &first, file, tar, &entry)?;
                writers.flush()?;
                for (name, _) in names {
                    target.add_link(&name, &first)?;
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
