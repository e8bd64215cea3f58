//! Buffers for blocks of bytes, reused while there are jobs.

use std::{mem, ops::Deref, sync::Arc};

use crate::basics::sync::{Mutex, lock};

/// The buffers of a pool. A clone shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    in_use: usize,
    /// Buffers for reuse. If they were returned to the system and allocated again, memory would
    /// grow with the number of blocks.
    spare: Vec<Vec<u8>>,
    /// The number of jobs. Without jobs, no memory is kept.
    jobs: usize,
}

impl Buffers {
    pub(crate) fn take(&self) -> Buffer {
        let mut state = lock(&self.0);
        state.in_use += 1;
        let bytes = state.spare.pop().unwrap_or_default();
        Buffer { bytes, len: 0, buffers: self.clone() }
    }

    pub(crate) fn in_use(&self) -> usize {
        lock(&self.0).in_use
    }

    /// The buffers in use, the jobs, and the spare buffers.
    #[cfg(all(test, shuttle))]
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let state = lock(&self.0);
        (state.in_use, state.jobs, state.spare.len())
    }

    /// Keeps buffers for reuse as long as the returned value exists.
    pub(crate) fn keep(&self) -> Kept<'_> {
        lock(&self.0).jobs += 1;
        Kept(self)
    }
}

/// Buffers that are kept for a job.
pub(crate) struct Kept<'a>(&'a Buffers);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let mut buffers = lock(&self.0.0);
        buffers.jobs -= 1;
        if buffers.jobs == 0 {
            buffers.spare = Vec::new();
        }
    }
}

/// A buffer of [`Buffers`], which returns to them.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    buffers: Buffers,
}

impl Buffer {
    /// Returns this many bytes to overwrite. They contain data from previous uses.
    pub(crate) fn room(&mut self, size: usize) -> &mut [u8] {
        self.len = size;
        if self.bytes.len() < size {
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
        }
        &mut self.bytes[..size]
    }

    /// Removes the bytes that were not written.
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
        let mut buffers = lock(&self.buffers.0);
        buffers.in_use -= 1;
        if buffers.jobs > 0 {
            buffers.spare.push(mem::take(&mut self.bytes));
        }
    }
}
