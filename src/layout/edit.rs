//! Edits an existing layout: appends and replaces images, removes names, collects garbage.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustix::fs::{AtFlags, statat, unlinkat};
use serde_json::value::RawValue;

use crate::{
    basics::{Digest, Error, Result, json},
    document::{CONTAINERD_NAME, Descriptor, INDEX, Index, MAX_DOCUMENT, RECIPES, REF_NAME},
    image::Image,
    layout::{
        blob_store::BlobStore,
        choose::is_named,
        entries::{entries, nest},
        read::{ImageLayout, parse_index, read_index},
        whole::Below,
    },
    pool::Pool,
    store::{Lock, TEMPORARY, beneath, replace},
};

impl ImageLayout {
    /// Adds images to the layout. An image replaces existing images that have one of its tags; if
    /// both have full names and the names differ, that is an error. Several processes may append at
    /// the same time: each takes the lock, reads the index again and adds its images. Afterwards,
    /// [`ImageLayout::index`] returns the updated index. A sparse layout receives recipes instead
    /// of blobs.
    ///
    /// Returns the entries of the index that were replaced by other images, in their order.
    ///
    /// # Errors
    ///
    /// As [`image_layout`](crate::image_layout()), and [`Error::ReadOnlyArchive`]. The layout is
    /// then unchanged, except for blobs that no index names.
    pub fn append<I: Into<Image>>(
        &mut self,
        images: impl IntoIterator<Item = I>,
        pool: &Pool,
    ) -> Result<Vec<Descriptor>> {
        let (dir, write) = (self.folder()?.to_owned(), self.write);
        let images = nest(images.into_iter().map(Into::into).collect(), None)?;
        let new = entries(&images)?;
        // An entry with a tag replaces those with that tag; an entry without a tag replaces those
        // with its digest.
        let mut takes: HashMap<(Option<&String>, Option<Digest>), Vec<&Descriptor>> =
            HashMap::new();
        let place =
            |entry: &Descriptor, tag: Option<&String>| tag.is_none().then_some(entry.digest);
        for entry in &new {
            let tag = entry.annotations.get(REF_NAME);
            takes.entry((tag, place(entry, tag))).or_default().push(entry);
        }
        let replaced = RefCell::new(Vec::new());
        let edit = |old: &Descriptor| {
            let tag = old.annotations.get(REF_NAME);
            let takes = takes.get(&(tag, place(old, tag))).map(Vec::as_slice).unwrap_or_default();
            takes.iter().try_for_each(|new| check_names(old, new))?;
            if !takes.is_empty() && takes.iter().all(|new| new.digest != old.digest) {
                replaced.borrow_mut().push(old.clone());
            }
            Ok(if takes.is_empty() { Edit::Keep } else { Edit::Remove })
        };
        let (files, is_sparse) = (Arc::clone(&self.files), self.is_sparse());
        let put = || {
            let store = BlobStore::create(&dir, is_sparse, write)?;
            let store = store.knowing(&files.trust, &files.known);
            store.put_all(&images, pool)?;
            store.sync_folders()?;
            // The store keeps a lock, so that the blobs are not collected before the index names
            // them.
            Ok(store)
        };
        let edited = |layout: &Self| {
            replaced.borrow_mut().clear();
            layout.edited(&edit, &new)
        };
        self.change(edited, put)?;
        Ok(replaced.into_inner())
    }

    /// Removes every index entry with this tag, full name, or digest (`sha256:…`, under any name).
    /// The blobs stay until [`ImageLayout::collect_garbage`] removes them.
    ///
    /// # Errors
    ///
    /// [`Error::ImageNotFound`] if no entry matches.
    pub fn remove(&mut self, tag: &str) -> Result<()> {
        let (dir, write) = (self.folder()?.to_owned(), self.write);
        let edit = |entry: &Descriptor| {
            is_named(entry, tag).map(|is_named| if is_named { Edit::Remove } else { Edit::Keep })
        };
        if self.change(|layout| layout.edited(&edit, &[]), || Lock::shared(&dir, write))? {
            return Ok(());
        }
        Err(self.not_found(Some(tag))?)
    }

