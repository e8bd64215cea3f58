//! What changes a layout that exists: appending and replacing images, removing names, collecting garbage.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    INDEX, Sync, entries,
    files::RECIPES,
    lock::Lock,
    name::{CONTAINERD_NAME, REF_NAME},
    nest, put_blobs,
    read::{ImageLayout, has_name},
    replace,
    store::{BlobStore, TEMPORARY},
};
use crate::{
    descriptor::Descriptor,
    digest::Digest,
    error::{Error, Result},
    image_manifest::{Image, Index},
    json,
    pool::Pool,
};

impl ImageLayout {
    /// Adds images to the layout. An image takes the place of those that have one of its tags, unless both have full
    /// names and those differ. Several processes may do this at once: each re-reads the index when it is its turn, and
    /// [`ImageLayout::index`] is then what it has become. A sparse layout gets recipes in the place of blobs.
    ///
    /// # Errors
    ///
    /// As [`image_layout`](crate::image_layout()), and [`Error::Layout`] for an archive. The layout is as it was then,
    /// but for blobs that nothing names.
    pub fn append<I: Into<Image>>(&mut self, images: impl IntoIterator<Item = I>, pool: &Pool) -> Result<()> {
        let dir = self.folder()?;
        let images = nest(images.into_iter().map(Into::into).collect(), None)?;
        let new = entries(&images)?;
        let is_sparse = dir.join(RECIPES).is_dir();
        let store = if is_sparse { BlobStore::create_sparse(dir)? } else { BlobStore::create(dir)? };
        put_blobs(&store, &images, pool, Sync::Before)?;
        self.change(|index| {
            let replaces = |new: &Descriptor, old: &Descriptor| match new.annotations.get(REF_NAME) {
                Some(tag) => old.annotations.get(REF_NAME) == Some(tag),
                None => old.digest == new.digest && !old.annotations.contains_key(REF_NAME),
            };
            for (new, old) in new.iter().flat_map(|new| index.manifests.iter().map(move |old| (new, old))) {
                let names = [new, old].map(|entry| entry.annotations.get(CONTAINERD_NAME));
                if let ([Some(name), Some(other)], true) = (names, replaces(new, old))
                    && name != other
                {
                    return Err(Error::Images {
                        first: other.clone(),
                        second: name.clone(),
                        reason: "have one tag, by which podman and others find only one of them: \
                                 give the new one another tag, or remove the old one"
                            .to_owned(),
                    });
                }
            }
            index.manifests.retain(|old| !new.iter().any(|new| replaces(new, old)));
            index.manifests.extend(new.iter().cloned());
            Ok(())
        })
    }

    /// Removes a tag (or full name) from the index. The blobs stay until somebody collects them.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if no image has that tag, with the tags there are.
    pub fn remove(&mut self, tag: &str) -> Result<()> {
        let dir = self.folder()?.to_owned();
        let _writer = Lock::shared(&dir)?;
        self.change(|index| {
            let before = index.manifests.len();
            let tags: Vec<_> =
                index.manifests.iter().filter_map(|entry| entry.annotations.get(REF_NAME)).cloned().collect();
            index.manifests.retain(|entry| !has_name(entry, Some(tag)));
            if index.manifests.len() == before {
                let has = if tags.is_empty() { "no tags".to_owned() } else { tags.join(", ") };
                return Err(Error::layout(&dir, format!("has no image with the tag {tag:?}: it has {has}")));
            }
            Ok(())
        })
    }

    /// Removes every blob and every recipe that no image refers to, and what killed writers left behind. Waits until nobody writes,
    /// which includes every stored layer of this process that is still alive.
    ///
    /// # Errors
    ///
    /// [`Error::BlobMissing`], [`Error::BlobDamaged`] or [`Error::Layout`] if a manifest or index can't be read:
    /// nobody can say then which blobs it refers to, and none is removed.
    pub fn collect_garbage(&self) -> Result<Collected> {
        let dir = self.folder()?;
        let _alone = Lock::exclusive(dir)?;
        let now = Self::open(dir)?;
        let mut used = HashSet::new();
        for descriptor in now.known(now.index())? {
            now.mark(descriptor, 0, &mut used)?;
        }
        let used: HashSet<Digest> = used.into_iter().map(|(digest, _)| digest).collect();
        let mut collected = Collected::default();
        // In each folder, what stands behind the digests of blobs; nothing is one in the first.
        for (folder, suffix) in [("", None), ("blobs/sha256", Some("")), (RECIPES, Some(".json"))] {
            let folder = dir.join(folder);
            let entries = match fs::read_dir(&folder) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound && folder.ends_with(RECIPES) => continue,
                entries => entries.map_err(Error::read(&folder))?,
            };
            for entry in entries {
                let entry = entry.map_err(Error::read(&folder))?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let unused = |digits| format!("sha256:{digits}").parse().is_ok_and(|digest| !used.contains(&digest));
                // What is neither is somebody else's.
                if name.starts_with(TEMPORARY)
                    || suffix.and_then(|suffix| name.strip_suffix(suffix)).is_some_and(unused)
                {
                    collected.remove(&entry.path())?;
                }
            }
        }
        Ok(collected)
    }

    /// Notes down all blobs that are used, each with whether it is one that names others: the same bytes may be a layer
    /// in one place and a manifest in another.
    fn mark(&self, descriptor: &Descriptor, depth: usize, used: &mut HashSet<(Digest, bool)>) -> Result<()> {
        if used.insert((descriptor.digest, descriptor.media_type.names_others())) {
            for below in self.children(descriptor, depth)? {
                self.mark(&below, depth + 1, used)?;
            }
        }
        Ok(())
    }

    /// Replaces the index by what the function makes of it as it is now.
    fn change(&mut self, change: impl FnOnce(&mut Index) -> Result<()>) -> Result<()> {
        let dir = self.folder()?.to_owned();
        let _turn = Lock::index(&dir)?;
        // Nearly always it is as it was when it was opened, and parsing a long one takes its time.
        if !self.files.holds(INDEX, &self.index_bytes)? {
            *self = Self::open(&dir)?;
        }
        let changed = change(&mut self.index).and_then(|()| {
            json::write_bytes(&self.index, &mut self.index_bytes);
            replace(&dir, INDEX, &self.index_bytes, Sync::Before)
        });
        if changed.is_err() {
            *self = Self::open(&dir)?;
        }
        changed
    }

    pub(super) fn folder(&self) -> Result<&Path> {
        self.files.folder().ok_or_else(|| {
            Error::layout(self.path(), "is an archive, which is only read: unpack it into a folder first")
        })
    }
}

/// What collecting garbage removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Their size, in bytes.
    pub bytes: u64,
}

impl Collected {
    fn remove(&mut self, path: &Path) -> Result<()> {
        self.bytes += fs::symlink_metadata(path).map_err(Error::read(path))?.len();
        fs::remove_file(path).map_err(Error::write(path))?;
        self.files.push(path.to_owned());
        Ok(())
    }
}
