//! How many threads may work at once.

#[cfg(all(test, shuttle))]
pub(crate) mod model;
pub(crate) mod parts;

use std::{
    mem,
    num::NonZeroUsize,
    ops::Deref,
    sync::{Arc, PoisonError},
    thread,
};

use crate::basics::sync::{Condvar, Mutex, in_threads};

pub(crate) use crate::basics::sync::lock;

/// A bound on the threads at work, shared by everything that is given the same pool.
///
/// A pool owns no threads and there is no global one: work borrows threads while it lasts, and of
/// all of them together at most this many work at a time. No byte of any result depends on the
/// number.
///
/// ```
/// use oci_layout::Pool;
/// let pool = Pool::new(2);
/// let squares = pool.map([1, 2, 3], |n| n * n);
/// assert_eq!(squares, [1, 4, 9]);
/// ```
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    threads: NonZeroUsize,
    /// Threads that are at a task now.
    working: Mutex<usize>,
    /// A task ended: there may be another to claim.
    changed: Condvar,
    /// Of all jobs together.
    buffers: Mutex<Buffers>,
}

/// The buffers for blocks of bytes.
#[derive(Debug, Default)]
struct Buffers {
    in_use: usize,
    /// To be used again: given back to the system and asked for anew, memory would grow with the
    /// number of blocks.
    spare: Vec<Vec<u8>>,
    /// The number of jobs. A pool at rest holds no memory.
    jobs: usize,
}

impl Pool {
    /// A pool of this many threads, at least one.
    pub fn new(threads: usize) -> Self {
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Inner {
            threads,
            working: Mutex::default(),
            changed: Condvar::new(),
            buffers: Mutex::default(),
        }))
    }

    /// A pool of as many threads as this process may run at once.
    pub fn available() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.0.threads.get()
    }

    /// Applies a function to every item, as many at a time as the pool has threads; results in the
    /// items' order. The way to make several layers side by side: what the function starts on this
    /// same pool shares its bound.
    #[doc(hidden)]
    pub fn map<T: Send, R: Send>(
        &self,
        items: impl IntoIterator<Item = T>,
        f: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let items: Vec<T> = items.into_iter().collect();
        let count = items.len();
        let queue = Mutex::new(items.into_iter().enumerate());
        let results = Mutex::new(Vec::with_capacity(count));
        self.scope(count, || {
            loop {
                let next = lock(&queue).next();
                let Some((index, item)) = next else { break };
                let result = f(item);
                lock(&results).push((index, result));
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Runs the tasks of a job until it has no more; `parts` says into how many it falls at most.
    pub(crate) fn run(&self, job: &impl Job, parts: usize) {
        lock(&self.0.buffers).jobs += 1;
        let _end = JobEnd(self);
        self.scope(parts, || self.work(job));
    }

    /// A buffer for one block, or for what it becomes.
    pub(crate) fn buffer(&self) -> Buffer {
        let mut buffers = lock(&self.0.buffers);
        buffers.in_use += 1;
        Buffer { bytes: buffers.spare.pop().unwrap_or_default(), len: 0, pool: Arc::clone(&self.0) }
    }

    fn scope(&self, parts: usize, work: impl Fn() + Sync) {
        in_threads(self.threads().min(parts).max(1), work);
    }

    fn work(&self, job: &impl Job) {
        let mut working = lock(&self.0.working);
        loop {
            let may =
                May { work: *working < self.threads(), buffers: lock(&self.0.buffers).in_use };
            let (task, counts) = match job.claim(may) {
                Claim::Work(task) => (task, 1),
                Claim::Output(task) => (task, 0),
                Claim::Wait => {
                    working = self.0.changed.wait(working).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Claim::Done => return self.0.changed.notify_all(),
            };
            *working += counts;
            drop(working);
            let end = TaskEnd { pool: self, job, counts };
            job.run(task);
            drop(end);
            working = lock(&self.0.working);
        }
    }
}

/// Work that falls into tasks, of which several can be done at once.
pub(crate) trait Job: Sync {
    type Task;

    /// The next task. Called by one thread at a time, and after every end of a task: it must be
    /// quick.
    fn claim(&self, may: May) -> Claim<Self::Task>;

    fn run(&self, task: Self::Task);

    /// A task panicked: no more of them.
    fn abort(&self);
}

/// What there is room for now.
#[derive(Clone, Copy)]
pub(crate) struct May {
    /// Another thread may work.
    pub(crate) work: bool,
    /// The number of buffers in use, by all jobs.
    pub(crate) buffers: usize,
}

pub(crate) enum Claim<T> {
    Work(T),
    /// A task that waits for somebody else's file or socket rather than works: as long as it does,
    /// others may work.
    Output(T),
    /// There is none now; a task that runs will make one possible.
    Wait,
    Done,
}

/// See [`Pool::buffer`].
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    pool: Arc<Inner>,
}

impl Buffer {
    /// So many bytes to be written over; what is in them is left from somebody before.
    pub(crate) fn room(&mut self, size: usize) -> &mut [u8] {
        self.len = size;
        if self.bytes.len() < size {
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
        }
        &mut self.bytes[..size]
    }

    /// Leaves off what was not written.
    pub(crate) fn truncate(&mut self, size: usize) {
        self.len = self.len.min(size);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut buffers = lock(&self.pool.buffers);
        buffers.in_use -= 1;
        if buffers.jobs > 0 {
            buffers.spare.push(mem::take(&mut self.bytes));
        }
    }
}

/// Says that a job ended, even by a panic.
struct JobEnd<'a>(&'a Pool);

impl Drop for JobEnd<'_> {
    fn drop(&mut self) {
        let mut buffers = lock(&self.0.0.buffers);
        buffers.jobs -= 1;
        if buffers.jobs == 0 {
            buffers.spare = Vec::new();
        }
    }
}

/// Says that a task ended, even by a panic: the other threads would wait for it for ever.
struct TaskEnd<'a, J: Job> {
    pool: &'a Pool,
    job: &'a J,
    counts: usize,
}

