//! Works on parts while later parts are still being found.

use std::{collections::VecDeque, sync::PoisonError};

use crate::{
    basics::sync::{Mutex, lock},
    pool::{Claim, Job, May, Pool},
};

impl Pool {
    /// Like [`Pool::map`], for functions that start nothing on the pool, so that they count as its
    /// work. Finding the parts counts too, except for the first two, and runs in parallel with the
    /// functions.
    pub(crate) fn map_parts<T: Send, R: Send>(
        &self,
        parts: impl IntoIterator<Item = T, IntoIter: Send>,
        f: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let job = MapParts { parts: Parts::new(parts.into_iter()), results: Mutex::default(), f };
        self.run(&job, job.parts.count().unwrap_or(usize::MAX));
        let mut results = job.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// Parts from an iterator, handed out to the threads that work on them. One thread at a time finds
/// parts.
pub(crate) struct Parts<I: Iterator> {
    parts: Mutex<I>,
    search: Mutex<Search<I::Item>>,
}

struct Search<T> {
    /// Parts that no thread has claimed yet, by number.
    found: VecDeque<(usize, T)>,
    /// The number of the next part to be found.
    next: usize,
    /// Whether a thread is finding a part. Meanwhile, the others find none.
    finding: bool,
    /// Whether all parts are found.
    ended: bool,
}

/// The next thing to do for the parts.
pub(crate) enum PartTask<T> {
    /// Call [`Parts::find`].
    Find,
    /// Work on the part with this number.
    Apply(usize, T),
}

impl<I: Iterator> Parts<I> {
    /// Finds the first two parts: one part alone needs no further thread, and it takes two to know
    /// that there are more.
    pub(crate) fn new(mut parts: I) -> Self {
        let found: VecDeque<_> = parts.by_ref().take(2).enumerate().collect();
        let search = Search { next: found.len(), finding: false, ended: found.len() < 2, found };
        Self { parts: Mutex::new(parts), search: Mutex::new(search) }
    }

    /// The number of parts, once all are found.
    pub(crate) fn count(&self) -> Option<usize> {
        let search = lock(&self.search);
        search.ended.then_some(search.next)
    }

    /// The next task. `Done` if all parts are found and claimed.
    pub(crate) fn claim(&self, may: May) -> Claim<PartTask<I::Item>> {
        let search = &mut *lock(&self.search);
        if search.ended && search.found.is_empty() {
            return Claim::Done;
        }
        if !may.work {
            return Claim::Wait;
        }
        if let Some((index, part)) = search.found.pop_front() {
            return Claim::Work(PartTask::Apply(index, part));
        }
        if search.finding {
            return Claim::Wait;
        }
        search.finding = true;
        Claim::Work(PartTask::Find)
    }

    /// Finds the next part, as [`PartTask::Find`] says.
    pub(crate) fn find(&self) {
        let part = lock(&self.parts).next();
        let mut search = lock(&self.search);
        search.finding = false;
        match part {
            Some(part) => {
                let index = search.next;
                search.next += 1;
                search.found.push_back((index, part));
            }
            None => search.ended = true,
        }
    }

    /// Stops handing out parts.
    pub(crate) fn abort(&self) {
        let mut search = lock(&self.search);
        search.ended = true;
        search.found.clear();
    }
}

struct MapParts<I: Iterator, R, F> {
    parts: Parts<I>,
    results: Mutex<Vec<(usize, R)>>,
    f: F,
}

impl<I: Iterator<Item: Send> + Send, R: Send, F: Fn(I::Item) -> R + Sync> Job
    for MapParts<I, R, F>
{
    type Task = PartTask<I::Item>;

    fn claim(&self, may: May) -> Claim<Self::Task> {
        self.parts.claim(may)
    }

    fn run(&self, task: Self::Task) {
        match task {
            PartTask::Find => self.parts.find(),
            PartTask::Apply(index, part) => {
                let result = (self.f)(part);
                lock(&self.results).push((index, result));
            }
        }
    }

    fn abort(&self) {
        self.parts.abort();
    }
}
