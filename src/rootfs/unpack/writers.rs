//! Threads that write small files.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{
    basics::error::{Error, Result},
    pool::lock,
    rootfs::unpack::target::{NewFile, Target},
};

/// How many files a thread gets at once, and of how many bytes. Waking a thread takes as long as
/// writing a small file.
const FILES: usize = 32;
const BYTES: usize = 256 << 10;

/// Writes files in any order. Without threads, each is written when it is added.
pub(crate) struct Writers<'a> {
    target: &'a Target,
    queue: Option<SyncSender<Vec<NewFile>>>,
    /// The files that no thread has yet, and their bytes.
    batch: Mutex<(Vec<NewFile>, usize)>,
    state: &'a State,
}

/// The number of batches that are not written, and the first error.
#[derive(Default)]
struct State {
    pending: Mutex<(usize, Option<Error>)>,
    changed: Condvar,
}

impl Writers<'_> {
    /// Calls `f` with writers in so many threads, or in as many as the system has.
    pub(crate) fn with<T>(
        count: usize,
        target: &Target,
        f: impl FnOnce(&Writers<'_>) -> Result<T>,
    ) -> Result<T> {
        let state = State::default();
        let (sender, receiver) = sync_channel(count);
        let receiver = Mutex::new(receiver);
        thread::scope(|scope| {
            let mut started = 0;
            for _ in 0..count {
                let write = || write_all(target, &receiver, &state);
                started += usize::from(thread::Builder::new().spawn_scoped(scope, write).is_ok());
            }
            let queue = (started > 0).then_some(sender);
            f(&Writers { target, queue, batch: Mutex::default(), state: &state })
        })
    }

    /// # Errors
    ///
    /// That of any file that was added before.
    pub(crate) fn add(&self, file: NewFile) -> Result<()> {
        let Some(queue) = &self.queue else { return self.target.write(&file) };
        let mut batch = lock(&self.batch);
        batch.1 += file.contents.len();
        batch.0.push(file);
        if batch.0.len() < FILES && batch.1 < BYTES {
            return Ok(());
        }
        self.send(&mut batch, queue)
    }

    fn send(
        &self,
        batch: &mut (Vec<NewFile>, usize),
        queue: &SyncSender<Vec<NewFile>>,
    ) -> Result<()> {
        {
            let mut pending = lock(&self.state.pending);
            if let Some(error) = pending.1.take() {
                return Err(error);
            }
            pending.0 += 1;
        }
        let (files, _) = std::mem::take(batch);
        // The receiver lives as long as this.
        let _ = queue.send(files);
        Ok(())
    }

    /// Waits until all files that were added are written.
    ///
    /// # Errors
    ///
    /// That of any of these files.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut batch = lock(&self.batch);
        if let Some(queue) = self.queue.as_ref().filter(|_| !batch.0.is_empty()) {
            self.send(&mut batch, queue)?;
        }
        let mut pending = lock(&self.state.pending);
        while pending.0 > 0 {
            pending = self.state.changed.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        pending.1.take().map_or(Ok(()), Err)
    }
}

fn write_all(target: &Target, queue: &Mutex<Receiver<Vec<NewFile>>>, state: &State) {
    loop {
        let next = lock(queue).recv();
        let Ok(files) = next else { return };
        let end = BatchEnd(state);
        if let Err(error) = files.iter().try_for_each(|file| target.write(file)) {
            lock(&state.pending).1.get_or_insert(error);
        }
        drop(end);
    }
}

/// Records the end of a batch, even by a panic. Otherwise [`Writers::flush`] would wait forever.
struct BatchEnd<'a>(&'a State);

impl Drop for BatchEnd<'_> {
    fn drop(&mut self) {
        lock(&self.0.pending).0 -= 1;
        self.0.changed.notify_all();
    }
}