impl<J: Job> Drop for TaskEnd<'_, J> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.job.abort();
        }
        *lock(&self.pool.0.working) -= self.counts;
        self.pool.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn never_more_threads_than_said() {
        struct Count<'a> {
            left: AtomicUsize,
            now: &'a AtomicUsize,
            most: &'a AtomicUsize,
        }
        impl Job for Count<'_> {
            type Task = ();
            fn claim(&self, may: May) -> Claim<()> {
                if !may.work {
                    return Claim::Wait;
                }
                let left = self.left.load(Ordering::SeqCst);
                if left == 0 {
                    return Claim::Done;
                }
                self.left.store(left - 1, Ordering::SeqCst);
                Claim::Work(())
            }
            fn run(&self, (): ()) {
                self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                self.now.fetch_sub(1, Ordering::SeqCst);
            }
            fn abort(&self) {}
        }
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            pool.map(0..8, |_| {
                pool.run(&Count { left: AtomicUsize::new(50), now: &now, most: &most }, 50)
            });
            assert!(most.into_inner() <= threads);
        }
    }

    #[test]
    fn a_panic_ends_the_job_instead_of_hanging() {
        struct Panic(Mutex<(bool, bool)>);
        impl Job for Panic {
            type Task = ();
            fn claim(&self, _may: May) -> Claim<()> {
                match &mut *lock(&self.0) {
                    (_, true) => Claim::Done,
                    (started @ false, _) => {
                        *started = true;
                        Claim::Work(())
                    }
                    _ => Claim::Wait,
                }
            }
            fn run(&self, (): ()) {
                panic!("as the test wants");
            }
            fn abort(&self) {
                lock(&self.0).1 = true;
            }
        }
        let job = Panic(Mutex::default());
        let run = std::panic::AssertUnwindSafe(|| Pool::new(3).run(&job, 3));
        assert!(std::panic::catch_unwind(run).is_err());
    }
}
