//! Who may do what in a layout at the same time, by locks on its folders: no lock file is left anywhere.
//!
//! Writers hold the layout's folder shared from their first blob on, and `blobs` exclusively while they replace
//! `index.json`. Who collects garbage holds the layout's folder exclusively, so that no blob goes that a writer is
//! about to name. Two locks and not one that changes its kind: between the two kinds the system lets others in.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use crate::error::{Error, Result};

/// Held until it is dropped, or the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    _folder: File,
}

impl Lock {
    /// The layout, together with other writers.
    pub(crate) fn shared(layout: &Path) -> Result<Self> {
        let folder = File::open(layout).map_err(Error::read(layout))?;
        folder.lock_shared().map_err(Error::write(layout))?;
        Ok(Self { _folder: folder })
    }

    /// The layout, alone.
    pub(crate) fn exclusive(layout: &Path) -> Result<Self> {
        let folder = File::open(layout).map_err(Error::read(layout))?;
        folder.lock().map_err(Error::write(layout))?;
        Ok(Self { _folder: folder })
    }

    /// The same, if nobody else has it now.
    pub(crate) fn try_exclusive(layout: &Path) -> Result<Option<Self>> {
        let folder = File::open(layout).map_err(Error::read(layout))?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(Self { _folder: folder })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(Error::write(layout)(cause)),
        }
    }

    /// The layout's index, among writers.
    pub(crate) fn index(layout: &Path) -> Result<Self> {
        Self::exclusive(&layout.join("blobs"))
    }
}
