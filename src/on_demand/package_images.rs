//! Images of packages, by the names that clients use.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        json,
        stop::Stop,
    },
    image::graph::Image,
    on_demand::{
        contents::ImageContents,
        evict::{self, Evicted, Eviction},
        layer_cache::LayerCache,
        maker::{MadeImage, Maker, contents_key, unsupported},
        memory::Memory,
        options::PackageImagesOptions,
        package_source::PackageSource,
        roots::{Roots, Uses},
        served_layer::served,
        state::{Pin, State},
        storage::Storage,
        systems::nix_system,
        turns::Turns,
    },
    recipe::trust::RecipeTrust,
    registry::{NamedImageError, NamedImageErrorKind, NamedImages},
};

/// Parses the name of a repository.
type ParseName = dyn Fn(&str) -> Result<ImageContents, NamedImageError> + Send + Sync;

/// Images of packages, which are made when somebody pulls them. Layers of the images can be read
/// as long as this value exists.
///
/// The state remembers every image: after a restart, an image whose tag still means the same
/// revision is known without Nix, and no layer that any image had is hashed again.
pub struct PackageImages {
    maker: Arc<Maker>,
    parse: Box<ParseName>,
    pin: Duration,
    names: Vec<String>,
    memory: Mutex<Memory>,
}

/// A request in its canonical form.
#[derive(Deserialize, Serialize)]
struct Request {
    contents: ImageContents,
    tag: String,
}

impl PackageImages {
    /// Opens the state, and creates it if necessary.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if a folder cannot be created, or if the system refuses a thread.
    pub fn open(
        source: impl PackageSource + 'static,
        parse: impl Fn(&str) -> Result<ImageContents, NamedImageError> + Send + Sync + 'static,
        options: PackageImagesOptions,
    ) -> Result<Self> {
        let PackageImagesOptions { folder, storage, layering, pin, stores, names, pool } = options;
        let storage = match storage {
            Some(storage) => storage,
            None => Storage::folder(folder.join("state"))?,
        };
        let roots = Roots::open(folder.join("roots"))?;
        let state = State::new(storage);
        let trust = stores.into_iter().fold(RecipeTrust::default(), RecipeTrust::root);
        let maker = Maker {
            layers: LayerCache::new(state.clone(), trust, pool.clone()),
            uses: Uses::start(state.clone()).map_err(Error::write(&folder))?,
            source: Box::new(source),
            turns: Turns::default(),
            stop: Stop::default(),
            state,
            layering,
            roots,
            pool,
        };
        let (maker, memory) = (Arc::new(maker), Mutex::default());
        Ok(Self { maker, parse: Box::new(parse), pin, names, memory })
    }

    /// Removes images that were not used for long, and the links that keep their store paths.
    /// Images that clients are pulling stay.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] and [`Error::Write`] for the state.
    pub fn evict(&self, eviction: &Eviction) -> Result<Evicted> {
        let (evicted, images) = evict::evict(&self.maker, eviction)?;
        let mut memory = self.memory();
        images.iter().for_each(|image| drop(memory.images.remove(image)));
        Ok(evicted)
    }

    /// The revision of a tag that was looked up a short time ago.
    fn pinned(&self, tag: &str) -> Option<String> {
        let known = self.memory().pins.get(tag).cloned();
        let known = known.filter(|pin| pin.is_fresh(self.pin));
        let known = known.or_else(|| {
            let pin = self.maker.state.pin(tag).ok().flatten();
            let pin = pin.filter(|pin| pin.is_fresh(self.pin))?;
            self.memory().add_pin(&pin, self.pin);
            Some(pin)
        });
        known.map(|pin| pin.revision)
    }

    /// The revision of a tag.
    fn revision(&self, tag: &str, stop: &Stop) -> Result<String, NamedImageError> {
        match self.pinned(tag) {
            Some(revision) => Ok(revision),
            None => self.look_up(tag, stop),
        }
    }

