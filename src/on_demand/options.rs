//! Options of images on demand.

use std::{path::PathBuf, time::Duration};

use crate::{
    on_demand::{layering::Layering, storage::Storage},
    pool::Pool,
};

/// Options of [`PackageImages`](crate::on_demand::PackageImages).
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct PackageImagesOptions {
    /// The folder of this machine for links that keep store paths, and for the state unless
    /// `storage` is set.
    pub folder: PathBuf,
    /// Where the state is. Several registries may share it.
    pub storage: Option<Storage>,
    /// How store paths become layers.
    pub layering: Layering,
    /// How long a tag means the same revision. The default is five minutes.
    pub pin: Duration,
    /// Folders with store paths besides `/nix/store`. Recipes may read nothing else, because
    /// another user of the storage may have written them.
    pub stores: Vec<PathBuf>,
    /// The threads that hash layers and make them again.
    pub pool: Pool,
}

impl PackageImagesOptions {
    /// The defaults, with a folder for the state.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            storage: None,
            layering: Layering::default(),
            pin: Duration::from_secs(300),
            stores: Vec::new(),
            pool: Pool::available(),
        }
    }

    /// Sets where the state is.
    pub fn storage(self, storage: Storage) -> Self {
        Self { storage: Some(storage), ..self }
    }

    /// Sets how store paths become layers.
    pub fn layering(self, layering: Layering) -> Self {
        Self { layering, ..self }
    }

    /// Sets how long a tag means the same revision.
    pub fn pin(self, pin: Duration) -> Self {
        Self { pin, ..self }
    }

    /// Adds a folder with store paths.
    pub fn store(mut self, folder: impl Into<PathBuf>) -> Self {
        self.stores.push(folder.into());
        self
    }

    /// Sets the threads.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: pool.clone(), ..self }
    }
}
