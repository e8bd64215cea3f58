//! The images that `serve --images` declares, and their changes.

use std::{io, sync::Arc, thread, time::Duration};

use oci_layout::{
    Report, Result,
    on_demand::{DeclaredImages, Names},
};

use crate::serve_log::ServeLog;

/// Images in a file or folder that may change.
pub(crate) struct Declared {
    pub(crate) images: Arc<DeclaredImages>,
    pub(crate) log: ServeLog,
}

impl Declared {
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

    /// Reads the images now, with other names if there are any.
    pub(crate) fn reload(&self, names: Option<Names>) {
        let is_changed = match names {
            Some(names) => self.images.set_names(names),
            None => self.images.reload(),
        };
        tell(&self.images, is_changed, self.log);
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
            log.warning(&format!(
                "names and declared images stay as they were: {}",
                Report(&error)
            ));
        }
    }
}
