//! Progress in bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::basics::progress::Progress;

/// The number of bytes transferred so far, and the total.
pub(crate) struct ByteCounter {
    progress: Option<Progress>,
    done: AtomicU64,
    total: AtomicU64,
}

impl ByteCounter {
    pub(crate) fn new(progress: Option<Progress>) -> Self {
        Self { progress, done: AtomicU64::new(0), total: AtomicU64::new(0) }
    }

    /// Adds bytes to the total.
    pub(crate) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were transferred.
    pub(crate) fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(Progress(report)) = &self.progress {
            report(done, self.total.load(Ordering::Relaxed));
        }
    }

    /// Subtracts bytes that must be transferred again.
    pub(crate) fn retreat(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }
}
