//! Options of images on demand.

use std::{path::PathBuf, time::Duration};

use crate::{
    on_demand::{layering::Layering, storage::Storage, stored_layers::StoredLayers},
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
    /// Which layers are stored.
    pub stored_layers: StoredLayers,
    /// Whether clients read stored layers from the service of the storage itself.
    pub redirect: bool,
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
            stored_layers: StoredLayers::default(),
            redirect: false,
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

    /// Sets which layers are stored. The default is [`StoredLayers::Built`].
    pub fn stored_layers(self, stored_layers: StoredLayers) -> Self {
        Self { stored_layers, ..self }
    }

    /// Sets whether a request for a stored layer is redirected to a URL that the service of the
    /// storage accepts for 15 minutes. Clients must reach that service. It has no effect on a
    /// storage in a folder. The default is not to redirect.
    pub fn redirect(self, redirect: bool) -> Self {
        Self { redirect, ..self }
    }

    /// Sets the threads.
    pub fn pool(self, pool: &Pool) -> Self {
        Self { pool: pool.clone(), ..self }
    }
}
