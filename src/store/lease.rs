//! The layouts in which stored layers of this process keep blobs that no index names yet.
//!
//! Such a layer holds a shared lock of its layout. Collecting garbage waits for the locks of other
//! processes; it would wait forever for those of its own.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::basics::error::{Error, Result};

/// The number of leases of each layout, by device and inode.
static LEASES: Mutex<BTreeMap<Layout, usize>> = Mutex::new(BTreeMap::new());

type Layout = (u64, u64);

/// Held by a stored layer.
#[derive(Debug)]
pub(crate) struct Lease(Layout);

impl Lease {
    pub(crate) fn new(layout: &Path) -> Result<Self> {
        let layout = identity(layout)?;
        change(|leases| *leases.entry(layout).or_default() += 1);
        Ok(Self(layout))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        change(|leases| {
            leases.entry(self.0).and_modify(|count| *count -= 1);
            leases.retain(|_, count| *count > 0);
        });
    }
}

/// Makes sure that no layer of this process has a lease of the layout.
///
/// # Errors
///
/// [`Error::Layout`] if one does.
pub(crate) fn check(path: &Path) -> Result<()> {
    let is_leased = |layout| change(|leases| leases.contains_key(&layout));
    match identity(path).is_ok_and(is_leased) {
        true => Err(Error::layout(
            path,
            "cannot be collected while this process has a layer that is stored in it: drop the \
             layer, and every image that was made of it, first",
        )),
        false => Ok(()),
    }
}

fn change<T>(change: impl FnOnce(&mut BTreeMap<Layout, usize>) -> T) -> T {
    change(&mut LEASES.lock().unwrap_or_else(PoisonError::into_inner))
}

fn identity(layout: &Path) -> Result<Layout> {
    let metadata = layout.metadata().map_err(Error::read(layout))?;
    Ok((metadata.dev(), metadata.ino()))
}
