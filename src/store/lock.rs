//! Who may do what in a layout at the same time, by locks on its folders: no lock file is left
//! anywhere.
//!
//! | folder | held shared | held exclusively |
//! |---|---|---|
//! | the layout | by writers from their first blob on, and by readers | by collectors of garbage |
//! | `blobs` | | by writers while they replace `index.json` |
//! | `blobs/sha256`, the gate | by writers and readers, for the moment in which they lock the layout | by collectors |
//!
//! A collector that holds the layout knows that no writer is about to name a blob and that no
//! reader is about to open one. Shared locks overtake an exclusive one that waits, so that a
//! collector among many writers would never begin: it closes the gate first, and newcomers wait in
//! front of it.
//!
//! The gate does not stay closed: a program that holds a layout may have to pass its gate again,
//! and would wait for the collector that waits for it. So a collector opens the gate after a while,
//! lets all pass, and closes it for longer.

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

/// How long a gate is closed before it opens for a moment: at first, and at most. A writer takes
/// less than a second, but for one that packs or pulls much.
const CLOSED: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Held until it is dropped, or the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    _folder: FolderLock,
    /// Dropped last.
    _gate: Option<FolderLock>,
}

impl Lock {
    /// The layout, together with other writers and readers.
    pub(crate) fn shared(layout: &Path, options: WriteOptions) -> Result<Option<Self>> {
        if !options.lock {
            return Ok(None);
        }
        let gate = pass(layout, FolderLock::shared)?;
        let folder = FolderLock::shared(layout)?;
        drop(gate);
        Ok(Some(Self { _folder: folder, _gate: None }))
    }

    /// The layout, alone.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if a layer of this process has a [lease](lease) of the layout: waiting for
    /// it could take for ever.
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

    /// The same, if nobody else has it now: `None` in `Some` is the permission to do without locks.
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

    /// The layout's index, among writers.
    pub(crate) fn index(layout: &Path, options: WriteOptions) -> Result<Option<Self>> {
        if !options.lock {
            return Ok(None);
        }
        let folder = FolderLock::exclusive(&layout.join("blobs"))?;
        Ok(Some(Self { _folder: folder, _gate: None }))
    }
}

/// Keeps collectors of garbage away from a layout that is read, until it is dropped or the process
/// ends.
///
/// Who opens a layout while other programs may remove images from it and collect its garbage holds
/// this from before it is opened until its last blob is read; otherwise blobs may vanish in
/// between. Writers are not kept away, nor do they have to be. [`verify`](crate::verify()) holds it
/// by itself, and a server needs none: it looks again.
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
    /// Waits until no collector is at work. An archive needs no lock. Where none can be had,
    /// because the file system has none or the folder is not there, nothing is locked: whoever
    /// opens the layout says what is wrong with it.
    ///
    /// [`ImageLayout::collect_garbage`](crate::ImageLayout::collect_garbage) waits for ever in a
    /// thread that holds this.
    pub fn new(layout: impl AsRef<Path>) -> Self {
        Self(Lock::shared(layout.as_ref(), WriteOptions::default()).ok().flatten())
    }
}

/// Locks the gate of a layout. One that has no such folder yet has no blobs that could be
/// collected.
fn pass(layout: &Path, lock: fn(&Path) -> Result<FolderLock>) -> Result<Option<FolderLock>> {
    match lock(&layout.join("blobs/sha256")) {
        Err(Error::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        gate => gate.map(Some),
    }
}
