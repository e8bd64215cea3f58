//! A repository of the endpoint: a layout in its current state, or images in memory.

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
    layout::{files::LayoutFiles, read::ImageLayout},
    pool::lock,
    recipe::trust::RecipeTrust,
    registry::serve::contents::Contents,
    store::{checked::Stamp, known_files::KnownFiles},
};

/// What a repository of an [`Endpoint`](super::Endpoint) contains: the images of a layout, or
/// images that are in no layout.
///
/// A layout is read again when its index has changed, so that images appended to it are served at
/// once.
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

/// The location of a layout, and the options with which it was opened.
struct Place {
    path: PathBuf,
    /// The folder into which a compressed archive is unpacked.
    scratch: Option<PathBuf>,
    trust: RecipeTrust,
    known: Arc<KnownFiles>,
}

impl Place {
    fn of(layout: &ImageLayout) -> Self {
        let LayoutFiles { path, scratch, trust, known, .. } = (*layout.files).clone();
        Self { path, scratch, trust, known }
    }

    /// Opens the layout in its current state.
    fn open(&self) -> Result<ImageLayout> {
        let layout = match &self.scratch {
            Some(scratch) => ImageLayout::open_in(&self.path, scratch),
            None => ImageLayout::open(&self.path),
        };
        Ok(layout?.trust(self.trust.clone()).with_known(Arc::clone(&self.known)))
    }
}

struct Current {
    /// The stamp of the index from which the contents were read.
    stamp: Option<Stamp>,
    contents: Arc<Contents>,
}

impl Repository {
    /// The contents, if the index has not changed since they were read.
    pub(crate) fn fresh(&self) -> Option<Arc<Contents>> {
        let current = lock(&self.current);
        let is_fresh = match &self.layout {
            None => true,
            Some(layout) => current.stamp.is_some() && stamp(&layout.path) == current.stamp,
        };
        is_fresh.then(|| Arc::clone(&current.contents))
    }

    /// The contents that were read last.
    pub(crate) fn known(&self) -> Arc<Contents> {
        Arc::clone(&lock(&self.current).contents)
    }

    /// The turn to read the layout, unless another request has it.
    pub(crate) fn try_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// Waits for the turn to read the layout, without occupying a thread.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The current contents. If a changed layout cannot be read, `trouble` receives the reason, and
    /// the previous contents are returned.
    pub(crate) fn contents(&self, trouble: impl FnOnce(Error)) -> Arc<Contents> {
        if let Some(contents) = self.fresh() {
            return contents;
        }
        if let Some(layout) = &self.layout {
            // Take the stamp first, so that a change while the layout is read gives a different
            // one.
            let stamp = stamp(&layout.path);
            // Reading may take long, and requests for known contents need the lock.
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

/// The stamp of a layout's index, or of the archive that contains it.
fn stamp(path: &Path) -> Option<Stamp> {
    Stamp::at(&path.join(INDEX)).or_else(|| Stamp::at(path))
}

/// A layout whose index cannot be read is empty. The first request reports the reason as an event.
impl From<ImageLayout> for Repository {
    fn from(layout: ImageLayout) -> Self {
        let place = Place::of(&layout);
        // The layout is opened again by its path, so that the contents belong to the stamp. Drop
        // this one first, so that only one index is in memory.
        drop(layout);
        let current = Mutex::new(Current { stamp: None, contents: Arc::default() });
        let repository = Self { layout: Some(place), current, turn: Arc::default() };
        repository.contents(|_| ());
        repository
    }
}

/// Layers that are not stored are built when a client requests them.
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
