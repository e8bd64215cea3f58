//! Blobs that are built on demand, for many simultaneous clients, some of which are slow or leave.

use std::{
    io::{self, BufReader, Read},
    net::TcpStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use oci_layout::{
    Blob, Digest, ImageManifest, Layer, Result,
    document::{Descriptor, MediaType},
    image_config, image_manifest,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::registry::serve::{
    Served,
    client::{ask, get, open, read_head},
    wait_until,
};

const MIB: u64 = 1 << 20;

/// The memory of a build.
const WINDOW: u64 = 16 * MIB;

/// The bytes in transit between two programs: in the buffers of the system and of both of them.
const BUFFERS: u64 = 16 * MIB;

/// A layer of this many bytes, which is built whenever it is opened.
struct Made {
    descriptor: Descriptor,
    /// How often it was built, how many builds are running, and how many bytes all of them made.
    begun: AtomicU64,
    live: AtomicU64,
    bytes: AtomicU64,
    /// The offset at which the source turns out to be missing.
    breaks_at: u64,
    /// Whether builds are held before they start.
    is_gone: AtomicBool,
}

impl Made {
    fn new(size: u64, seed: u8) -> Arc<Self> {
        Self::broken(size, seed, u64::MAX)
    }

    fn broken(size: u64, seed: u8, breaks_at: u64) -> Arc<Self> {
        let (hex, _) = digest_of(Pattern { at: 0, seed }.take(size));
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let mut descriptor = Descriptor::new(MediaType::LAYER, digest, size);
        // For the reader below, which gets it from here.
        descriptor.annotations.insert("seed".to_owned(), seed.to_string());
        let (begun, live, bytes) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            descriptor,
            begun,
            live,
            bytes,
            breaks_at,
            is_gone: AtomicBool::new(false),
        })
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    fn live(&self) -> u64 {
        self.live.load(Ordering::SeqCst)
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    fn target(&self) -> String {
        format!("/v2/a/blobs/{}", self.descriptor.digest)
    }
}

/// The layer, which [`Image`](oci_layout::Image) and the test share.
struct Handle(Arc<Made>);

impl Blob for Handle {
    fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        self.0.live.fetch_add(1, Ordering::SeqCst);
        let seed = self.0.descriptor.annotations["seed"].parse().unwrap();
        let reader = Making { made: Arc::clone(&self.0), pattern: Pattern { at: 0, seed } };
        if self.0.is_gone.load(Ordering::SeqCst) {
            return Err(oci_layout::Error::SourceMissing { path: "/the/source".into() });
        }
        let size = self.0.descriptor.size;
        Ok(Box::new(reader.take(size)))
    }
}

impl Layer for Handle {
    fn diff_id(&self) -> Digest {
        self.0.descriptor.digest
    }
}

struct Making {
    made: Arc<Made>,
    pattern: Pattern,
}

impl Read for Making {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pattern.at >= self.made.breaks_at {
            return Err(oci_layout::Error::SourceMissing { path: "/the/source".into() }.into());
        }
        let n = self.pattern.read(buffer)?;
        self.made.bytes.fetch_add(n as u64, Ordering::SeqCst);
        Ok(n)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.made.live.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Bytes that differ at every offset, and for every seed.
struct Pattern {
    at: u64,
    seed: u8,
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const LINE: u64 = 64;
        buffer.fill(self.seed);
        let end = self.at + buffer.len() as u64;
        // Every line starts with its number.
        for line in self.at / LINE..end.div_ceil(LINE) {
            for (at, byte) in (line * LINE..).zip(line.to_le_bytes()) {
                if let Some(at) = at.checked_sub(self.at).filter(|_| at < end) {
                    buffer[at as usize] = byte;
                }
            }
        }
        self.at = end;
        Ok(buffer.len())
    }
}

fn image(layers: &[&Arc<Made>]) -> ImageManifest {
    let layers: Vec<Arc<dyn Layer>> =
        layers.iter().map(|made| Arc::new(Handle(Arc::clone(made))) as _).collect();
    image_manifest(image_config(&layers, json!({})).unwrap(), layers, Value::Null).unwrap()
}

fn served(layers: &[&Arc<Made>]) -> Served {
    Served::new([("a", vec![image(layers)])])
}

/// The digest and number of the bytes in the response to a request.
fn digest(stream: TcpStream) -> (String, u64) {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (status, _) = read_head(&mut reader);
    assert_eq!(status, 200);
    digest_of(reader)
}

/// The digest and number of these bytes, none of which is kept.
fn digest_of(mut reader: impl Read) -> (String, u64) {
    let (mut sha, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    // The test checks for an early end.
    while let Ok(n @ 1..) = reader.read(&mut buffer) {
        sha.update(&buffer[..n]);
        size += n as u64;
    }
    (sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), size)
}

#[track_caller]
fn assert_whole(made: &Made, stream: TcpStream) {
    assert_eq!(digest(stream), (made.descriptor.digest.hex(), made.descriptor.size));
}

#[test]
fn a_hundred_clients_at_once() {
    const CLIENTS: usize = 100;
    let made = Made::new(WINDOW + 4 * MIB, 1);
    let served = served(&[&made]);
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                start.wait();
                assert_whole(&made, open(&served.address, "GET", &made.target(), &[]));
            });
        }
    });
    // One build, and further ones for clients that this machine starts or continues much later.
    assert!(made.begun() <= 5, "made {} times", made.begun());
    wait_until("no build is running", || made.live() == 0);
}

