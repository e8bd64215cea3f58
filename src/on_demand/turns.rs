//! Work that one thread does at a time for the same thing.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, PoisonError},
};

use crate::basics::digest::Digest;

/// The things that threads work on at the moment, by digests.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    busy: Mutex<HashSet<Digest>>,
    freed: Condvar,
}

impl Turns {
    /// Waits until no other thread works on this.
    pub(crate) fn take(&self, key: Digest) -> Turn<'_> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(key) {
            busy = self.freed.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { turns: self, key }
    }
}

/// The permission to work on something, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    key: Digest,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.turns.freed.notify_all();
    }
}
