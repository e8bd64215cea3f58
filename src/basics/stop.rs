//! A signal to end work that others began.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A signal to end work early. All clones share one state, which changes once, from not set to set.
///
/// ```
/// use std::time::Duration;
///
/// use oci_layout::registry::Stop;
///
/// let stop = Stop::default();
/// assert!(!stop.wait(Duration::from_millis(1)));
/// stop.clone().set();
/// assert!(stop.is_set());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Sets the signal, and wakes everyone who waits for it.
    pub fn set(&self) {
        let (is_set, changed) = &*self.0;
        *is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether the signal is set.
    pub fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the signal is set, or for this time at most. Returns whether it is set.
    pub fn wait(&self, time: Duration) -> bool {
        let (is_set, changed) = &*self.0;
        let end = Instant::now() + time;
        let mut guard = is_set.lock().unwrap_or_else(PoisonError::into_inner);
        while !*guard {
            let Some(rest) = end.checked_duration_since(Instant::now()) else { break };
            guard = changed.wait_timeout(guard, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        *guard
    }
}
