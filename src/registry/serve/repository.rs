//! One repository of the endpoint: a layout as it is now, or images that are only described.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::contents::Contents;
use crate::{
    checked::KnownFiles,
    error::{Error, Result},
    image_layout::{INDEX, ImageLayout},
    image_manifest::Image,
    pool::lock,
    recipe::RecipeTrust,
};

/// What a repository of an [`Endpoint`](super::Endpoint) has: the images of a layout, or images that lie in none.
///
/// A layout is read again when its index has changed, so that what is appended to it while it is served is served.
pub struct Repository {
    layout: Option<Place>,
    current: Mutex<Current>,
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
        Self { path: layout.path().to_owned(), scratch: layout.scratch().map(Path::to_owned), trust, known }
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

/// What tells one state of a file from another.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Repository {
    /// What there is now. `trouble` is told why a layout that changed can't be read; it is as it was before then.
    pub(super) fn contents(&self, trouble: impl FnOnce(Error)) -> Arc<Contents> {
        // While one reads the layout, others wait for what it finds.
        let mut current = lock(&self.current);
        if let Some(layout) = &self.layout {
            // The stamp first: what is written behind it is another one.
            let stamp = stamp(&layout.path);
            if stamp.is_none() || stamp != current.stamp {
                match layout.open().and_then(|layout| Contents::of_layout(&layout)) {
                    Ok(contents) => *current = Current { stamp, contents: Arc::new(contents) },
                    Err(error) => trouble(error),
                }
            }
        }
        Arc::clone(&current.contents)
    }
}

/// Of a layout's index, or of the archive that it lies in.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path.join(INDEX)).or_else(|_| fs::metadata(path)).ok()?;
    let times = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
    Some((file.dev(), file.ino(), file.len(), times.0, times.1))
}

/// One whose index can't be read has nothing; the first client that asks makes that an event that says why.
impl From<ImageLayout> for Repository {
    fn from(layout: ImageLayout) -> Self {
        let contents = Arc::new(Contents::of_layout(&layout).unwrap_or_default());
        Self { layout: Some(Place::of(&layout)), current: Mutex::new(Current { stamp: None, contents }) }
    }
}

/// Their layers are made when a client asks for them.
impl<I: Into<Image>> From<Vec<I>> for Repository {
    fn from(images: Vec<I>) -> Self {
        let images: Vec<Image> = images.into_iter().map(Into::into).collect();
        let contents = Arc::new(Contents::of_images(&images));
        Self { layout: None, current: Mutex::new(Current { stamp: None, contents }) }
    }
}
