//! Links that keep the store paths of images, and the images that are in use.

use std::{
    collections::HashMap,
    fs, io,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
    },
    on_demand::state::State,
};

/// A folder with links to store paths, whose names begin with the keys of images.
#[derive(Debug)]
pub(crate) struct Roots {
    folder: PathBuf,
}

impl Roots {
    pub(crate) fn open(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        Ok(Self { folder })
    }

    /// The link of an image, whether it exists or not.
    pub(crate) fn path(&self, image: Digest) -> PathBuf {
        self.folder.join(image.hex())
    }

    pub(crate) fn exist(&self, image: Digest) -> bool {
        self.path(image).symlink_metadata().is_ok()
    }

    /// Removes the links of an image, so that a garbage collector may remove its store paths.
    pub(crate) fn remove(&self, image: Digest) -> Result<()> {
        for (name, _) in self.links()? {
            if of(&name) == Some(image) {
                self.unlink(&name)?;
            }
        }
        Ok(())
    }

    /// The images that have links, with the time at which a link was made.
    pub(crate) fn images(&self) -> Result<Vec<(Digest, SystemTime)>> {
        let links = self.links()?.into_iter();
        Ok(links.filter_map(|(name, made)| Some((of(&name)?, made))).collect())
    }

    fn links(&self) -> Result<Vec<(String, SystemTime)>> {
        let read = Error::read;
        let entries = fs::read_dir(&self.folder).map_err(read(&self.folder))?;
        let mut links = Vec::new();
        for entry in entries {
            let entry = entry.map_err(read(&self.folder))?;
            // Another process may remove it at the same time.
            let made = entry.metadata().and_then(|found| found.modified());
            links.extend(made.ok().map(|made| (entry.file_name().to_string_lossy().into(), made)));
        }
        Ok(links)
    }

    fn unlink(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::write(path)(cause)),
            _ => Ok(()),
        }
    }
}

/// The image of a link: its name is the key, and possibly `-` and more.
fn of(name: &str) -> Option<Digest> {
    let key = name.split('-').next()?;
    format!("sha256:{key}").parse().ok()
}

/// How often the use of an image is written down.
const WRITTEN: Duration = Duration::from_secs(300);

/// Which images are in use.
#[derive(Debug)]
pub(crate) struct Uses {
    /// To the thread that writes the uses down, for which no client waits.
    written: Sender<Digest>,
    uses: Mutex<HashMap<Digest, Use>>,
}

#[derive(Debug, Default)]
struct Use {
    /// The number of readers of layers.
    readers: usize,
    written: Option<Instant>,
}

impl Uses {
    /// Starts a thread, which ends with this value.
    pub(crate) fn start(state: State) -> io::Result<Self> {
        let (written, images) = channel();
        // An image whose use is not written is only evicted earlier.
        let write = move || images.into_iter().for_each(|image| drop(state.touch(image)));
        thread::Builder::new().spawn(write)?;
        Ok(Self { written, uses: Mutex::default() })
    }

    /// Records that an image is used now, for the eviction in any process.
    pub(crate) fn touch(&self, image: Digest) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let one = uses.entry(image).or_default();
        if one.written.is_some_and(|written| written.elapsed() < WRITTEN) {
            return;
        }
        one.written = Some(Instant::now());
        let _ = self.written.send(image);
    }

    /// Whether a layer of the image is being read by this process.
    pub(crate) fn is_read(&self, image: Digest) -> bool {
        let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        uses.get(&image).is_some_and(|one| one.readers > 0)
    }

    pub(crate) fn begin(&self, image: Digest) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        uses.entry(image).or_default().readers += 1;
    }

    pub(crate) fn end(&self, image: Digest) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = uses.get_mut(&image) {
            one.readers -= 1;
        }
    }

    /// Forgets an image that is not read.
    pub(crate) fn forget(&self, image: Digest) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.get(&image).is_some_and(|one| one.readers == 0) {
            uses.remove(&image);
        }
    }
}
