//! Removes images that were not used for long, and what only they need.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::{
    basics::{digest::Digest, error::Result, json},
    document::manifest::Manifest,
    on_demand::{
        maker::{Maker, contents_key},
        state::{ImageRecord, Kind},
    },
};

/// Which images are removed. The defaults remove none.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Eviction {
    /// How long an image stays after its last use.
    pub max_age: Option<Duration>,
    /// The size of all store paths that images keep, as Nix archives. The images that were not used
    /// for the longest time go first.
    pub max_bytes: Option<u64>,
    /// How long an image stays after its last use in any case, so that a pull that began in another
    /// process can end. The default is an hour.
    pub grace: Duration,
}

impl Default for Eviction {
    fn default() -> Self {
        Self { max_age: None, max_bytes: None, grace: Duration::from_secs(3600) }
    }
}

impl Eviction {
    /// Sets how long an image stays after its last use.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Sets the size of all store paths that images keep.
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }

    /// Sets how long an image stays after its last use in any case.
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }
}

/// What an eviction removed and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evicted {
    /// The number of images that were removed.
    pub images: usize,
    /// The number of images that are left.
    pub left: usize,
    /// The size of the store paths that the images keep that are left, as Nix archives.
    pub bytes: u64,
}

/// Removes images, and then what no image needs. Returns the keys of the images too.
///
/// An image that a client of this process reads stays, and so does one that any process used
/// within the grace period. What is removed while somebody else begins to use it is made again.
pub(crate) fn evict(maker: &Maker, eviction: &Eviction) -> Result<(Evicted, Vec<Digest>)> {
    let state = &maker.state;
    let used: HashMap<_, _> = state.all(Kind::Use)?.into_iter().collect();
    let mut images = state.all(Kind::Image)?;
    for (image, made) in &mut images {
        *made = used.get(image).copied().unwrap_or(*made).max(*made);
    }
    // The image that was used last comes first.
    images.sort_by_key(|&(image, used)| (std::cmp::Reverse(used), image));

    let (mut kept, mut gone) = (Kept::default(), Vec::new());
    for (image, used) in images {
        let age = age(used);
        let record = state.image(image)?;
        let stays = maker.uses.is_read(image) || age < eviction.grace;
        let young = eviction.max_age.is_none_or(|most| age < most);
        match record {
            Some(record) if young || stays => {
                let paths = paths(maker, &record)?;
                let fits = eviction.max_bytes.is_none_or(|most| kept.with(&paths) <= most);
                if (fits || stays) || !remove(maker, image, Some(&record), eviction)? {
                    kept.add(maker, image, &record, paths)?;
                } else {
                    gone.push(image);
                }
            }
            None if stays => {
                kept.images.insert(image);
            }
            record => match remove(maker, image, record.as_ref(), eviction)? {
                true => gone.push(image),
                false => kept.images.extend([image]),
            },
        }
    }
    sweep(maker, &kept, eviction)?;
    state.remove_unfinished(eviction.grace);
    let evicted = Evicted { images: gone.len(), left: kept.images.len(), bytes: kept.bytes };
    Ok((evicted, gone))
}

/// What stays.
#[derive(Default)]
struct Kept {
    images: HashSet<Digest>,
    layers: HashSet<Digest>,
    documents: HashSet<Digest>,
    /// The layers as blobs.
    blobs: HashSet<Digest>,
    paths: HashSet<PathBuf>,
    bytes: u64,
}

impl Kept {
    /// The size of the store paths, if these were added.
    fn with(&self, paths: &HashMap<PathBuf, u64>) -> u64 {
        let new = paths.iter().filter(|(path, _)| !self.paths.contains(*path));
        self.bytes + new.map(|(_, size)| size).sum::<u64>()
    }

    fn add(
        &mut self,
        maker: &Maker,
        image: Digest,
        record: &ImageRecord,
        paths: HashMap<PathBuf, u64>,
    ) -> Result<()> {
        self.bytes = self.with(&paths);
        self.paths.extend(paths.into_keys());
        self.images.insert(image);
        self.layers.extend(&record.layers);
        self.documents.insert(record.manifest);
        let manifest = maker.state.document(record.manifest)?;
        let manifest = manifest.and_then(|bytes| json::from_slice::<Manifest>(&bytes).ok());
        if let Some(manifest) = manifest {
            self.documents.insert(manifest.config.digest);
            self.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
        }
        Ok(())
    }
}

/// The store paths of an image, and their sizes.
fn paths(maker: &Maker, record: &ImageRecord) -> Result<HashMap<PathBuf, u64>> {
    let mut paths = HashMap::new();
    for layer in &record.layers {
        let layer = maker.state.layer(*layer)?;
        let all = layer.into_iter().flat_map(|layer| layer.paths);
        paths.extend(all.map(|path| (path.path, path.nar_size)));
    }
    Ok(paths)
}

/// Removes an image, unless somebody began to use it since the uses were listed, which can be long
/// ago. Returns whether it was removed.
fn remove(
    maker: &Maker,
    image: Digest,
    record: Option<&ImageRecord>,
    eviction: &Eviction,
) -> Result<bool> {
    let _turn = maker.turns.take(image);
    let used = maker.state.written(Kind::Use, image)?;
    if maker.uses.is_read(image) || used.is_some_and(|used| age(used) < eviction.grace) {
        return Ok(false);
    }
    match record {
        Some(record) => {
            let contents = contents_key(&record.contents);
            maker.state.remove_image(image, contents)?;
        }
        None => maker.state.remove(Kind::Image, image)?,
    }
    maker.uses.forget(image);
    maker.roots.remove(image)?;
    Ok(true)
}

/// Removes what no image needs: that of images which were removed here or by another process, or
/// which were never completed.
fn sweep(maker: &Maker, kept: &Kept, eviction: &Eviction) -> Result<()> {
    let old = |time: &SystemTime| age(*time) >= eviction.grace;
    let kinds = [
        (Kind::Layer, &kept.layers),
        (Kind::Document, &kept.documents),
        (Kind::Use, &kept.images),
        (Kind::Pin, &HashSet::new()),
    ];
    for (kind, needed) in kinds {
        for (digest, written) in maker.state.all(kind)? {
            if !needed.contains(&digest) && old(&written) {
                maker.state.remove(kind, digest)?;
            }
        }
    }
    remove_blobs(maker, kept, old)?;
    for (image, made) in maker.roots.images()? {
        if !kept.images.contains(&image) && old(&made) {
            let _turn = maker.turns.take(image);
            if !maker.uses.is_read(image) && maker.state.image(image)?.is_none() {
                maker.roots.remove(image)?;
            }
        }
    }
    Ok(())
}

/// Removes stored layers that no image has. They cannot always be made again, so images count too
/// that were made since the others were listed; who makes one stores its layers again if necessary.
fn remove_blobs(maker: &Maker, kept: &Kept, old: impl Fn(&SystemTime) -> bool) -> Result<()> {
    let mut blobs = maker.state.all(Kind::Blob)?;
    blobs.retain(|(digest, written)| !kept.blobs.contains(digest) && old(written));
    if blobs.is_empty() {
        return Ok(());
    }
    let mut new = Kept::default();
    for (image, _) in maker.state.all(Kind::Image)? {
        if !kept.images.contains(&image)
            && let Some(record) = maker.state.image(image)?
        {
            new.add(maker, image, &record, HashMap::new())?;
        }
    }
    blobs.retain(|(digest, _)| !new.blobs.contains(digest));
    blobs.into_iter().try_for_each(|(digest, _)| maker.state.remove(Kind::Blob, digest))
}

/// The time since then, which is 0 for a time in the future.
fn age(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}
