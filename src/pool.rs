//! Limits how many threads work at the same time.

pub(crate) mod buffers;
#[cfg(all(test, shuttle))]
pub(crate) mod model;
pub(crate) mod parts;

use std::{
    num::NonZeroUsize,
    sync::{Arc, PoisonError},
    thread,
};

use crate::{
    basics::sync::{Condvar, Mutex, in_threads},
    pool::buffers::Buffers,
};

pub(crate) use crate::{basics::sync::lock, pool::buffers::Buffer};

/// A limit on the number of working threads, shared by everything that uses the same pool.
///
/// A pool owns no threads, and there is no global pool. An operation borrows threads while it runs,
/// and all operations of a pool together use at most this many at a time. No byte of any result
/// depends on the number.
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
    /// The threads that currently run a task.
    working: Mutex<usize>,
    /// Signals that a task ended, so another may be available.
    changed: Condvar,
    /// Shared by all jobs.
    buffers: Buffers,
}

impl Pool {
    /// Creates a pool of this many threads, at least one.
    pub fn new(threads: usize) -> Self {
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Inner {
            threads,
            working: Mutex::default(),
            changed: Condvar::new(),
            buffers: Buffers::default(),
        }))
    }

    /// Creates a pool of as many threads as this process can run in parallel.
    pub fn available() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.0.threads.get()
    }

    /// Applies a function to every item, with as many threads as the pool has, and returns the
    /// results in the order of the items. Use it to make several layers in parallel: operations
    /// that the function starts on the same pool share its limit.
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

    /// Runs the tasks of a job until none are left. The job consists of at most `parts` tasks that
    /// can run in parallel.
    pub(crate) fn run(&self, job: &impl Job, parts: usize) {
        let _kept = self.0.buffers.keep();
        self.scope(parts, || self.work(job));
    }

    /// Takes a buffer for one block, in its original or compressed form.
    pub(crate) fn buffer(&self) -> Buffer {
        self.0.buffers.take()
    }

    fn scope(&self, parts: usize, work: impl Fn() + Sync) {
        in_threads(self.threads().min(parts).max(1), work);
    }

    fn work(&self, job: &impl Job) {
        let mut working = lock(&self.0.working);
        loop {
            let may = May { work: *working < self.threads(), buffers: self.0.buffers.in_use() };
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

/// Work that consists of tasks, several of which can run at the same time.
pub(crate) trait Job: Sync {
    type Task;

    /// Returns the next task. Only one thread calls this at a time, after every end of a task, so
    /// it must be quick.
    fn claim(&self, may: May) -> Claim<Self::Task>;

    fn run(&self, task: Self::Task);

    /// Ends the job, because a task panicked.
    fn abort(&self);
}

/// The resources that are currently available.
#[derive(Clone, Copy)]
pub(crate) struct May {
    /// Whether another thread may work.
    pub(crate) work: bool,
    /// The number of buffers in use by all jobs.
    pub(crate) buffers: usize,
}

pub(crate) enum Claim<T> {
    Work(T),
    /// A task that waits for a file or socket of the caller instead of working. Another thread may
    /// work while it runs.
    Output(T),
    /// No task is available now. A running task will make one available.
    Wait,
    Done,
}

/// Records the end of a task, even by a panic. Otherwise the other threads would wait forever.
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
    fn the_number_of_threads_is_never_exceeded() {
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
