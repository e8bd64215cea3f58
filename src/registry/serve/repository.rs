//! One repository of the endpoint: a layout as it is now, or images that are only described.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::sync::OwnedMutexGuard;

use crate::{
    basics::error::{Error, Result},
    document::layout_paths::INDEX,
    image::graph::Image,
    layout::read::ImageLayout,
    pool::lock,
    recipe::trust::RecipeTrust,
    registry::serve::contents::Contents,
    store::{checked::Stamp, known_files::KnownFiles},
};

/// What a repository of an [`Endpoint`](super::Endpoint) has: the images of a layout, or images
/// that lie in none.
///
/// A layout is read again when its index has changed, so that what is appended to it while it is
/// served is served.
pub struct Repository {
    layout: Option<Place>,
    current: Mutex<Current>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.layout.as_ref().map(|layout| &layout.path);
        f.debug_struct("Repository").field("layout", &path).finish_non_exhaustive()
    }
}

/// Where a layout is.
struct Place {
    path: PathBuf,
    /// Where an archive is unpacked that is compressed.
    scratch: Option<PathBuf>,
    trust: RecipeTrust,
    known: Arc<KnownFiles>,
}

impl Place {
    fn of(layout: &ImageLayout) -> Self {
        let (trust, known) = (layout.recipe_trust().clone(), Arc::clone(layout.known()));
        Self {
            path: layout.path().to_owned(),
            scratch: layout.scratch().map(Path::to_owned),
            trust,
            known,
        }
    }

    /// The layout as it is now.
    fn open(&self) -> Result<ImageLayout> {
        let layout = match &self.scratch {
            Some(scratch) => ImageLayout::open_in(&self.path, scratch),
            None => ImageLayout::open(&self.path),
        };
        Ok(layout?.trust(self.trust.clone()).with_known(Arc::clone(&self.known)))
    }
}

struct Current {
    /// Of the index that the contents were read by.
    stamp: Option<Stamp>,
    contents: Arc<Contents>,
}

impl Repository {
    /// The contents if they are those of the index as it is now; none if the layout has to be read
    /// first.
    pub(crate) fn fresh(&self) -> Option<Arc<Contents>> {
        let current = lock(&self.current);
        let is_fresh = match &self.layout {
            None => true,
            Some(layout) => current.stamp.is_some() && stamp(&layout.path) == current.stamp,
        };
        is_fresh.then(|| Arc::clone(&current.contents))
    }

    /// The contents as they were read last.
    pub(crate) fn known(&self) -> Arc<Contents> {
        Arc::clone(&lock(&self.current).contents)
    }

    /// The right to read the layout, unless another request has it.
    pub(crate) fn try_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// The right to read the layout. A request that waits for it occupies no thread.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// What there is now. `trouble` is told why a layout that changed can't be read; it is as it
    /// was before then.
    pub(crate) fn contents(&self, trouble: impl FnOnce(Error)) -> Arc<Contents> {
        if let Some(contents) = self.fresh() {
            return contents;
        }
        if let Some(layout) = &self.layout {
            // The stamp first: what is written after it is another one.
            let stamp = stamp(&layout.path);
            // Reading may take long, and who asks for what is known needs the lock.
            match layout.open().and_then(|layout| Contents::of_layout(&layout)) {
                Ok(contents) => {
                    *lock(&self.current) = Current { stamp, contents: Arc::new(contents) }
                }
                Err(error) => trouble(error),
            }
        }
        self.known()
    }
}

/// Of a layout's index, or of the archive that it lies in.
fn stamp(path: &Path) -> Option<Stamp> {
    Stamp::at(&path.join(INDEX)).or_else(|| Stamp::at(path))
}

/// One whose index can't be read has nothing; the first client that asks makes that an event that
/// says why.
impl From<ImageLayout> for Repository {
    fn from(layout: ImageLayout) -> Self {
        let place = Place::of(&layout);
        // It is read by its path, so that what was read is known to be what lies there; not beside
        // the index of this one.
        drop(layout);
        let current = Mutex::new(Current { stamp: None, contents: Arc::default() });
        let repository = Self { layout: Some(place), current, turn: Arc::default() };
        repository.contents(|_| ());
        repository
    }
}

/// Their layers are made when a client asks for them.
impl<I: Into<Image>> From<Vec<I>> for Repository {
    fn from(images: Vec<I>) -> Self {
        let images: Vec<Image> = images.into_iter().map(Into::into).collect();
        let contents = Arc::new(Contents::of_images(&images));
        Self {
            layout: None,
            current: Mutex::new(Current { stamp: None, contents }),
            turn: Arc::default(),
        }
    }
}
