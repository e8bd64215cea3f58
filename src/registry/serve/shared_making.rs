//! Named images, each made once for all clients that request it at the same time.
//!
//! The number of images that are made at the same time is limited, and so is the queue of those
//! that are made next. Each image is made in a thread. If no client waits for it any more, it is
//! removed from the queue, or its [`Stop`] is set. A failure is remembered for a while, so that
//! clients that try again do not repeat the work.

#[cfg(all(test, shuttle))]
mod model;

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use crate::{
    basics::{
        stop::Stop,
        sync::{Condvar, Instant, Mutex, Notify, lock, thread},
    },
    image::graph::Image,
    registry::serve::{
        event::Event,
        named_images::{NamedImageError, NamedImageErrorKind, NamedImages},
    },
};

/// How many named images an [`Endpoint`](super::Endpoint) makes, and for how long it remembers that
/// one failed.
///
/// A request beyond these limits is answered with status 429. A request for an image that is known,
/// or that is being made already, counts towards none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MakingLimits {
    /// The number of images that are made at the same time: 4.
    pub at_once: usize,
    /// The number of images that wait until they are made: 64.
    pub queued: usize,
    /// The number of images that one client can have in work and in the queue: 32. A client is an
    /// IPv4 address, or an IPv6 network with a 64-bit prefix.
    pub of_client: usize,
    /// How long a failure is returned again without another attempt: 10 seconds.
    pub remember_failures: Duration,
}

impl Default for MakingLimits {
    fn default() -> Self {
        let remember_failures = Duration::from_secs(10);
        Self { at_once: 4, queued: 64, of_client: 32, remember_failures }
    }
}

/// When a client that was refused because of a limit should try again.
const RETRY: Duration = Duration::from_secs(5);

/// The maximum number of remembered failures.
const FAILURES: usize = 1024;

/// The result of making an image.
pub(crate) type Made = Result<Arc<Image>, NamedImageError>;

/// A client that requests an image.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) client: IpAddr,
    /// The identifier of the HTTP request.
    pub(crate) id: String,
    /// The name and the tag, as the client wrote them.
    pub(crate) image: String,
}

/// An image that was made, or that failed, for observers.
pub(crate) struct Report<'a> {
    /// Who began it.
    pub(crate) asker: &'a Asker,
    pub(crate) time: Duration,
    pub(crate) result: &'a Made,
}

impl Report<'_> {
    pub(crate) fn event(&self) -> Event {
        let Asker { id, image, .. } = self.asker;
        let (request, image, time) = (id.clone(), image.clone(), self.time);
        match self.result {
            Ok(made) => Event::Made { request, image, digest: made.digest(), time },
            Err(error) => Event::NotMade { request, image, error: error.clone(), time },
        }
    }
}

/// All images that are being made.
pub(crate) struct SharedMakings {
    images: Arc<dyn NamedImages>,
    observe: Box<dyn Fn(Report<'_>) + Send + Sync>,
    state: Mutex<State>,
    /// Notified when a thread ends.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    limits: MakingLimits,
    /// Those that a client can join, by their canonical requests.
    live: HashMap<String, Live>,
    queue: VecDeque<Arc<Making>>,
    /// Those that have a thread. It may belong to an image for which no client waits any more.
    running: Vec<Arc<Making>>,
    failures: HashMap<String, (Instant, NamedImageError)>,
    is_stopping: bool,
}

impl State {
    /// Whether another image can be made now.
    fn has_place(&self) -> bool {
        self.running.len() < self.limits.at_once.max(1)
    }
}

struct Live {
    making: Arc<Making>,
    /// The number of clients that wait.
    waiters: usize,
}

struct Making {
    request: String,
    asker: Asker,
    stop: Stop,
    result: OnceLock<Made>,
    /// Notified when there is a result.
    done: Notify,
}

impl Making {
    fn end(&self, result: Made) {
        // A result that is there already is that of a stop.
        let _ = self.result.set(result);
        self.done.notify_waiters();
    }
}

/// The numbers of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) running: usize,
    pub(crate) queued: usize,
    pub(crate) waiting_clients: usize,
}

impl SharedMakings {
    /// `observe` is called once for each image that was made or failed.
    pub(crate) fn new(
        images: Arc<dyn NamedImages>,
        limits: MakingLimits,
        observe: impl Fn(Report<'_>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let state = Mutex::new(State { limits, ..State::default() });
        Arc::new(Self { images, observe: Box::new(observe), state, ended: Condvar::new() })
    }

    /// Changes the limits. Images that are being made are finished.
    pub(crate) fn limit(self: &Arc<Self>, limits: MakingLimits) {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.limits = limits;
        while state.has_place()
            && let Some(next) = state.queue.pop_front()
        {
            // Without a thread, another one makes the image later: the queue is empty otherwise.
            if !matches!(self.start(state, &next, true), Ok(true)) {
                state.queue.push_front(next);
                break;
            }
        }
    }

    /// Makes the image of a canonical request, or waits for it if it is being made already. If the
    /// returned future is dropped, this client does not wait any more.
    pub(crate) async fn image(self: &Arc<Self>, request: &str, asker: Asker) -> Made {
        self.enter(request, asker)?.result().await
    }

    fn enter(self: &Arc<Self>, request: &str, asker: Asker) -> Result<Waiter, NamedImageError> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.is_stopping {
            return Err(stopping());
        }
        if let Some(live) = state.live.get_mut(request) {
            live.waiters += 1;
            return Ok(Waiter { makings: Arc::clone(self), making: Arc::clone(&live.making) });
        }
        let limits = state.limits;
        state.failures.retain(|_, (when, _)| when.elapsed() < limits.remember_failures);
        if let Some((_, error)) = state.failures.get(request) {
            return Err(error.clone());
        }
        let of_client =
            state.live.values().filter(|live| live.making.asker.client == asker.client).count();
        if of_client >= limits.of_client {
            return Err(busy(format!(
                "this client waits for {of_client} other images already: wait for one of them"
            )));
        }
        let making = Arc::new(Making {
            request: request.to_owned(),
            asker,
            stop: Stop::default(),
            result: OnceLock::new(),
            done: Notify::new(),
        });
        if state.has_place() && self.start(state, &making, !state.running.is_empty())? {
            // It has a thread.
        } else if state.queue.len() < limits.queued {
            state.queue.push_back(Arc::clone(&making));
        } else {
            return Err(busy(format!(
                "the registry makes as many other images as it can, and {} are waiting: try again \
                 later",
                state.queue.len()
            )));
        }
        state.live.insert(request.to_owned(), Live { making: Arc::clone(&making), waiters: 1 });
        Ok(Waiter { makings: Arc::clone(self), making })
    }

