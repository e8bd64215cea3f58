//! The images that `serve --images` declares, and their changes.

use std::{io, path::Path, sync::Arc, thread, time::Duration};

use oci_layout::{
    Report, Result,
    on_demand::{DeclaredImages, Names},
};

use crate::serve_log::ServeLog;

/// Images in a file or folder that may change.
#[derive(Clone)]
pub(crate) struct Declared {
    pub(crate) images: Arc<DeclaredImages>,
    log: ServeLog,
}

impl Declared {
    pub(crate) fn open(path: &Path, names: Names, log: ServeLog) -> Result<Self> {
        Ok(Self { images: Arc::new(DeclaredImages::open(path, names)?), log })
    }

    /// Starts a thread that looks for changes once a second, as long as the images are served.
    pub(crate) fn watch(&self) -> io::Result<()> {
        let (images, log) = (Arc::downgrade(&self.images), self.log);
        let look = move || {
            while let Some(images) = images.upgrade() {
                tell(&images, images.refresh(), log);
                drop(images);
                thread::sleep(Duration::from_secs(1));
            }
        };
        thread::Builder::new().spawn(look).map(drop)
    }

    /// Reads the images now.
    pub(crate) fn reload(&self) {
        tell(&self.images, self.images.reload(), self.log);
    }
}

fn tell(images: &DeclaredImages, is_changed: Result<bool>, log: ServeLog) {
    match is_changed {
        Ok(true) => {
            let count = images.references().len();
            log.note(&format!("the declared images changed: there are {count}"));
        }
        Ok(false) => {}
        Err(error) => {
            log.warning(&format!("the declared images stay as they were: {}", Report(&error)));
        }
    }
}
