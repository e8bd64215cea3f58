//! Files that are read again when they change, such as a renewed certificate.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    basics::error::{Error, Result},
    pool::lock,
    store::checked::Stamp,
};

/// The value of some files. While their new contents are unusable, the previous value stays.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: fn(&[PathBuf]) -> Result<T>,
    current: Mutex<(Vec<Option<Stamp>>, Arc<T>)>,
}

impl<T> Watched<T> {
    /// # Errors
    ///
    /// The errors of reading the files.
    pub(crate) fn new(files: Vec<PathBuf>, read: fn(&[PathBuf]) -> Result<T>) -> Result<Self> {
        // Take the stamps before reading. If a file changes during the read, the next comparison
        // detects it.
        let stamps = stamps(&files);
        let value = Arc::new(read(&files)?);
        Ok(Self { files, read, current: Mutex::new((stamps, value)) })
    }

    /// The current value. If changed files are unusable, `trouble` receives the reason, once for
    /// each change.
    pub(crate) fn now(&self, trouble: impl FnOnce(Error)) -> Arc<T> {
        let mut current = lock(&self.current);
        let stamps = stamps(&self.files);
        if stamps != current.0 {
            current.0 = stamps;
            match (self.read)(&self.files) {
                Ok(value) => current.1 = Arc::new(value),
                Err(error) => trouble(error),
            }
        }
        Arc::clone(&current.1)
    }

    /// Reads the files again, even if they seem unchanged.
    pub(crate) fn again(&self, trouble: impl FnOnce(Error)) {
        lock(&self.current).0.clear();
        self.now(trouble);
    }

    /// The value that was read last.
    pub(crate) fn last(&self) -> Arc<T> {
        Arc::clone(&lock(&self.current).1)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::at(file)).collect()
}
