//! Decompresses a layer ahead of its reader, and blocks that have [labels](super::label) in several
//! threads.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read},
    sync::{
        Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, Scope},
};

use crate::{
    basics::sync::lock,
    tarfile::{
        Compression,
        compressed_block::{CompressedBlock, Next},
        decompress::{decompress, gzip_rest, unpacked, zstd},
    },
};

/// The threads that decompress blocks. A reader of tars is not faster than two of them.
const WORKERS: usize = 2;

/// How many parts of the tar wait for the reader at most.
const AHEAD: usize = 4;

/// The size of a part that no label delimits.
const PART: u64 = 256 << 10;

/// Calls `f` with the tar in the bytes of a layer, which threads read and decompress ahead. If the
/// system refuses the threads, `f` does this itself.
///
/// The bytes are read no further than `f` reads, but for the parts ahead. An error reaches `f` after
/// the contents before it.
pub(crate) fn decompress_ahead<T>(
    blob: &mut (dyn Read + Send),
    f: impl FnOnce(&mut dyn Read) -> T,
) -> T {
    let (jobs, queue) = sync_channel(AHEAD);
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        let workers = (0..WORKERS).filter(|_| start(scope, || work(&queue))).count();
        let jobs = (workers > 0).then_some(jobs);
        let (parts, receiver) = sync_channel(AHEAD);
        // The blob is handed over after the thread has started, because a thread that does not
        // start would take the blob with it.
        let (hand_over, handed_over) = sync_channel::<&mut (dyn Read + Send)>(1);
        let started = start(scope, move || {
            if let Ok(blob) = handed_over.recv() {
                Ahead { parts, jobs }.read(blob);
            }
        });
        if !started {
            return match unpacked(blob) {
                Ok(mut tar) => f(&mut tar),
                Err(error) => f(&mut Failed(Some(error))),
            };
        }
        // The thread receives it, whatever happens.
        let _ = hand_over.send(blob);
        f(&mut Parts { receiver, part: Cursor::default() })
    })
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, f: impl FnOnce() + Send + 'scope) -> bool {
    thread::Builder::new().spawn_scoped(scope, f).is_ok()
}

/// A part of the tar, or why it cannot be read.
type Contents = io::Result<Vec<u8>>;

/// A block to decompress, and where its contents go.
type Job = (CompressedBlock, SyncSender<Contents>);

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = lock(queue).recv();
        let Ok((block, done)) = next else { return };
        // The reader may want no more.
        let _ = done.send(block.decompress());
    }
}

/// Passes on the parts of a tar in order, each as soon as it has begun.
struct Ahead {
    parts: SyncSender<Receiver<Contents>>,
    jobs: Option<SyncSender<Job>>,
}

/// The reader wants no more.
struct Unwanted;

impl Ahead {
    fn read(&self, blob: &mut (dyn Read + Send)) {
        if let Err(error) = self.pass_on(blob) {
            let _ = self.send(Err(error));
        }
    }

    fn pass_on(&self, blob: &mut (dyn Read + Send)) -> io::Result<()> {
        let mut stream = BufReader::with_capacity(PART as usize, blob);
        let mut last = None;
        let start = loop {
            let Some(jobs) = &self.jobs else { break Vec::new() };
            match CompressedBlock::next(&mut stream)? {
                Next::Rest(start) => break start,
                Next::Block(block) => {
                    last = Some(block.compression);
                    let (done, contents) = sync_channel(1);
                    // The workers live as long as this.
                    if self.parts.send(contents).is_err() || jobs.send((block, done)).is_err() {
                        return Ok(());
                    }
                }
            }
        };
        let is_end = start.is_empty() && stream.fill_buf()?.is_empty();
        let rest = Cursor::new(start).chain(stream);
        let mut rest = match last {
            None => decompress(rest)?.1,
            Some(_) if is_end => return Ok(()),
            Some(Compression::Zstd { .. }) => zstd(rest)?,
            Some(_) => gzip_rest(rest),
        };
        loop {
            let mut part = Vec::with_capacity(PART as usize);
            let read = rest.as_mut().take(PART).read_to_end(&mut part);
            let is_last = part.is_empty();
            if !is_last && self.send(Ok(part)).is_err() {
                return Ok(());
            }
            read?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn send(&self, contents: Contents) -> Result<(), Unwanted> {
        let (done, part) = sync_channel(1);
        // There is room for one.
        let _ = done.send(contents);
        self.parts.send(part).map_err(|_| Unwanted)
    }
}

/// The tar, as its parts arrive.
struct Parts {
    receiver: Receiver<Receiver<Contents>>,
    part: Cursor<Vec<u8>>,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.part.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Ok(next) = self.receiver.recv() else { return Ok(0) };
            let ended = |_| io::Error::other("a thread that decompresses ended early");
            self.part = Cursor::new(next.recv().map_err(ended)??);
        }
    }
}

