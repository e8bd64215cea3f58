//! The same types under shuttle, which decides which thread continues wherever threads interact.
//! Time passes only while a thread waits for it. Locks on files are simulated per path, within this
//! process.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, LockResult, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::basics::error::Result;

pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic::AtomicUsize};

/// Runs a model in many orders of its steps: first with few switches between threads, which finds
/// defects that need one certain order, then with many.
pub(crate) fn check(model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(model);
    let few = Arc::clone(&model);
    shuttle::check_pct(begun(move || few()), iterations(), 4);
    shuttle::check_random(begun(move || model()), iterations());
}

/// Runs a model in orders in which every thread makes progress, as on a real machine.
pub(crate) fn check_fairly(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(begun(model), iterations());
}

/// The number of orders of each kind: `SHUTTLE_ITERATIONS`, or a number that takes a few seconds.
fn iterations() -> usize {
    std::env::var("SHUTTLE_ITERATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(1_000)
}

/// Gives each run of the model a separate world.
fn begun(model: impl Fn() + Send + Sync + 'static) -> impl Fn() + Send + Sync + 'static {
    move || {
        WORLD.with(World::begin);
        model();
        WORLD.with(World::begin);
    }
}

/// The state that the threads of a model share. Shuttle runs all of them in one thread of the
/// system.
#[derive(Default)]
struct World {
    now: Cell<Duration>,
    /// The condition variables on which threads may wait with a timeout.
    timed: RefCell<Vec<Arc<shuttle::sync::Condvar>>>,
    folders: RefCell<HashMap<PathBuf, Arc<Folder>>>,
}

thread_local! {
    static WORLD: World = World::default();
}

impl World {
    fn begin(&self) {
        self.now.set(Duration::ZERO);
        self.timed.borrow_mut().clear();
        self.folders.borrow_mut().clear();
    }
}

pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use shuttle::thread::*;

    /// Lets time pass immediately.
    pub(crate) fn sleep(duration: Duration) {
        super::pass(duration);
        yield_now();
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(WORLD.with(|world| world.now.get()))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        WORLD.with(|world| world.now.get()) - self.0
    }
}

/// Lets time pass. Threads that wait with a timeout check whether it has elapsed.
pub(crate) fn pass(duration: Duration) {
    WORLD.with(|world| world.now.set(world.now.get() + duration));
    let timed: Vec<_> = WORLD.with(|world| world.timed.borrow().clone());
    timed.iter().for_each(|condvar| condvar.notify_all());
}

/// A wait with a timeout ends when [`pass`] is called or on a notification.
#[derive(Debug, Default)]
pub(crate) struct Condvar(Arc<shuttle::sync::Condvar>);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        WORLD.with(|world| {
            let mut timed = world.timed.borrow_mut();
            if !timed.iter().any(|condvar| Arc::ptr_eq(condvar, &self.0)) {
                timed.push(Arc::clone(&self.0));
            }
        });
        let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        Ok((guard, ()))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Wraps tokio's type, which shuttle does not schedule: another thread may continue before each
/// call.
#[derive(Default)]
pub(crate) struct Notify {
    notify: tokio::sync::Notify,
    step: AtomicUsize,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.step.load(Ordering::SeqCst);
        self.notify.notified()
    }

    pub(crate) fn notify_waiters(&self) {
        self.step.load(Ordering::SeqCst);
        self.notify.notify_waiters();
    }
}

/// A folder that threads lock as processes do with `flock`. The system grants locks in any order.
#[derive(Debug, Default)]
struct Folder {
    held: Mutex<Held>,
    released: shuttle::sync::Condvar,
}

#[derive(Debug, Default)]
struct Held {
    shared: usize,
    exclusive: bool,
}

/// A lock on a folder, held until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    folder: Arc<Folder>,
    is_exclusive: bool,
}

impl FolderLock {
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        Ok(Self::wait(path, false))
    }

    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        Ok(Self::wait(path, true))
    }

    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let folder = Self::folder(path);
        let mut held = lock(&folder.held);
        if !held.is_free(true) {
            return Ok(None);
        }
        held.exclusive = true;
        drop(held);
        Ok(Some(Self { folder, is_exclusive: true }))
    }

    fn folder(path: &Path) -> Arc<Folder> {
        WORLD.with(|world| {
            Arc::clone(world.folders.borrow_mut().entry(path.to_owned()).or_default())
        })
    }

    fn wait(path: &Path, is_exclusive: bool) -> Self {
        let folder = Self::folder(path);
        let mut held = lock(&folder.held);
        while !held.is_free(is_exclusive) {
            held = folder.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        if is_exclusive {
            held.exclusive = true;
        } else {
            held.shared += 1;
        }
        drop(held);
        Self { folder, is_exclusive }
    }
}

impl Held {
    /// A shared lock is granted while other shared locks exist, even if a thread waits for an
    /// exclusive one.
    fn is_free(&self, is_exclusive: bool) -> bool {
        !self.exclusive && (self.shared == 0 || !is_exclusive)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let mut held = lock(&self.folder.held);
        if self.is_exclusive {
            held.exclusive = false;
        } else {
            held.shared -= 1;
        }
        drop(held);
        self.folder.released.notify_all();
    }
}

/// A mutex of shuttle, or of the standard library where no other thread of a model uses it.
pub(crate) trait AnyMutex {
    type Guard<'a>
    where
        Self: 'a;

    fn locked(&self) -> Self::Guard<'_>;
}

impl<T> AnyMutex for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn locked(&self) -> Self::Guard<'_> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AnyMutex for std::sync::Mutex<T> {
    type Guard<'a>
        = std::sync::MutexGuard<'a, T>
    where
        T: 'a;

    fn locked(&self) -> Self::Guard<'_> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: AnyMutex> AnyMutex for Arc<M> {
    type Guard<'a>
        = M::Guard<'a>
    where
        M: 'a;

    fn locked(&self) -> Self::Guard<'_> {
        (**self).locked()
    }
}

pub(crate) fn lock<M: AnyMutex>(mutex: &M) -> M::Guard<'_> {
    mutex.locked()
}

/// The caller only waits. Shuttle's scope wakes the calling thread when the others have ended, even
/// if that thread waits for something else.
pub(crate) fn in_threads(count: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| (0..count).for_each(|_| drop(scope.spawn(&work))));
}