    /// Removes every blob and recipe that no image refers to, and temporary files left by writers
    /// that were killed. Waits until all writers have finished.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`], [`Error::BlobDamaged`] or [`Error::Layout`] if a manifest or index
    /// cannot be read. The blobs it refers to are unknown then, so nothing is removed.
    /// [`Error::Layout`] too while a layer of this process exists that is stored in the layout.
    pub fn collect_garbage(&self) -> Result<Collected> {
        let dir = self.folder()?;
        let _alone = Lock::exclusive(dir, self.write)?;
        let now = self.reopen()?;
        // A power loss must not restore an index that names collected blobs.
        self.write.sync_path(&dir.join(INDEX))?;
        self.write.sync_folder(dir)?;
        let mut used = HashSet::new();
        for descriptor in &now.index()?.manifests {
            now.check_known(descriptor)?;
            now.mark(descriptor, 0, &mut used)?;
        }
        let used: HashSet<Digest> = used.into_iter().map(|(digest, _)| digest).collect();
        let mut collected = Collected::default();
        // Each folder, with what follows the digest in the names of its files. The first has no
        // blobs.
        for (folder, suffix) in [("", None), ("blobs/sha256", Some("")), (RECIPES, Some(".json"))] {
            let path = dir.join(folder);
            // A symlink in the place of the folder may lead to another layout.
            let opened = match beneath::folder(dir, folder) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound && folder == RECIPES => {
                    continue;
                }
                opened => opened.map_err(|cause| beneath::unreadable(dir, folder, cause))?,
            };
            let before = collected.files.len();
            for name in beneath::names(dir, folder).map_err(Error::read(&path))? {
                let unused = |digits| {
                    format!("sha256:{digits}").parse().is_ok_and(|digest| !used.contains(&digest))
                };
                // Other files do not belong to this library.
                if name.starts_with(TEMPORARY)
                    || suffix.and_then(|suffix| name.strip_suffix(suffix)).is_some_and(unused)
                {
                    collected.remove(&opened, &path, &name)?;
                }
            }
            if collected.files.len() > before {
                self.write.sync_folder(&path)?;
            }
        }
        Ok(collected)
    }

    /// Records all blobs in use with what they refer to: the same bytes may be a layer in one place
    /// and a manifest in another.
    fn mark(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        used: &mut HashSet<(Digest, Below)>,
    ) -> Result<()> {
        if used.insert((descriptor.digest, Below::of(&descriptor.media_type))) {
            let is_index = descriptor.media_type.is_index();
            for below in self.children(descriptor, depth)? {
                match self.mark(&below, depth + 1, used) {
                    // An index may name a blob that is stored elsewhere and refers to nothing here.
                    Err(Error::BlobMissing { .. }) if is_index => {}
                    result => result?,
                }
            }
        }
        Ok(())
    }

    /// Applies an edit to the current index and returns whether it changed. `prepare` does the work
    /// that needs no lock before the lock is taken; its result is kept until the end.
    pub(super) fn change<T>(
        &mut self,
        edit: impl Fn(&Self) -> Result<Option<Vec<u8>>>,
        prepare: impl FnOnce() -> Result<T>,
    ) -> Result<bool> {
        let dir = self.folder()?.to_owned();
        // Runs before the lock is taken, because it may fail, and because the index is rarely
        // changed meanwhile.
        let mut edited = edit(self)?;
        let _prepared = prepare()?;
        let _turn = Lock::index(&dir, self.write)?;
        if !self.files.holds(INDEX, &self.index_bytes)? {
            (self.index_bytes, self.index) = (read_index(&self.files)?, OnceLock::new());
            edited = edit(self)?;
        }
        let Some(bytes) = edited else { return Ok(false) };
        if bytes.len() as u64 > MAX_DOCUMENT {
            let reason = format!(
                "would have {} bytes, more than the {MAX_DOCUMENT} that an index may have: put the \
                 image into another layout",
                bytes.len()
            );
            return Err(Error::layout(dir.join(INDEX), reason));
        }
        replace(&dir.join(INDEX), &[&bytes], self.write)?;
        self.write.sync_folder(&dir)?;
        (self.index_bytes, self.index) = (bytes, OnceLock::new());
        Ok(true)
    }

    /// Returns the index with its edited entries, followed by the new ones; `None` if nothing
    /// changes.
    ///
    /// Entries are parsed one at a time: for thousands, allocating them all would take most of the
    /// time.
    pub(super) fn edited(
        &self,
        edit: &dyn Fn(&Descriptor) -> Result<Edit>,
        new: &[Descriptor],
    ) -> Result<Option<Vec<u8>>> {
        let mut index: Index<&RawValue> = parse_index(&self.files, &self.index_bytes)?;
        let new: Vec<_> = new.iter().map(json::to_raw).collect();
        let mut edits = Vec::with_capacity(index.manifests.len());
        for (at, entry) in index.manifests.iter().enumerate() {
            // Parsing the whole index gives the better error message.
            let whole = |_| self.index().map(|index| index.manifests[at].clone());
            edits.push(edit(&serde_json::from_str(entry.get()).or_else(whole)?)?);
        }
        if new.is_empty() && edits.iter().all(|edit| matches!(edit, Edit::Keep)) {
            return Ok(None);
        }
        let edited = index.manifests.iter().zip(&edits).filter_map(|(entry, edit)| match edit {
            Edit::Keep => Some(*entry),
            Edit::Remove => None,
            Edit::Replace(new) => Some(&**new),
        });
        index.manifests = edited.chain(new.iter().map(|entry| &**entry)).collect();
        Ok(Some(json::to_bytes(&index)))
    }

    /// Opens the layout again in its current state.
    pub(crate) fn reopen(&self) -> Result<Self> {
        let layout =
            Self::open(self.folder()?)?.write_options(self.write).trust(self.files.trust.clone());
        Ok(layout.with_known(Arc::clone(&self.files.known)))
    }

    /// The error that this layout lacks an image.
    pub(crate) fn not_found(&self, name: Option<&str>) -> Result<Error> {
        Ok(Error::ImageNotFound {
            path: self.path().to_owned(),
            name: name.map(str::to_owned),
            available: self.tags()?.into_iter().map(str::to_owned).collect(),
        })
    }

    pub(crate) fn folder(&self) -> Result<&Path> {
        self.files.folder().ok_or_else(|| Error::ReadOnlyArchive { path: self.path().to_owned() })
    }
}

