//! Blobs that are built on demand, once for all clients that request them at the same time.
//!
//! A [`SharedBuild`] is a thread that builds the chunks of a blob, and a window of the latest ones.
//! Each client reads from the window at its own position. Only the window is in memory, so the
//! build waits until the slowest client has read the oldest chunk. If other clients wait too, it
//! waits for the slowest one for a short grace period only. A client that has used up its grace
//! period loses its place and continues in another build of the same blob, which starts at the
//! first chunk and keeps nothing before the client's position. The number of simultaneous builds is
//! small. A client that finds no build waits for the next one.

#[cfg(all(test, shuttle))]
pub(crate) mod model;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use hyper::body::Bytes;

use crate::{
    basics::{
        digest::Digest,
        error::{Error, Result},
        sync::{AtomicUsize, Condvar, Instant, Mutex, MutexGuard, Notify, lock, thread},
    },
    blob::{
        chunks::{CHUNK, Chunks},
        traits::Blob,
    },
    layer::lazy::open_with,
    pool::Pool,
};

/// The limits on memory and waiting.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The number of chunks in a window.
    window: usize,
    /// How long a client may delay others while it reads as many chunks as the window has.
    grace: Duration,
    /// The maximum number of simultaneous builds of one blob.
    of_a_blob: usize,
    /// The maximum number of simultaneous builds.
    in_all: usize,
}

impl Limits {
    /// Windows of 16 MiB, and as many builds as the pool has threads.
    fn new(pool: &Pool) -> Self {
        let window = usize::try_from((16 << 20) / CHUNK).expect("it is 64");
        Self { window, grace: Duration::from_secs(2), of_a_blob: 2, in_all: pool.threads().max(2) }
    }
}

/// All current builds.
pub(crate) struct SharedBuilds {
    limits: Limits,
    pool: Pool,
    live: Mutex<Vec<Arc<SharedBuild>>>,
    /// Notified when a build starts or ends, so that waiting clients try again.
    changed: Notify,
    /// The number of clients that wait for a build.
    waiting: AtomicUsize,
    /// The number of builds that have begun.
    begun: AtomicUsize,
}

impl SharedBuilds {
    pub(crate) fn new(pool: &Pool) -> Arc<Self> {
        let (live, changed) = (Mutex::default(), Notify::new());
        let (waiting, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (limits, pool) = (Limits::new(pool), pool.clone());
        Arc::new(Self { limits, pool, live, changed, waiting, begun })
    }

    /// How many builds have begun so far.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Waits for a place in a build of this blob that still has the chunk `at`, or will have it.
    pub(crate) async fn place(self: &Arc<Self>, blob: &Arc<dyn Blob>, at: u64) -> Result<Place> {
        let mut waiting = None;
        loop {
            let changed = self.changed.notified();
            if let Some(place) = self.try_place(blob, at)? {
                return Ok(place);
            }
            waiting.get_or_insert_with(|| Waiting::new(self));
            changed.await;
        }
    }

    fn try_place(self: &Arc<Self>, blob: &Arc<dyn Blob>, at: u64) -> Result<Option<Place>> {
        let digest = blob.descriptor().digest;
        let mut live = lock(&self.live);
        let of_the_blob = live.iter().filter(|build| build.digest == digest);
        if let Some(place) = of_the_blob.clone().find_map(|build| build.enter(at)) {
            return Ok(Some(place));
        }
        if of_the_blob.count() >= self.limits.of_a_blob || live.len() >= self.limits.in_all {
            return Ok(None);
        }
        let build = Arc::new(SharedBuild::new(digest, self.limits));
        let place = build.enter(at);
        let (builds, its_blob, it) = (Arc::clone(self), Arc::clone(blob), Arc::clone(&build));
        thread::Builder::new()
            .spawn(move || it.run(&its_blob, &builds))
            .map_err(|cause| Error::blob(digest, cause))?;
        live.push(build);
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        Ok(place)
    }
}

/// A client that waits for a build, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(builds: &'a SharedBuilds) -> Self {
        builds.waiting.fetch_add(1, Ordering::SeqCst);
        Self(&builds.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A build of a blob.
struct SharedBuild {
    digest: Digest,
    limits: Limits,
    state: Mutex<State>,
    /// Wakes the build: a client has read a chunk, or has left.
    taken: Condvar,
    /// Wakes the clients: there is a chunk, or the end, or a place was lost.
    made: Notify,
}

#[derive(Default)]
struct State {
    /// The latest chunks.
    window: VecDeque<Bytes>,
    /// The number of the first chunk in the window.
    first: u64,
    readers: BTreeMap<u64, Reader>,
    /// The key of the next reader.
    next_reader: u64,
    /// The error that ended the build.
    failure: Option<Arc<Error>>,
    /// No client can enter any more.
    is_over: bool,
}

struct Reader {
    /// The number of the chunk that it reads next.
    next: u64,
    /// How long it has delayed others since the chunk `since`, which is at most one window ago.
    held: Duration,
    since: u64,
}

/// The next chunk for a client.
pub(crate) enum Next {
    Chunk(Bytes),
    Failed(Arc<Error>),
    /// The client has lost its place.
    Lost,
}

impl SharedBuild {
    fn new(digest: Digest, limits: Limits) -> Self {
        Self { digest, limits, state: Mutex::default(), taken: Condvar::new(), made: Notify::new() }
    }

    /// Takes a place at this chunk, if it is in the window or still to come.
    fn enter(self: &Arc<Self>, at: u64) -> Option<Place> {
        let mut state = lock(&self.state);
        if state.is_over || at < state.first {
            return None;
        }
        let reader = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(reader, Reader { next: at, held: Duration::ZERO, since: at });
        Some(Place { build: Arc::clone(self), reader })
    }

    /// Builds the blob while there are readers. Ends only when the last reader has left, so that
    /// the window counts as memory in use until then.
    fn run(&self, blob: &Arc<dyn Blob>, builds: &SharedBuilds) {
        let _end = End { build: self, builds };
        if let Err(error) = self.make(blob, builds) {
            lock(&self.state).fail(error);
        }
        self.made.notify_waiters();
        drop(self.wait(builds, Until::NobodyReads));
    }

    fn make(&self, blob: &Arc<dyn Blob>, builds: &SharedBuilds) -> Result<()> {
        let reader = open_with(&**blob, &builds.pool)?;
        for chunk in Chunks::new(blob.descriptor(), reader) {
            let chunk = chunk?.into();
            let mut state = self.wait(builds, Until::Room);
            if state.readers.is_empty() {
                break;
            }
            if state.window.len() == self.limits.window {
                state.window.pop_front();
                state.first += 1;
            }
            state.window.push_back(chunk);
            drop(state);
            self.made.notify_waiters();
        }
        Ok(())
    }

    /// Waits. If no readers are left, no client can enter afterwards.
    fn wait(&self, builds: &SharedBuilds, until: Until) -> MutexGuard<'_, State> {
        /// How often to check whether other clients are waiting.
        const MOMENT: Duration = Duration::from_millis(20);
        let mut state = lock(&self.state);
        while let Some(last_blamed) = state.waits_for(until, self.limits.window) {
            let before = Instant::now();
            state =
                self.taken.wait_timeout(state, MOMENT).unwrap_or_else(PoisonError::into_inner).0;
            // If the whole process was suspended, blame no client for more than a moment.
            let waited = before.elapsed().min(MOMENT);
            let (end, is_made) = (state.end(), until == Until::NobodyReads);
            let waits_here = !is_made && state.readers.values().any(|reader| reader.next >= end);
            if waits_here || builds.waiting.load(Ordering::SeqCst) > 0 {
                state.blame(last_blamed, waited, self.limits.grace);
                self.made.notify_waiters();
            }
        }
        state.is_over |= state.readers.is_empty();
        state
    }
}

/// The condition that a build waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// There is room for another chunk.
    Room,
    NobodyReads,
}

