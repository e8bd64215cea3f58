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
    document::descriptor::Descriptor,
    image::graph::Image,
    on_demand::{
        contents::ImageContents,
        evict::{self, Evicted, Eviction},
        image_names::{ImageNames, NamedContents},
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

/// Images of packages, which are made when somebody pulls them. Layers of the images can be read
/// as long as this value exists.
///
/// The state remembers every image: after a restart, an image whose tag still means the same
/// revision is known without Nix, and no layer that any image had is hashed again.
pub struct PackageImages {
    maker: Arc<Maker>,
    names: Box<dyn ImageNames>,
    pin: Duration,
    redirect: bool,
    memory: Mutex<Memory>,
}

/// A request in its canonical form.
#[derive(Deserialize, Serialize)]
struct Request {
    contents: ImageContents,
    tag: String,
    /// The name, if it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl PackageImages {
    /// Opens the state, and creates it if necessary.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if a folder cannot be created, or if the system refuses a thread.
    pub fn open(
        source: impl PackageSource + 'static,
        names: impl ImageNames + 'static,
        options: PackageImagesOptions,
    ) -> Result<Self> {
        let PackageImagesOptions {
            folder,
            storage,
            layering,
            pin,
            stores,
            stored_layers: stored,
            redirect,
            pool,
        } = options;
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
            stored,
            layering,
            roots,
            pool,
        };
        let (maker, memory) = (Arc::new(maker), Mutex::default());
        Ok(Self { maker, names: Box::new(names), pin, redirect, memory })
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

    /// Finds an image of contents, whose manifest or one of whose blobs has this digest.
    fn holding_of(&self, contents: Digest, digest: Digest) -> Option<Arc<Image>> {
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

    /// Remembers the contents of a declared name, so that its images can be pulled by their digests
    /// when its declaration has changed.
    fn declare(&self, name: Option<String>, contents: &ImageContents) {
        let Some(name) = name.map(Digest::of) else { return };
        let contents = contents_key(contents);
        let is_known = self.memory().declared.contains(&(name, contents));
        // Without it, the images can be pulled by their digests until the declaration changes.
        if !is_known && self.maker.state.add_declared(name, contents).is_ok() {
            self.memory().declared.insert((name, contents));
        }
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
        let NamedContents { contents, tag, is_declared } = self.names.image(name, tag)?;
        if nix_system(&contents.platform).is_none() {
            return Err(unsupported(&contents));
        }
        let name = is_declared.then(|| name.to_owned());
        let request = json::to_bytes(&Request { contents, tag, name });
        Ok(String::from_utf8_lossy(&request).into_owned())
    }

    fn known(&self, request: &str) -> Option<Arc<Image>> {
        let Request { contents, tag, name } = parsed(request).ok()?;
        let image = self.image(self.maker.key(&contents, &self.pinned(&tag)?))?;
        self.declare(name, &contents);
        Some(image)
    }

    fn make(&self, request: &str, stop: &Stop) -> Result<Arc<Image>, NamedImageError> {
        let Request { contents, tag, name } = parsed(request)?;
        // Before a client has the manifest: it may ask for blobs when the declaration has changed.
        self.declare(name, &contents);
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
        let contents: Vec<_> = self.names.contents(name).ok()?.iter().map(contents_key).collect();
        contents.iter().find_map(|&contents| self.holding_of(contents, digest)).or_else(|| {
            self.names.tags(name).ok()??;
            let earlier = self.maker.state.declared(Digest::of(name)).ok()?;
            let mut earlier = earlier.into_iter().filter(|key| !contents.contains(key));
            earlier.find_map(|contents| self.holding_of(contents, digest))
        })
    }

    fn location(&self, blob: &Descriptor) -> Option<String> {
        // Without a URL, the bytes come from here.
        self.redirect.then(|| self.maker.state.url_of_blob(blob).ok().flatten()).flatten()
    }

    fn tags(&self, name: &str) -> Result<Vec<String>, NamedImageError> {
        Ok(self.names.tags(name)?.unwrap_or_else(|| self.maker.source.tags()))
    }

    fn about(&self) -> Option<String> {
        let about = "Each part of a name is a package: shell/git/htop is an image with a shell, git \
                     and htop. An image that nobody has pulled yet is made when somebody pulls it.";
        Some(about.to_owned())
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.names.names();
        names.sort();
        names.dedup();
        names
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