/// What happens to an entry of the index.
pub(super) enum Edit {
    Keep,
    Remove,
    Replace(Box<RawValue>),
}

/// Checks that one entry may replace another with the same tag.
pub(super) fn check_names(old: &Descriptor, new: &Descriptor) -> Result<()> {
    match [old, new].map(|entry| entry.annotations.get(CONTAINERD_NAME)) {
        [Some(first), Some(second)] if first != second => Err(Error::Images {
            first: first.clone(),
            second: second.clone(),
            reason: "have the same tag, and podman and others find only one image by it: give the \
                     new one another tag, or remove the old one"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The files removed by garbage collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Collected {
    /// The paths of the removed files.
    pub files: Vec<PathBuf>,
    /// Their total size in bytes.
    pub bytes: u64,
}

impl Collected {
    /// Removes a file from an open folder with this path.
    fn remove(&mut self, folder: &OwnedFd, path: &Path, name: &str) -> Result<()> {
        let path = path.join(name);
        let file = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|cause| Error::read(&path)(cause.into()))?;
        unlinkat(folder, name, AtFlags::empty())
            .map_err(|cause| Error::write(&path)(cause.into()))?;
        self.bytes += u64::try_from(file.st_size).unwrap_or(0);
        self.files.push(path);
        Ok(())
    }
}
