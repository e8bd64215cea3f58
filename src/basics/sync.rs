//! Locks, threads and time, as in the standard library.
//!
//! `--cfg shuttle` replaces them by those of `modelled`. The tests named `model` then run the pool,
//! the shared builds of blobs and the locks of layouts in thousands of orders of their steps. Code
//! without a model uses `std` directly.

#[cfg(all(test, shuttle))]
pub(crate) mod modelled;

#[cfg(all(test, shuttle))]
pub(crate) use crate::basics::sync::modelled::*;
#[cfg(not(all(test, shuttle)))]
pub(crate) use crate::basics::sync::real::*;

#[cfg(not(all(test, shuttle)))]
mod real {
    use std::sync::PoisonError;
    pub(crate) use std::{
        sync::{Condvar, Mutex, MutexGuard},
        thread,
        time::Instant,
    };
    #[cfg(feature = "registry")]
    pub(crate) use {std::sync::atomic::AtomicUsize, tokio::sync::Notify};

    /// Locks a mutex and ignores poisoning: a thread that panics while it holds a lock leaves no
    /// inconsistent state in this crate.
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in this many threads, including the calling one. If the system refuses to start
    /// more threads, the running ones do the work.
    pub(crate) fn in_threads(count: usize, work: impl Fn() + Sync) {
        thread::scope(|scope| {
            for _ in 1..count {
                if thread::Builder::new().spawn_scoped(scope, &work).is_err() {
                    break;
                }
            }
            work();
        });
    }
}
