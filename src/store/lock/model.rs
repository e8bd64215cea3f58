//! Models of the locks of a layout, run in many orders of their steps. Folders are locked as with
//! `flock`: see [`crate::sync`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use shuttle::sync::atomic::{AtomicBool, Ordering};

use crate::{
    basics::sync::{Instant, Mutex, check, check_fairly, lock, pass, thread},
    store::{lock::Lock, write_options::WriteOptions},
};

/// A layout whose blobs and tags are numbers.
#[derive(Clone, Default)]
struct Layout {
    blobs: Arc<Mutex<BTreeSet<u32>>>,
    index: Arc<Mutex<BTreeMap<u32, u32>>>,
}

fn shared() -> Lock {
    Lock::shared(Path::new("layout"), WriteOptions::default()).unwrap().unwrap()
}

fn exclusive() -> Lock {
    Lock::exclusive(Path::new("layout"), WriteOptions::default()).unwrap().unwrap()
}

impl Layout {
    fn index(&self) -> BTreeMap<u32, u32> {
        let index = lock(&self.index).clone();
        thread::yield_now();
        index
    }

    /// The sequence of `ImageLayout::append`.
    fn append(&self, tag: u32) {
        let _store = shared();
        lock(&self.blobs).insert(tag);
        self.change(|index| {
            index.insert(tag, tag);
        });
    }

    /// The sequence of `ImageLayout::remove`.
    fn remove(&self, tag: u32) {
        let _lock = shared();
        self.change(|index| {
            index.remove(&tag);
        });
    }

    /// Reads the index, and then replaces it.
    fn change(&self, change: impl Fn(&mut BTreeMap<u32, u32>)) {
        let _turn = Lock::index(Path::new("layout"), WriteOptions::default()).unwrap();
        let mut index = self.index();
        change(&mut index);
        *lock(&self.index) = index;
    }

    /// The sequence of `ImageLayout::collect_garbage`.
    fn collect(&self) {
        let _alone = exclusive();
        let index = self.index();
        let blobs = lock(&self.blobs).clone();
        for blob in blobs.into_iter().filter(|blob| !index.values().any(|used| used == blob)) {
            lock(&self.blobs).remove(&blob);
        }
    }

    /// The sequence of `verify`.
    fn read(&self) {
        let _lock = shared();
        for blob in self.index().values() {
            assert!(lock(&self.blobs).contains(blob), "a blob vanished while it was read");
        }
    }
}

/// With writers, a reader, a remover and a collector, no tag is lost, no blob is missing, and
/// garbage is removed.
#[test]
fn model_of_a_layout() {
    check(|| {
        let layout = Layout::default();
        (layout.append(1), layout.append(2));
        let steps: [fn(&Layout); 5] = [
            |layout| layout.append(3),
            |layout| layout.append(4),
            |layout| layout.remove(1),
            Layout::collect,
            Layout::read,
        ];
        let threads = steps.map(|step| {
            let layout = layout.clone();
            thread::spawn(move || step(&layout))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(layout.index(), BTreeMap::from([(2, 2), (3, 3), (4, 4)]));
        layout.read();
        layout.collect();
        assert_eq!(*lock(&layout.blobs), BTreeSet::from([2, 3, 4]));
    });
}

/// A program that holds a layout passes its gate a second time, while a collector waits for it.
#[test]
fn model_of_a_lock_that_is_taken_twice() {
    check_fairly(|| {
        let twice = thread::spawn(|| {
            let first = shared();
            thread::yield_now();
            let second = shared();
            drop((first, second));
        });
        let collector = thread::spawn(|| drop(exclusive()));
        twice.join().unwrap();
        collector.join().unwrap();
    });
}

/// A collector gets its turn although one of six writers holds the layout at nearly every moment.
#[test]
fn model_of_a_collector_among_many_writers() {
    check_fairly(|| {
        let is_over = Arc::new(AtomicBool::new(false));
        let writers = [(); 6].map(|()| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let _lock = shared();
                    (0..30).for_each(|_| thread::yield_now());
                    pass(Duration::from_millis(20));
                }
            })
        });
        let begin = Instant::now();
        let alone = exclusive();
        assert!(begin.elapsed() < Duration::from_secs(10), "waited for {:?}", begin.elapsed());
        is_over.store(true, Ordering::SeqCst);
        drop(alone);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}
