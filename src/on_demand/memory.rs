//! The images and tags that were used lately.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{basics::digest::Digest, image::graph::Image, on_demand::state::Pin};

/// The largest number of images in memory. An image of 60 layers takes about 50 KB: the recipes of
/// its layers are in the state. Another image is read from the state, in about a millisecond.
const IMAGES: usize = 500;

/// The largest number of tags in memory.
const TAGS: usize = 2000;

/// What was used lately.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) images: HashMap<Digest, Kept>,
    pub(crate) pins: HashMap<String, Pin>,
    /// The declared names, and the contents that they had.
    pub(crate) declared: HashSet<(Digest, Digest)>,
}

/// An image in memory.
pub(crate) struct Kept {
    image: Arc<Image>,
    contents: Digest,
    /// The digests of all blobs.
    blobs: HashSet<Digest>,
    used: Instant,
}

impl Memory {
    pub(crate) fn image(&mut self, key: Digest) -> Option<Arc<Image>> {
        let kept = self.images.get_mut(&key)?;
        kept.used = Instant::now();
        Some(Arc::clone(&kept.image))
    }

    /// Adds an image, unless it is there already. Returns the one that is there.
    pub(crate) fn add(&mut self, key: Digest, contents: Digest, image: Arc<Image>) -> Arc<Image> {
        if self.images.len() >= IMAGES
            && let Some(oldest) = self.images.iter().min_by_key(|(_, kept)| kept.used)
        {
            let oldest = *oldest.0;
            self.images.remove(&oldest);
        }
        let blobs = image.blobs().iter().map(|blob| blob.descriptor().digest).collect();
        let kept = Kept { image, contents, blobs, used: Instant::now() };
        Arc::clone(&self.images.entry(key).or_insert(kept).image)
    }

    pub(crate) fn holding(
        &mut self,
        contents: Digest,
        digest: Digest,
    ) -> Option<(Digest, Arc<Image>)> {
        let mut kept = self.images.iter_mut();
        let (key, kept) =
            kept.find(|(_, kept)| kept.contents == contents && kept.blobs.contains(&digest))?;
        kept.used = Instant::now();
        Some((*key, Arc::clone(&kept.image)))
    }

    pub(crate) fn add_pin(&mut self, pin: &Pin, lasts: Duration) {
        if self.pins.len() >= TAGS {
            self.pins.retain(|_, pin| pin.is_fresh(lasts));
        }
        if self.pins.len() < TAGS {
            self.pins.insert(pin.tag.clone(), pin.clone());
        }
    }
}
