//! Models of the pool, run in many orders of their steps: see [`crate::sync`].

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use crate::{
    basics::sync::{AtomicUsize, Condvar, Mutex, check, in_threads, lock, thread},
    pool::{Claim, Job, May, Pool},
};

/// The number of threads at work, and the highest number so far.
#[derive(Default)]
struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtWork {
    fn work(&self) {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads blocks, and writes each after all blocks before it, as for a layer.
struct Line<'a> {
    blocks: usize,
    /// Whether a block is only taken when the next one is read. In that case, progress requires a
    /// thread that works in parallel with the output.
    takes_late: bool,
    state: Mutex<State>,
    /// Signals that a block was read.
    read: Condvar,
    at_work: &'a AtWork,
}

#[derive(Default)]
struct State {
    next: usize,
    read: BTreeSet<usize>,
    written: usize,
    is_writing: bool,
}

#[derive(Clone, Copy)]
enum Task {
    Read(usize),
    Write(usize),
}

impl<'a> Line<'a> {
    fn new(blocks: usize, takes_late: bool, at_work: &'a AtWork) -> Self {
        Self { blocks, takes_late, state: Mutex::default(), read: Condvar::new(), at_work }
    }
}

impl Job for Line<'_> {
    type Task = Task;

    fn claim(&self, may: May) -> Claim<Task> {
        let state = &mut *lock(&self.state);
        if state.written == self.blocks {
            return Claim::Done;
        }
        if !state.is_writing && state.read.contains(&state.written) {
            state.is_writing = true;
            return Claim::Output(Task::Write(state.written));
        }
        // As for a layer: reads no block while enough are in memory.
        if may.work && may.buffers < 2 && state.next < self.blocks {
            state.next += 1;
            return Claim::Work(Task::Read(state.next - 1));
        }
        Claim::Wait
    }

    fn run(&self, task: Task) {
        match task {
            Task::Read(block) => {
                self.at_work.work();
                lock(&self.state).read.insert(block);
                self.read.notify_all();
            }
            Task::Write(block) => {
                let mut state = lock(&self.state);
                while self.takes_late
                    && block + 1 < self.blocks
                    && !state.read.contains(&(block + 1))
                {
                    state = self.read.wait(state).unwrap();
                }
                assert_eq!(state.written, block, "in their order");
                state.read.remove(&block);
                (state.written, state.is_writing) = (block + 1, false);
            }
        }
    }

    fn abort(&self) {
        unreachable!("nothing panics");
    }
}

/// Every block is written, in order, and the jobs together never use more threads than the pool
/// has.
#[test]
fn model_of_jobs_side_by_side() {
    check(|| {
        let (pool, at_work) = (Pool::new(2), AtWork::default());
        let done = pool.map(0..2, |_| {
            let line = Line::new(3, true, &at_work);
            pool.run(&line, 3);
            lock(&line.state).written
        });
        assert_eq!(done, [3, 3]);
        assert!(at_work.most.into_inner() <= 2, "no more than the pool has");
        assert_eq!(pool.0.buffers.counts(), (0, 0, 0), "a pool at rest holds nothing");
    });
}

/// Two threads of the caller share a pool of one: each continues while the other rests.
#[test]
fn model_of_a_pool_of_one() {
    check(|| {
        let (pool, at_work) = (Pool::new(1), AtWork::default());
        in_threads(2, || {
            let line = Line::new(2, false, &at_work);
            pool.run(&line, 1);
            assert_eq!(lock(&line.state).written, 2);
        });
        assert_eq!(at_work.most.into_inner(), 1);
    });
}

/// Buffers are counted while they are held, and reused while there is a job.
#[test]
fn model_of_buffers() {
    check(|| {
        let pool = Pool::new(2);
        let results = pool.map(0..3, |number: usize| {
            let mut buffer = pool.buffer();
            buffer.room(4).fill(number as u8);
            thread::yield_now();
            assert!(buffer.iter().all(|&byte| byte == number as u8), "the buffer is not shared");
            let in_use = pool.0.buffers.in_use();
            assert!((1..=2).contains(&in_use));
            number
        });
        assert_eq!(results, [0, 1, 2]);
        assert_eq!(pool.0.buffers.in_use(), 0);
    });
}

/// Parts are found one at a time while others are worked on. Each is worked on once, and the
/// results are in the order of the parts.
#[test]
fn model_of_parts() {
    check(|| {
        let (pool, at_work, finding) =
            (Pool::new(2), AtWork::default(), Arc::new(AtomicUsize::new(0)));
        let parts = (0..5).inspect(|_| {
            assert_eq!(finding.fetch_add(1, Ordering::SeqCst), 0, "one finds at a time");
            thread::yield_now();
            finding.fetch_sub(1, Ordering::SeqCst);
        });
        let results = pool.map_parts(parts, |part| {
            at_work.work();
            part * 10
        });
        assert_eq!(results, [0, 10, 20, 30, 40]);
        assert!(at_work.most.into_inner() <= 2, "no more than the pool has");
    });
}
