//! A blob that has to be made, made once for all who ask at the same moment.
//!
//! A [`Making`] is a thread that makes a blob's chunks, and a window of the latest of them, from which every client
//! reads at its own place. The window is all that is in memory: the making waits until the slowest has taken the
//! oldest chunk. It waits for no one longer than a short grace while somebody else waits with it. Who has used up the
//! grace loses his place, and goes on in another making of the same blob, which begins at the beginning and keeps
//! nothing before his place. There are few makings at a time; whoever finds none waits for the next one.

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

/// What bounds memory and waiting.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The chunks of a window.
    window: usize,
    /// How long a client may keep others waiting for each window's length that it reads.
    grace: Duration,
    /// Makings of one blob at a time.
    of_a_blob: usize,
    /// Makings at a time.
    in_all: usize,
}

impl Limits {
    /// 16 MiB a making, and as many makings as the pool has threads.
    fn new(pool: &Pool) -> Self {
        let window = usize::try_from((16 << 20) / CHUNK).expect("it is 64");
        Self { window, grace: Duration::from_secs(2), of_a_blob: 2, in_all: pool.threads().max(2) }
    }
}

/// All makings there are now.
pub(crate) struct Makings {
    limits: Limits,
    pool: Pool,
    live: Mutex<Vec<Arc<Making>>>,
    /// A making began or ended: whoever waits looks again.
    changed: Notify,
    /// Clients that wait for a making.
    waiting: AtomicUsize,
}

impl Makings {
    pub(crate) fn new(pool: &Pool) -> Arc<Self> {
        let (live, changed, waiting) = (Mutex::default(), Notify::new(), AtomicUsize::new(0));
        Arc::new(Self { limits: Limits::new(pool), pool: pool.clone(), live, changed, waiting })
    }

    /// A place in a making of this blob, at this chunk; waits until there is one.
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
        let of_the_blob = live.iter().filter(|making| making.digest == digest);
        if let Some(place) = of_the_blob.clone().find_map(|making| making.enter(at)) {
            return Ok(Some(place));
        }
        if of_the_blob.count() >= self.limits.of_a_blob || live.len() >= self.limits.in_all {
            return Ok(None);
        }
        let making = Arc::new(Making::new(digest, self.limits));
        let place = making.enter(at);
        let (makings, its_blob, it) = (Arc::clone(self), Arc::clone(blob), Arc::clone(&making));
        thread::Builder::new()
            .spawn(move || it.run(&its_blob, &makings))
            .map_err(|cause| Error::blob(digest, cause))?;
        live.push(making);
        self.changed.notify_waiters();
        Ok(place)
    }
}

