//! Models of shared builds in many orders of their steps: see [`crate::basics::sync`].

use std::{
    io::{self, Read},
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};

use shuttle::{future::block_on, sync::atomic::AtomicBool};

use crate::{
    basics::{
        error::Result,
        report::Report,
        sync::{AtomicUsize, Mutex, Notify, check, lock, pass, thread},
    },
    blob::{chunks::CHUNK, traits::Blob},
    document::descriptor::{Descriptor, MediaType},
    pool::Pool,
    registry::serve::{
        body::BlobBody,
        shared_build::{Limits, Next, SharedBuilds},
    },
};

/// The number of chunks of the blob.
const CHUNKS: u64 = 4;

/// A blob whose reader yields to other threads, and fails after a number of chunks.
struct Slow {
    descriptor: Descriptor,
    fails_behind: u64,
}

impl Slow {
    fn blob(fails_behind: u64) -> Arc<dyn Blob> {
        static DESCRIPTOR: OnceLock<Descriptor> = OnceLock::new();
        let whole =
            || Descriptor::of(MediaType::LAYER, &(0..CHUNKS).flat_map(chunk).collect::<Vec<_>>());
        Arc::new(Self { descriptor: DESCRIPTOR.get_or_init(whole).clone(), fails_behind })
    }
}

/// The chunk with this number. The last one is short.
fn chunk(number: u64) -> Vec<u8> {
    vec![number as u8; if number + 1 < CHUNKS { CHUNK as usize } else { 10 }]
}

impl Blob for Slow {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(SlowReader { number: 0, chunk: Vec::new(), fails_behind: self.fails_behind }))
    }
}

struct SlowReader {
    number: u64,
    chunk: Vec<u8>,
    fails_behind: u64,
}

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            thread::yield_now();
            if self.number == self.fails_behind {
                return Err(io::Error::other("as the model wants"));
            }
            if self.number == CHUNKS {
                return Ok(0);
            }
            self.chunk = chunk(self.number);
            self.number += 1;
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk[..length]);
        self.chunk.drain(..length);
        Ok(length)
    }
}

fn builds(of_a_blob: usize, in_all: usize) -> Arc<SharedBuilds> {
    let limits = Limits { window: 2, grace: Duration::from_millis(40), of_a_blob, in_all };
    let (live, changed) = (Mutex::default(), Notify::new());
    let (waiting, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Arc::new(SharedBuilds { limits, pool: Pool::new(1), live, changed, waiting, begun })
}

/// Reads the blob as a response does, from this chunk on.
fn read(builds: &Arc<SharedBuilds>, blob: &Arc<dyn Blob>, from: u64) -> Result<(), String> {
    let size = blob.descriptor().size;
    let mut body = BlobBody::new(builds, &Arc::default(), blob, false, from * CHUNK..size);
    for number in from..CHUNKS {
        let bytes = block_on(body.next())
            .map_err(|error| Report(&*error).to_string())?
            .expect("it is not over");
        assert!(bytes[..] == chunk(number)[..], "chunk {number} comes when it is its turn");
    }
    assert_eq!(block_on(body.next()).map_err(|error| Report(&*error).to_string())?, None);
    Ok(())
}

/// Waits until all builds have ended, each after its last reader has left.
fn wait_for_the_end(builds: &Arc<SharedBuilds>) {
    block_on(async {
        loop {
            let changed = builds.changed.notified();
            if lock(&builds.live).is_empty() {
                break;
            }
            changed.await;
        }
    });
    assert_eq!(builds.waiting.load(Ordering::SeqCst), 0, "no client waits");
}

/// Two simultaneous clients, one of which needs only the end: both get everything, without any time
/// passing.
#[test]
fn model_of_a_shared_build() {
    check(|| {
        let (builds, blob) = (builds(1, 1), Slow::blob(u64::MAX));
        let clients = [0, 2].map(|from| {
            let (builds, blob) = (Arc::clone(&builds), Arc::clone(&blob));
            thread::spawn(move || read(&builds, &blob, from).unwrap())
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
        wait_for_the_end(&builds);
    });
}

/// A client leaves in the middle: the other one gets everything, and so does one that comes later.
#[test]
fn model_of_a_client_that_leaves() {
    check(|| {
        let (builds, blob) = (builds(1, 1), Slow::blob(u64::MAX));
        let leaving = {
            let (builds, blob) = (Arc::clone(&builds), Arc::clone(&blob));
            thread::spawn(move || {
                let place = block_on(builds.place(&blob, 0)).unwrap();
                assert!(!matches!(block_on(place.next()), Next::Failed(_)));
            })
        };
        let staying = {
            let (builds, blob) = (Arc::clone(&builds), Arc::clone(&blob));
            thread::spawn(move || read(&builds, &blob, 0).unwrap())
        };
        leaving.join().unwrap();
        read(&builds, &blob, 0).unwrap();
        staying.join().unwrap();
        wait_for_the_end(&builds);
    });
}

/// A build that fails reports the error to all clients, and leaves no build running.
#[test]
fn model_of_a_build_that_fails() {
    check(|| {
        let (builds, blob) = (builds(1, 2), Slow::blob(1));
        let clients = [0, 1].map(|from| {
            let (builds, blob) = (Arc::clone(&builds), Arc::clone(&blob));
            thread::spawn(move || read(&builds, &blob, from).unwrap_err())
        });
        for client in clients {
            assert!(client.join().unwrap().contains("as the model wants"));
        }
        wait_for_the_end(&builds);
    });
}

/// A client that reads one chunk and then stalls delays others for no longer than the grace period.
#[test]
fn model_of_a_client_that_stalls() {
    check(|| {
        let (builds, blob) = (builds(1, 1), Slow::blob(u64::MAX));
        let (is_over, stalls) =
            (Arc::new(AtomicBool::new(false)), block_on(builds.place(&blob, 0)).unwrap());
        let clock = {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    pass(Duration::from_millis(20));
                    thread::yield_now();
                }
            })
        };
        read(&builds, &blob, 0).unwrap();
        drop(stalls);
        wait_for_the_end(&builds);
        is_over.store(true, Ordering::SeqCst);
        clock.join().unwrap();
    });
}
