//! Threads for blocking work: reading files and hashing passwords.
//!
//! tokio's own blocking threads panic if the system refuses the first one.

use std::{
    any::Any,
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

use tokio::sync::oneshot;

use crate::pool::lock;

/// Each client of a blob that is being hashed occupies a thread, and must not delay other clients.
const MAX_THREADS: usize = 512;

type Work = Box<dyn FnOnce() + Send>;

/// Threads that take work from one queue. They start as work arrives, and end when this value is
/// dropped. Work that has not started by then is dropped.
#[derive(Default)]
pub(crate) struct Blocking(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
    has_ended: bool,
}

impl Blocking {
    /// # Errors
    ///
    /// If the system refuses the first thread. If it refuses further ones, the existing threads do
    /// all the work.
    pub(crate) fn start() -> io::Result<Self> {
        let blocking = Self::default();
        blocking.add_thread(&mut lock(&blocking.0.state))?;
        Ok(blocking)
    }

    /// Runs the work and returns its result. The work continues if the caller is dropped.
    ///
    /// # Errors
    ///
    /// If the work panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (sender, receiver) = oneshot::channel();
        let work = move || {
            // If the caller was dropped, the result has no receiver.
            drop(sender.send(catch_unwind(AssertUnwindSafe(work))));
        };
        self.push(Box::new(work));
        match receiver.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => Err(io::Error::other(panic_message(&*panic))),
            Err(_) => Err(io::Error::other("the server is stopping")),
        }
    }

    fn push(&self, work: Work) {
        let mut state = lock(&self.0.state);
        state.queue.push_back(work);
        if state.queue.len() > state.idle && state.threads < MAX_THREADS {
            // If the system refuses another thread, the existing ones take the work.
            let _ = self.add_thread(&mut state);
        }
        self.0.changed.notify_one();
    }

    fn add_thread(&self, state: &mut State) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        thread::Builder::new().name("blocking".to_owned()).spawn(move || shared.work())?;
        state.threads += 1;
        Ok(())
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        lock(&self.0.state).has_ended = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut state = lock(&self.state);
        while !state.has_ended {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                work();
                state = lock(&self.state);
            } else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
        state.queue.clear();
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a thread panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn work_that_waits_does_not_keep_other_work_waiting() {
        let blocking = Blocking::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        let runtime = Builder::new_current_thread().build().unwrap();
        // Each piece ends only when the last one has begun.
        let receiver = Arc::new(Mutex::new(receiver));
        let waiting = (0..40).map(|n| {
            let receiver = Arc::clone(&receiver);
            blocking.run(move || lock(&receiver).recv().map(|()| n))
        });
        let last = blocking.run(move || (0..40).for_each(|_| sender.send(()).unwrap()));
        let (results, last) = runtime.block_on(future::join(future::join_all(waiting), last));
        last.unwrap();
        let results: Vec<_> = results.into_iter().map(|result| result.unwrap().unwrap()).collect();
        assert_eq!(results, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_is_an_error_of_its_work_alone() {
        let blocking = Blocking::start().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        let error = runtime.block_on(blocking.run(|| panic!("as a test"))).unwrap_err();
        assert_eq!(error.to_string(), "a thread panicked: as a test");
        assert_eq!(runtime.block_on(blocking.run(|| 1)).unwrap(), 1);
    }
}
