//! Files that are read again when they change, like a certificate that is renewed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    basics::error::{Error, Result},
    pool::lock,
    store::checked::Stamp,
};

/// What is read from some files. While a new state of them cannot be used, the one before stays.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: fn(&[PathBuf]) -> Result<T>,
    current: Mutex<(Vec<Option<Stamp>>, Arc<T>)>,
}

impl<T> Watched<T> {
    /// # Errors
    ///
    /// As of reading the files for the first time.
    pub(crate) fn new(files: Vec<PathBuf>, read: fn(&[PathBuf]) -> Result<T>) -> Result<Self> {
        // The stamps first: what is written after them has others.
        let stamps = stamps(&files);
        let value = Arc::new(read(&files)?);
        Ok(Self { files, read, current: Mutex::new((stamps, value)) })
    }

    /// The value of the files as they are now. `trouble` is told why they cannot be used, once for
    /// each of their states.
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

    /// The value as it was last.
    pub(crate) fn last(&self) -> Arc<T> {
        Arc::clone(&lock(&self.current).1)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| Stamp::at(file)).collect()
}
