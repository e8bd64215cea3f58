//! Work on parts that are found one after the other, done while the next is found.

use std::{collections::VecDeque, sync::PoisonError};

use crate::{
    basics::sync::{Mutex, lock},
    pool::{Claim, Job, May, Pool},
};

impl Pool {
    /// As [`Pool::map`], for functions that start nothing on the pool: they count as its work. So
    /// does finding the parts, all but the first two, which goes on beside the functions.
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

/// The parts that an iterator finds, handed out to whoever works on them. One at a time can be
/// found.
pub(crate) struct Parts<I: Iterator> {
    parts: Mutex<I>,
    search: Mutex<Search<I::Item>>,
}

struct Search<T> {
    /// Parts that nobody is at yet, by their numbers.
    found: VecDeque<(usize, T)>,
    /// The number of the next one to be found.
    next: usize,
    /// Somebody is at finding it: for others there is nothing to find meanwhile.
    finding: bool,
    /// There are no more.
    ended: bool,
}

/// What to do next for the parts.
pub(crate) enum PartTask<T> {
    /// Call [`Parts::find`].
    Find,
    /// Work on this part, which is that of this number.
    Apply(usize, T),
}

impl<I: Iterator> Parts<I> {
    /// Finds the first two: for one part no thread needs to be started, and it takes two to see
    /// that there is more than one.
    pub(crate) fn new(mut parts: I) -> Self {
        let found: VecDeque<_> = parts.by_ref().take(2).enumerate().collect();
        let search = Search { next: found.len(), finding: false, ended: found.len() < 2, found };
        Self { parts: Mutex::new(parts), search: Mutex::new(search) }
    }

    /// How many there are, once all are found.
    pub(crate) fn count(&self) -> Option<usize> {
        let search = lock(&self.search);
        search.ended.then_some(search.next)
    }

    /// The next task; `Done` if all parts are found and claimed.
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

    /// Hands out no more.
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
