//! Locks for readers, writers and garbage collectors of a layout. The folders themselves are
//! locked, so no lock file is left.
//!
//! | folder | held shared | held exclusively |
//! |---|---|---|
//! | the layout | by writers from their first blob on, and by readers | by collectors of garbage |
//! | `blobs` | | by writers while they replace `index.json` |
//! | `blobs/sha256`, the gate | by writers and readers, for the moment in which they lock the layout | by collectors |
//!
//! A collector that holds the layout knows that no writer is about to refer to a blob and that no
//! reader is about to open one. Shared locks overtake an exclusive one that waits, so a collector
//! among many writers would never start. Therefore it closes the gate first, and new readers and
//! writers wait at the gate.
//!
//! The gate does not stay closed. A program that holds a layout may have to pass its gate again,
//! and would wait for the collector, which waits for that program. The collector therefore opens
//! the gate after a while, lets everyone pass, and then closes it for longer.

#[cfg(not(all(test, shuttle)))]
pub(crate) mod flock;
#[cfg(all(test, shuttle))]
pub(crate) mod model;

use std::{io, path::Path, time::Duration};

use crate::{
    basics::{
        Error, Result,
        sync::{Instant, thread},
    },
    store::{lease, write_options::WriteOptions},
};

#[cfg(all(test, shuttle))]
use crate::basics::sync::FolderLock;
#[cfg(not(all(test, shuttle)))]
use crate::store::lock::flock::FolderLock;

/// How long a gate is closed before it opens for a moment: at first, and at most. Most writers take
/// less than a second, unless they pack or pull much.
const CLOSED: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// A lock that is held until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _folder: FolderLock,
    /// Dropped last.
    _gate: Option<FolderLock>,
}

impl Lock {
    /// Locks the layout, shared with other writers and readers.
    pub(crate) fn shared(layout: &Path, options: WriteOptions) -> Result<Option<Self>> {
        if !options.lock {
            return Ok(None);
        }
        let gate = pass(layout, FolderLock::shared)?;
        let folder = FolderLock::shared(layout)?;
        drop(gate);
        Ok(Some(Self { _folder: folder, _gate: None }))
    }

    /// Locks the layout exclusively.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if a layer of this process has a [lease](lease) of the layout: waiting for
    /// it could take forever.
    pub(crate) fn exclusive(layout: &Path, options: WriteOptions) -> Result<Option<Self>> {
        if !options.lock {
            return Ok(None);
        }
        let [mut closed, longest] = CLOSED;
        loop {
            let gate = pass(layout, FolderLock::exclusive)?;
            let (begin, mut pause) = (Instant::now(), Duration::from_millis(1));
            while begin.elapsed() < closed {
                if let Some(folder) = FolderLock::try_exclusive(layout)? {
                    return Ok(Some(Self { _folder: folder, _gate: gate }));
                }
                lease::check(layout)?;
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            drop(gate);
            thread::sleep(closed);
            closed = (closed * 2).min(longest);
        }
    }

    /// Locks the layout exclusively if it is free now. `Some(None)` permits to continue without
    /// locks.
    pub(crate) fn try_exclusive(
        layout: &Path,
        options: WriteOptions,
    ) -> Result<Option<Option<Self>>> {
        if !options.lock {
            return Ok(Some(None));
        }
        Ok(FolderLock::try_exclusive(layout)?
            .map(|folder| Some(Self { _folder: folder, _gate: None })))
    }

    /// Locks the index of the layout against other writers.
    pub(crate) fn index(layout: &Path, options: WriteOptions) -> Result<Option<Self>> {
        if !options.lock {
            return Ok(None);
        }
        let folder = FolderLock::exclusive(&layout.join("blobs"))?;
        Ok(Some(Self { _folder: folder, _gate: None }))
    }
}

/// Protects a layout from garbage collectors while it is read, until the lock is dropped or the
/// process ends.
///
/// Hold it from before the layout is opened until its last blob is read, if other programs may
/// remove images and collect garbage meanwhile. Otherwise blobs may vanish in between. Writers can
/// continue. [`verify`](crate::verify::verify()) takes this lock itself. A server does not need it, because
/// it looks up blobs again.
///
/// ```
/// # use oci_layout::{Image, ImageLayout, ReadLock, image_layout};
/// # let dir = tempfile::tempdir()?;
/// # image_layout(dir.path(), [] as [Image; 0], serde_json::json!({}))?;
/// let lock = ReadLock::new(dir.path());
/// let images = ImageLayout::open(dir.path())?.images()?;
/// // … whatever reads their blobs …
/// drop(lock);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ReadLock(#[expect(dead_code, reason = "it is held")] Option<Lock>);

impl ReadLock {
    /// Waits until no collector is running. An archive needs no lock. If no lock is possible,
    /// because the file system has none or the folder does not exist, nothing is locked, and
    /// opening the layout reports what is wrong with it.
    ///
    /// [`ImageLayout::collect_garbage`](crate::ImageLayout::collect_garbage) waits forever in a
    /// thread that holds this lock.
    pub fn new(layout: impl AsRef<Path>) -> Self {
        Self(Lock::shared(layout.as_ref(), WriteOptions::default()).ok().flatten())
    }
}

/// Locks the gate of a layout. A layout without this folder has no blobs to collect.
fn pass(layout: &Path, lock: fn(&Path) -> Result<FolderLock>) -> Result<Option<FolderLock>> {
    match lock(&layout.join("blobs/sha256")) {
        Err(Error::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        gate => gate.map(Some),
    }
}
