//! Locks, threads and time, as the standard library has them.
//!
//! `--cfg shuttle` replaces them by those of `modelled`: the tests named `model` then run the pool,
//! the makings of blobs and the locks of layouts in thousands of orders of their steps. What is not
//! modelled uses `std` as anywhere.

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

    /// Locks; a thread that panicked while it held the lock has left nothing half-done that matters
    /// here.
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs this in so many threads, of which the caller is one. Where the system allows no more
    /// threads, those that there are do the work.
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