/// Fails once, as the opening of a stream did.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(all(test, feature = "gzip", feature = "zstd"))]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::GzEncoder};

    use super::*;

    /// Blocks of the byte format.
    fn blocks(compression: Compression, contents: &[&[u8]]) -> Vec<u8> {
        let mut codec = compression.codec().unwrap().unwrap();
        let compress = |block: &&[u8]| {
            let mut output = vec![0; codec.bound(block.len())];
            let size = codec.compress(block, &mut output).unwrap();
            output.truncate(size);
            output
        };
        contents.iter().flat_map(compress).collect()
    }

    fn of_others(contents: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    fn read_whole(tar: &mut dyn Read) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        tar.read_to_end(&mut contents).map(|_| contents)
    }

    fn ahead(mut blob: &[u8]) -> io::Result<Vec<u8>> {
        decompress_ahead(&mut blob, read_whole)
    }

    fn in_order(blob: &[u8]) -> io::Result<Vec<u8>> {
        read_whole(&mut unpacked(blob)?)
    }

    /// Bytes that compress a little.
    fn noise(size: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let step = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        };
        (0..size).map(step).collect()
    }

    #[test]
    fn blocks_are_read_as_the_decompressors_do() {
        let (small, large) = (noise(1000, 1), noise(1 << 20, 2));
        let all: Vec<&[u8]> = vec![&small, &large, b"", &small, &large, &large, &large, &large];
        let gzip = blocks(Compression::GZIP, &all);
        let zstd = blocks(Compression::ZSTD, &all);
        let label = crate::tarfile::label::zstd_label(3).to_vec();
        let large_frame = blocks(Compression::ZSTD, &[&noise(5 << 20, 3)]);
        let other_zstd = zstd::encode_all(&small[..], 3).unwrap();
        let plain = noise(3_000_000, 4);
        for (name, blob) in [
            ("gzip", gzip.clone()),
            ("gzip of others", of_others(&large)),
            ("gzip, then of others", [gzip.clone(), of_others(&small)].concat()),
            ("gzip of others, then gzip", [of_others(&small), gzip.clone()].concat()),
            ("gzip with padding", [&gzip[..], &[0; 700]].concat()),
            ("zstd", [zstd.clone(), label.clone()].concat()),
            ("zstd without a label", zstd.clone()),
            ("a tiny frame", [blocks(Compression::ZSTD, &[&[0; 1024]]), label.clone()].concat()),
            ("frames of others", other_zstd.clone()),
            ("zstd, then of others", [zstd.clone(), other_zstd.clone()].concat()),
            ("of others, then zstd", [other_zstd, zstd.clone()].concat()),
            ("too large a frame", [large_frame, zstd.clone()].concat()),
            ("plain", plain),
            ("four bytes", b"abcd".to_vec()),
            ("nothing", Vec::new()),
        ] {
            let expected = in_order(&blob).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(ahead(&blob).unwrap() == expected, "{name}");
        }
        assert!(ahead(&gzip).unwrap() == all.concat());
        assert!(ahead(&zstd).unwrap() == all.concat());
    }

    #[test]
    fn damage_is_an_error_after_what_comes_before_it() {
        let (one, two) = (noise(50_000, 1), noise(60_000, 2));
        for compression in [Compression::GZIP, Compression::ZSTD] {
            let first = blocks(compression, &[&one]);
            let blob = [first.clone(), blocks(compression, &[&two])].concat();
            let mut damaged = Vec::new();
            // Garbage, ends too early, and bytes that differ.
            damaged.push([&blob[..], b"garbage"].concat());
            damaged.extend([1, 5, 12, 100].map(|less| blob[..blob.len() - less].to_vec()));
            damaged.extend([1, 2].map(|more| blob[..first.len() + more].to_vec()));
            for at in [first.len() + 1000, blob.len() - 100] {
                let mut other = blob.clone();
                other[at] ^= 0x55;
                // zstd without checksums cannot know.
                if in_order(&other).is_err() {
                    damaged.push(other);
                }
            }
            for blob in damaged {
                let mut read = Vec::new();
                decompress_ahead(&mut &blob[..], |tar| tar.read_to_end(&mut read)).unwrap_err();
                assert!(read.starts_with(&one), "{compression}: {}", read.len());
                in_order(&blob).unwrap_err();
            }
        }
    }

    /// Other readers would find other contents, or more of them.
    #[test]
    fn a_label_that_lies_is_an_error() {
        let blob = blocks(Compression::GZIP, &[b"one", b"two"]);
        let first = blocks(Compression::GZIP, &[b"one"]).len();
        // Members whose last bytes have the right size, so that nothing else gives them away.
        let same = blocks(Compression::GZIP, &[b"one", b"one"]);
        let padded = [&same[..first], &[0; 40], &same[first - 8..first]].concat();
        for (name, blob, size) in [
            ("two members as one", &blob, blob.len()),
            ("two equal members as one", &same, same.len()),
            ("bytes after the end", &padded, padded.len()),
            ("too short", &blob, first - 1),
        ] {
            let mut blob = blob.clone();
            blob[16..20].copy_from_slice(&(size as u32).to_le_bytes());
            assert!(ahead(&blob).is_err(), "{name}");
        }
    }

    /// A source without an end.
    #[test]
    fn little_is_read_that_is_not_wanted() {
        let block = blocks(Compression::GZIP, &[&noise(100_000, 1)]);
        let mut count = 0;
        struct Endless<'a>(&'a [u8], usize, &'a mut usize);
        impl Read for Endless<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let read = (&self.0[self.1..]).read(buffer)?;
                self.1 = (self.1 + read) % self.0.len();
                *self.2 += read;
                Ok(read)
            }
        }
        let mut source = Endless(&block, 0, &mut count);
        decompress_ahead(&mut source, |tar| tar.read_exact(&mut [0; 10])).unwrap();
        let most = (AHEAD + WORKERS + AHEAD + 2) * block.len() + PART as usize;
        assert!(count <= most, "{count}");
    }
}