    /// Starts a thread. If the system refuses it, returns false if there are others, which will
    /// make the image.
    fn start(
        self: &Arc<Self>,
        state: &mut State,
        making: &Arc<Making>,
        has_others: bool,
    ) -> Result<bool, NamedImageError> {
        let (makings, it) = (Arc::clone(self), Arc::clone(making));
        let started =
            thread::Builder::new().name("making".to_owned()).spawn(move || makings.run(it));
        match started {
            Ok(_) => {
                state.running.push(Arc::clone(making));
                Ok(true)
            }
            Err(_) if has_others => Ok(false),
            Err(cause) => Err(internal().detail(format!("cannot start a thread: {cause}"))),
        }
    }

    /// Makes this image, and then those in the queue.
    fn run(&self, first: Arc<Making>) {
        let mut next = Some(first);
        while let Some(making) = next {
            let result = self.make(&making);
            next = self.finish(&making, result);
        }
    }

    fn make(&self, Making { request, asker, stop, .. }: &Making) -> Made {
        let begun = Instant::now();
        // It may have been made between the client's look and the start of this thread.
        let make = || match self.images.known(request) {
            Some(known) => (false, Ok(known)),
            None => (true, self.images.make(request, stop)),
        };
        let (is_news, result) = catch_unwind(AssertUnwindSafe(make))
            .unwrap_or_else(|_| (true, Err(internal().detail("a thread panicked"))));
        if is_news {
            (self.observe)(Report { asker, time: begun.elapsed(), result: &result });
        }
        result
    }

    /// Returns the next image for this thread.
    fn finish(&self, making: &Arc<Making>, result: Made) -> Option<Arc<Making>> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.running.retain(|other| !Arc::ptr_eq(other, making));
        let is_live = state.live.get(&making.request);
        if is_live.is_some_and(|live| Arc::ptr_eq(&live.making, making)) {
            state.live.remove(&making.request);
            if let Err(error) = &result
                && is_lasting(error)
                && state.failures.len() < FAILURES
            {
                state.failures.insert(making.request.clone(), (Instant::now(), error.clone()));
            }
        }
        // There is none if the limit was lowered meanwhile.
        let next = if state.has_place() { state.queue.pop_front() } else { None };
        state.running.extend(next.clone());
        drop(guard);
        making.end(result);
        self.ended.notify_all();
        next
    }

    /// Refuses all clients from now on, and sets the signal of every image that is being made.
    pub(crate) fn stop(&self) {
        let mut state = lock(&self.state);
        state.is_stopping = true;
        state.queue.clear();
        state.running.iter().for_each(|making| making.stop.set());
        for (_, live) in state.live.drain() {
            live.making.end(Err(stopping()));
        }
    }

    /// Waits until no image is being made, or for this time at most. Returns whether none is.
    pub(crate) fn wait_for_threads(&self, time: Duration) -> bool {
        let begun = Instant::now();
        let mut state = lock(&self.state);
        while !state.running.is_empty() && begun.elapsed() < time {
            let left = time.saturating_sub(begun.elapsed());
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.running.is_empty()
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = lock(&self.state);
        let waiting_clients = state.live.values().map(|live| live.waiters).sum();
        Counts { running: state.running.len(), queued: state.queue.len(), waiting_clients }
    }
}

/// A client that waits for an image. Dropping it leaves.
struct Waiter {
    makings: Arc<SharedMakings>,
    making: Arc<Making>,
}

impl Waiter {
    async fn result(&self) -> Made {
        loop {
            let done = self.making.done.notified();
            if let Some(result) = self.making.result.get() {
                return result.clone();
            }
            done.await;
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut guard = lock(&self.makings.state);
        let state = &mut *guard;
        let Some(live) = state.live.get_mut(&self.making.request) else { return };
        if !Arc::ptr_eq(&live.making, &self.making) {
            return;
        }
        live.waiters -= 1;
        if live.waiters == 0 {
            // A client that comes now starts again: this image may have ended halfway.
            state.live.remove(&self.making.request);
            state.queue.retain(|other| !Arc::ptr_eq(other, &self.making));
            self.making.stop.set();
        }
    }
}

/// Whether another attempt would fail in the same way soon afterwards.
fn is_lasting(error: &NamedImageError) -> bool {
    !matches!(error.kind, NamedImageErrorKind::Busy(_) | NamedImageErrorKind::Stopped)
}

fn busy(message: String) -> NamedImageError {
    NamedImageError::new(NamedImageErrorKind::Busy(RETRY), message)
}

fn stopping() -> NamedImageError {
    let message = "the registry is stopping: try again in a moment";
    NamedImageError::new(NamedImageErrorKind::Stopped, message)
}

fn internal() -> NamedImageError {
    let message = "internal error: see the log of this registry";
    NamedImageError::new(NamedImageErrorKind::Internal, message)
}