#[test]
fn requests_for_known_facts_start_no_build() {
    let made = Made::new(MIB, 2);
    let served = served(&[&made]);
    let answer = ask(&served.address, "HEAD", &made.target(), &[]);
    assert_eq!((answer.status, answer.header("content-length")), (200, "1048576"));
    assert_eq!(answer.header("accept-ranges"), "none");
    served.get("/v2/a/manifests/latest");
    assert_eq!(made.begun(), 0);
    // A range is not available, so the response has the whole blob.
    let answer = get(&served.address, &made.target(), &[("Range", "bytes=5-9")]);
    assert_eq!((answer.status, Digest::of(&answer.body)), (200, made.descriptor.digest));
}

/// The build is ahead of its client by the window at most.
#[test]
fn memory_is_bounded() {
    let made = Made::new(100 * MIB, 3);
    let served = served(&[&made]);
    let stalled = open(&served.address, "GET", &made.target(), &[]);
    wait_until("a window is built", || made.bytes() >= WINDOW);
    for _ in 0..50 {
        thread::sleep(std::time::Duration::from_millis(10));
        assert!(made.bytes() <= WINDOW + BUFFERS, "{} bytes ahead", made.bytes());
    }
    // No other client waited, so it keeps its place.
    assert_whole(&made, stalled);
    assert_eq!(made.begun(), 1);
}

#[test]
fn a_stalled_client_does_not_delay_others() {
    let made = Made::new(4 * WINDOW, 4);
    let served = served(&[&made]);
    let stalled = open(&served.address, "GET", &made.target(), &[]);
    wait_until("the build has started", || made.bytes() > MIB);
    assert_whole(&made, open(&served.address, "GET", &made.target(), &[]));
    // It gets a separate build, from its position on.
    assert_whole(&made, stalled);
    assert!(made.begun() <= 4, "made {} times", made.begun());
    wait_until("no build is running", || made.live() == 0);
}

/// As many stalled clients as there may be builds, and one client for another blob.
#[test]
fn stalled_clients_do_not_block_another_blob() {
    let blobs = [5, 6, 7].map(|seed| Made::new(3 * WINDOW, seed));
    let served = served(&blobs.each_ref());
    let stalled: Vec<TcpStream> =
        (0..2).map(|n| open(&served.address, "GET", &blobs[n].target(), &[])).collect();
    wait_until("both builds have started", || blobs[..2].iter().all(|made| made.bytes() > MIB));
    assert_whole(&blobs[2], open(&served.address, "GET", &blobs[2].target(), &[]));
    for (made, stream) in blobs.iter().zip(stalled) {
        assert_whole(made, stream);
    }
}

#[test]
fn a_build_without_readers_stops() {
    let made = Made::new(300 * MIB, 8);
    let served = served(&[&made]);
    for _ in 0..3 {
        let mut stream = open(&served.address, "GET", &made.target(), &[]);
        stream.read_exact(&mut [0; 1000]).unwrap();
        drop(stream);
        wait_until("the build stops", || made.live() == 0);
    }
    assert!(made.bytes() < 3 * (WINDOW + BUFFERS), "{} bytes for nobody", made.bytes());
}

#[test]
fn a_source_that_breaks_in_the_middle() {
    let made = Made::broken(3 * MIB, 9, MIB);
    let served = served(&[&made]);
    let (_, size) = digest(open(&served.address, "GET", &made.target(), &[]));
    assert!(size <= MIB, "{size} bytes came of {MIB}");
    let failures = served.events("source \"/the/source\" does not exist");
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].starts_with(&made.target()), "{failures:?}");
    // A later request gets the same error.
    digest(open(&served.address, "GET", &made.target(), &[]));
    assert_eq!(made.begun(), 2);
}

#[test]
fn a_source_that_is_gone() {
    let made = Made::new(3 * MIB, 10);
    let served = served(&[&made]);
    made.is_gone.store(true, Ordering::SeqCst);
    let answer = served.get(made.target());
    assert_eq!((answer.status, &*answer.code()), (500, "UNKNOWN"));
    assert!(!answer.json().to_string().contains("/the/source"));
    assert_eq!(served.events("source \"/the/source\" does not exist").len(), 1);
    made.is_gone.store(false, Ordering::SeqCst);
    assert_whole(&made, open(&served.address, "GET", &made.target(), &[]));
}

/// The source has changed since it was described.
#[test]
fn a_source_that_changed() {
    let (right, wrong) = (Made::new(3 * MIB, 11), Made::new(3 * MIB, 12));
    let mut changed = Arc::into_inner(wrong).unwrap();
    changed.descriptor.digest = right.descriptor.digest;
    let changed = Arc::new(changed);
    let served = served(&[&changed]);
    let (_, size) = digest(open(&served.address, "GET", &changed.target(), &[]));
    assert!(size < 3 * MIB, "a wrong blob was sent completely");
    assert_eq!(served.events("is damaged").len(), 1);
}

/// Running requests are answered, and no new ones are accepted.
#[test]
fn stopping_waits_for_running_responses() {
    let made = Made::new(2 * WINDOW, 13);
    let Served { address, serving, .. } = served(&[&made]);
    let stream = open(&address, "GET", &made.target(), &[]);
    let mut reader = stream.try_clone().unwrap();
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    let idle = TcpStream::connect(&address).unwrap();
    thread::scope(|scope| {
        let stop = scope.spawn(|| serving.stop());
        wait_until("it accepts no more connections", || TcpStream::connect(&address).is_err());
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert!(rest.len() as u64 > made.descriptor.size, "{} bytes came", rest.len());
        stop.join().unwrap();
    });
    drop((stream, idle));
}