impl State {
    /// The number of the chunk that is built next.
    fn end(&self) -> u64 {
        self.first + self.window.len() as u64
    }

    /// `None` if there is nothing left to wait for. Otherwise the chunk up to which readers are
    /// waited for.
    fn waits_for(&self, until: Until, window: usize) -> Option<u64> {
        let slowest = self.readers.values().map(|reader| reader.next).min()?;
        match until {
            Until::NobodyReads => Some(u64::MAX),
            Until::Room if self.window.len() == window && slowest == self.first => Some(slowest),
            Until::Room => None,
        }
    }

    /// Adds the time to every reader that is not past the chunk `last`. A reader that has used up
    /// its grace period loses its place.
    fn blame(&mut self, last: u64, waited: Duration, grace: Duration) {
        self.readers.retain(|_, reader| {
            if reader.next <= last {
                reader.held += waited;
            }
            reader.held < grace
        });
    }

    fn fail(&mut self, error: Error) {
        self.failure = Some(Arc::new(error));
        // Another build may succeed.
        self.is_over = true;
    }
}

/// Cleans up when a build's thread ends, even by a panic.
struct End<'a> {
    build: &'a SharedBuild,
    builds: &'a SharedBuilds,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = std::io::Error::other("internal error: the thread panicked");
            lock(&self.build.state).fail(Error::blob(self.build.digest, cause));
            self.build.made.notify_waiters();
        }
        lock(&self.builds.live).retain(|other| !std::ptr::eq(&raw const **other, self.build));
        self.builds.changed.notify_waiters();
    }
}

/// A client's place in a build. Dropping it leaves the build.
pub(crate) struct Place {
    build: Arc<SharedBuild>,
    reader: u64,
}

impl Place {
    /// Waits for the next chunk. Do not call it after the last one.
    pub(crate) async fn next(&self) -> Next {
        loop {
            let made = self.build.made.notified();
            if let Some(next) = self.take() {
                return next;
            }
            made.await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut guard = lock(&self.build.state);
        let state = &mut *guard;
        let Some(reader) = state.readers.get_mut(&self.reader) else { return Some(Next::Lost) };
        let chunk = reader
            .next
            .checked_sub(state.first)
            .and_then(|at| state.window.get(usize::try_from(at).ok()?));
        let Some(chunk) = chunk.cloned() else {
            return state.failure.clone().map(Next::Failed);
        };
        reader.next += 1;
        if reader.next - reader.since >= self.build.limits.window as u64 {
            (reader.held, reader.since) = (Duration::ZERO, reader.next);
        }
        drop(guard);
        self.build.taken.notify_one();
        Some(Next::Chunk(chunk))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.build.state).readers.remove(&self.reader);
        self.build.taken.notify_one();
    }
}