/// A client that waits for a making, as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(makings: &'a Makings) -> Self {
        makings.waiting.fetch_add(1, Ordering::SeqCst);
        Self(&makings.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One making of a blob.
struct Making {
    digest: Digest,
    limits: Limits,
    state: Mutex<State>,
    /// For the making: a client took a chunk, or went away.
    taken: Condvar,
    /// For the clients: there is a chunk, or the end, or a place was lost.
    made: Notify,
}

#[derive(Default)]
struct State {
    /// The latest chunks.
    window: VecDeque<Bytes>,
    /// The number of the first chunk in the window.
    first: u64,
    readers: BTreeMap<u64, Reader>,
    /// The name of the next reader.
    next_reader: u64,
    /// Why there will be no more chunks.
    failure: Option<Arc<Error>>,
    /// Nobody enters any more.
    is_over: bool,
}

struct Reader {
    /// The number of the chunk that it takes next.
    next: u64,
    /// How long it kept others waiting since it was at the chunk with this number, not a window ago.
    held: Duration,
    since: u64,
}

/// What comes next for a client.
pub(crate) enum Next {
    Chunk(Bytes),
    Failed(Arc<Error>),
    /// The place is gone.
    Lost,
}

impl Making {
    fn new(digest: Digest, limits: Limits) -> Self {
        Self { digest, limits, state: Mutex::default(), taken: Condvar::new(), made: Notify::new() }
    }

    /// A place at this chunk, if it is in the window or still to come.
    fn enter(self: &Arc<Self>, at: u64) -> Option<Place> {
        let mut state = lock(&self.state);
        if state.is_over || at < state.first {
            return None;
        }
        let reader = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(reader, Reader { next: at, held: Duration::ZERO, since: at });
        Some(Place { making: Arc::clone(self), reader })
    }

    /// Makes the blob as long as somebody reads it, and stays as long as somebody reads the window: it is memory.
    fn run(&self, blob: &Arc<dyn Blob>, makings: &Makings) {
        let _end = End { making: self, makings };
        if let Err(error) = self.make(blob, makings) {
            lock(&self.state).fail(error);
        }
        self.made.notify_waiters();
        drop(self.wait(makings, Until::NobodyReads));
    }

    fn make(&self, blob: &Arc<dyn Blob>, makings: &Makings) -> Result<()> {
        let reader = open_with(&**blob, &makings.pool)?;
        for chunk in Chunks::new(blob.descriptor(), reader) {
            let chunk = chunk?.into();
            let mut state = self.wait(makings, Until::Room);
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

    /// Waits. Where nobody reads any more, nobody enters after it.
    fn wait(&self, makings: &Makings, until: Until) -> MutexGuard<'_, State> {
        /// How often it is looked whether somebody else waits, too.
        const MOMENT: Duration = Duration::from_millis(20);
        let mut state = lock(&self.state);
        while let Some(last_blamed) = state.waits_for(until, self.limits.window) {
            let before = Instant::now();
            state = self.taken.wait_timeout(state, MOMENT).unwrap_or_else(PoisonError::into_inner).0;
            // If the whole program stood still, nobody is to blame for more than a moment.
            let waited = before.elapsed().min(MOMENT);
            let (end, is_made) = (state.end(), until == Until::NobodyReads);
            let waits_here = !is_made && state.readers.values().any(|reader| reader.next >= end);
            if waits_here || makings.waiting.load(Ordering::SeqCst) > 0 {
                state.blame(last_blamed, waited, self.limits.grace);
                self.made.notify_waiters();
            }
        }
        state.is_over |= state.readers.is_empty();
        state
    }
}

/// What a making waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Another chunk may be made.
    Room,
    NobodyReads,
}

impl State {
    /// The number of the chunk that is made next.
    fn end(&self) -> u64 {
        self.first + self.window.len() as u64
    }

    /// Whether there is something to wait for still, and if so, for those who read up to which chunk.
    fn waits_for(&self, until: Until, window: usize) -> Option<u64> {
        let slowest = self.readers.values().map(|reader| reader.next).min()?;
        match until {
            Until::NobodyReads => Some(u64::MAX),
            Until::Room if self.window.len() == window && slowest == self.first => Some(slowest),
            Until::Room => None,
        }
    }

    /// Counts a time of waiting to those who read no further than this chunk, who lose their places some time.
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
        // Another making may go better.
        self.is_over = true;
    }
}

/// The end of a making's thread, even by a panic.
struct End<'a> {
    making: &'a Making,
    makings: &'a Makings,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = std::io::Error::other("a defect of the program, which it says of itself");
            lock(&self.making.state).fail(Error::blob(self.making.digest, cause));
            self.making.made.notify_waiters();
        }
        lock(&self.makings.live).retain(|other| !std::ptr::eq(&raw const **other, self.making));
        self.makings.changed.notify_waiters();
    }
}

/// A client's place in a making, left when this is dropped.
pub(crate) struct Place {
    making: Arc<Making>,
    reader: u64,
}

impl Place {
    /// The next chunk, when it is made. Behind the last one there is none to ask for.
    pub(crate) async fn next(&self) -> Next {
        loop {
            let made = self.making.made.notified();
            if let Some(next) = self.take() {
                return next;
            }
            made.await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut guard = lock(&self.making.state);
        let state = &mut *guard;
        let Some(reader) = state.readers.get_mut(&self.reader) else { return Some(Next::Lost) };
        let chunk = reader.next.checked_sub(state.first).and_then(|at| state.window.get(usize::try_from(at).ok()?));
        let Some(chunk) = chunk.cloned() else {
            return state.failure.clone().map(Next::Failed);
        };
        reader.next += 1;
        if reader.next - reader.since >= self.making.limits.window as u64 {
            (reader.held, reader.since) = (Duration::ZERO, reader.next);
        }
        drop(guard);
        self.making.taken.notify_one();
        Some(Next::Chunk(chunk))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.making.state).readers.remove(&self.reader);
        self.making.taken.notify_one();
    }
}