    /// The revision of a tag now, which is remembered.
    fn look_up(&self, tag: &str, stop: &Stop) -> Result<String, NamedImageError> {
        let revision = self.maker.source.revision(tag, stop)?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let pin = Pin { tag: tag.to_owned(), revision, since: since.as_secs() };
        // Without it, another registry asks the source too.
        let _ = self.maker.state.add_pin(&pin);
        self.memory().add_pin(&pin, self.pin);
        Ok(pin.revision)
    }

    /// An image that was made, from memory or from the state.
    fn image(&self, key: Digest) -> Option<Arc<Image>> {
        let known = self.memory().image(key);
        let image = known.or_else(|| {
            let made = self.maker.find(key).ok().flatten()?;
            self.keep(key, made)
        })?;
        self.maker.uses.touch(key);
        Some(image)
    }

    /// Finds or makes an image at a revision.
    fn make_at(
        &self,
        contents: &ImageContents,
        revision: &str,
        stop: &Stop,
    ) -> Result<Arc<Image>, NamedImageError> {
        let key = self.maker.key(contents, revision);
        if let Some(image) = self.image(key) {
            return Ok(image);
        }
        let made = self.maker.make(contents, revision, stop)?;
        self.keep(key, made).ok_or_else(|| {
            NamedImageError::new(NamedImageErrorKind::Internal, "the image cannot be read again")
        })
    }

    /// Keeps an image in memory.
    fn keep(&self, key: Digest, made: MadeImage) -> Option<Arc<Image>> {
        let contents = contents_key(&made.record.contents);
        let image = Arc::new(served(&self.maker, key, made)?);
        Some(self.memory().add(key, contents, image))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends what the source still does for layers that are being read.
impl Drop for PackageImages {
    fn drop(&mut self) {
        self.maker.stop.set();
    }
}

impl NamedImages for PackageImages {
    fn request(&self, name: &str, tag: &str) -> Result<String, NamedImageError> {
        let contents = (self.parse)(name)?;
        if nix_system(&contents.platform).is_none() {
            return Err(unsupported(&contents));
        }
        let request = json::to_bytes(&Request { contents, tag: tag.to_owned() });
        Ok(String::from_utf8_lossy(&request).into_owned())
    }

    fn known(&self, request: &str) -> Option<Arc<Image>> {
        let Request { contents, tag } = parsed(request).ok()?;
        self.image(self.maker.key(&contents, &self.pinned(&tag)?))
    }

    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        let Request { contents, tag } = parsed(request)?;
        let revision = self.revision(&tag, stop)?;
        match self.make_at(&contents, &revision, stop) {
            // A folder that changed has no earlier state, so its tag cannot keep its meaning.
            Err(error) if matches!(error.kind, NamedImageErrorKind::Busy(_)) => {
                match self.look_up(&tag, stop)? {
                    new if new == revision => Err(error),
                    new => self.make_at(&contents, &new, stop),
                }
            }
            made => made,
        }
    }

    fn holding(&self, name: &str, digest: Digest) -> Option<Arc<Image>> {
        let contents = contents_key(&(self.parse)(name).ok()?);
        if let Some((key, image)) = self.memory().holding(contents, digest) {
            self.maker.uses.touch(key);
            return Some(image);
        }
        let keys = self.maker.state.named(contents).ok()?;
        let unknown: Vec<_> = {
            let memory = self.memory();
            keys.into_iter().filter(|key| !memory.images.contains_key(key)).collect()
        };
        unknown.into_iter().find_map(|key| self.image(key).filter(|image| has(image, digest)))
    }

    fn tags(&self, name: &str) -> Result<Vec<String>, NamedImageError> {
        (self.parse)(name)?;
        Ok(self.maker.source.tags())
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn parsed(request: &str) -> Result<Request, NamedImageError> {
    serde_json::from_str(request).map_err(|error| {
        let kind = NamedImageErrorKind::Internal;
        NamedImageError::new(kind, "the request is not canonical").detail(error.to_string())
    })
}

fn has(image: &Image, digest: Digest) -> bool {
    image.blobs().iter().any(|blob| blob.descriptor().digest == digest)
}

impl fmt::Debug for PackageImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackageImages").field("state", &self.maker.state).finish_non_exhaustive()
    }
}
