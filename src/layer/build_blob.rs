//! Builds a blob from a tar, to store it, verify it, or return it to a reader.

use std::{
    io::{self, Cursor, Read, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use crate::{
    basics::{Digest, Error, Result},
    document::Descriptor,
    layer::{
        checks::Comparison,
        pipeline::{Tar, pass},
        stream::TarStream,
    },
    pool::Pool,
    recipe::Checks,
    tarfile::Compression,
};

/// Builds a described blob. A difference from the description is an error before the different
/// bytes are written.
pub(crate) fn make(
    stream: &TarStream,
    compression: Compression,
    descriptor: &Descriptor,
    checks: Option<&Checks>,
    pool: &Pool,
    sink: &mut (dyn Write + Send),
) -> Result<()> {
    let digest = descriptor.digest;
    let mut comparison =
        checks.map(|checks| Comparison::new(checks, stream, digest)).transpose()?;
    let mut compare = |block: &[u8], hasher: &_| match &mut comparison {
        Some(comparison) => comparison.block(block, hasher),
        None => Ok(()),
    };
    let tar = Tar { stream, listing: None, compression, earlier: None, cache: None, pool };
    let made = pass(tar, Some(sink), &|_| (), &mut compare)?.descriptor;
    if made.digest != digest {
        let actual = format!("{}: a source changed", made.digest);
        return Err(Error::BlobDamaged { digest, expected: digest.to_string(), actual });
    }
    descriptor.check(made.size, None)
}

/// A function that builds a blob into a writer.
type Make = Box<dyn FnOnce(&mut (dyn Write + Send)) -> Result<()> + Send>;

/// Reads a blob while a separate thread builds it, starting with the first read. Returns the last
/// part only after the whole blob is verified.
pub(crate) struct MadeReader(State);

enum State {
    Waiting { digest: Digest, make: Make },
    Making { receiver: Receiver<Result<Vec<u8>>>, part: Cursor<Vec<u8>> },
    Ended,
}

impl MadeReader {
    pub(crate) fn new(
        digest: Digest,
        make: impl FnOnce(&mut (dyn Write + Send)) -> Result<()> + Send + 'static,
    ) -> Self {
        Self(State::Waiting { digest, make: Box::new(make) })
    }
}

impl Read for MadeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let State::Waiting { .. } = self.0
            && let State::Waiting { digest, make } = mem::replace(&mut self.0, State::Ended)
        {
            let receiver = start(make).map_err(|cause| Error::blob(digest, cause))?;
            self.0 = State::Making { receiver, part: Cursor::default() };
        }
        let State::Making { receiver, part } = &mut self.0 else { return Ok(0) };
        loop {
            let n = part.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let gone = |_| {
                io::Error::other("the thread that builds the blob panicked: report this defect")
            };
            let next = receiver.recv().map_err(gone)??;
            if next.is_empty() {
                self.0 = State::Ended;
                return Ok(0);
            }
            *part = Cursor::new(next);
        }
    }
}

fn start(make: Make) -> io::Result<Receiver<Result<Vec<u8>>>> {
    let (sender, receiver) = sync_channel(1);
    let run = move || {
        let mut sink = Sink { sender, last: Vec::new() };
        let end = make(&mut sink).map(|()| Vec::new());
        if end.is_ok() {
            let _ = sink.send(Vec::new());
        }
        // If the reader was dropped, the result is not needed.
        let _ = sink.sender.send(end);
    };
    thread::Builder::new().spawn(run).map(|_| receiver)
}

/// Sends the written bytes, but holds back the last part.
struct Sink {
    sender: SyncSender<Result<Vec<u8>>>,
    last: Vec<u8>,
}

impl Sink {
    /// Sends the part that was held back, and holds back this one.
    fn send(&mut self, next: Vec<u8>) -> io::Result<()> {
        match mem::replace(&mut self.last, next) {
            // An empty part signals the end to the reader.
            nothing if nothing.is_empty() => Ok(()),
            part => self.sender.send(Ok(part)).map_err(|_| io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes.to_vec()).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
