//! A layer read from its first entry to its last, with its decompression ahead in a thread of its
//! own.

use std::{
    io::{self, Cursor, Read},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use crate::{
    basics::{
        digest::HashRead,
        error::{Error, Result},
    },
    blob::traits::Blob,
    tarfile::{
        decompress::unpacked,
        reader::{TarError, TarReader},
    },
};

/// The bytes that one message to the reader has, and how many messages wait for it at most.
const BLOCK: u64 = 256 << 10;
const BLOCKS: usize = 4;

/// Why the reading of a layer ended early.
pub(crate) enum Fault {
    /// The tar is damaged, or the blob is.
    Tar(TarError),
    /// Anything else.
    Other(Error),
}

impl From<TarError> for Fault {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

type Layer<'a> = TarReader<Box<dyn Read + 'a>>;

/// Reads a layer, and checks its size and digest if all of it was read: a `f` that returns `false`
/// wants no more of it.
///
/// # Errors
///
/// Those of opening the layer and of `f`. If the layer is damaged, that explains a damaged tar.
pub(crate) fn read_layer(
    layer: &dyn Blob,
    f: impl FnOnce(&mut Layer<'_>) -> Result<bool, Fault>,
) -> Result<()> {
    let descriptor = layer.descriptor();
    let source = layer.open()?;
    let is_enough = AtomicBool::new(false);
    let (read, blob) = thread::scope(|scope| {
        let (sender, receiver) = sync_channel(BLOCKS);
        let reading =
            thread::Builder::new().spawn_scoped(scope, || send(source, sender, &is_enough));
        let reading = reading.map_err(|cause| Error::blob(descriptor.digest, cause))?;
        let mut tar: Layer<'_> =
            TarReader::new(Box::new(Blocks { receiver, block: Cursor::default() }));
        let read = f(&mut tar);
        is_enough.store(matches!(read, Ok(false) | Err(Fault::Other(_))), Ordering::SeqCst);
        drop(tar);
        let blob = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>((read, blob))
    })?;
    let check = || {
        let (digest, size) = blob.map_err(|cause| Error::blob(descriptor.digest, cause))?.finish();
        descriptor.check(size, Some(digest))
    };
    match read {
        Ok(true) => check(),
        Ok(false) => Ok(()),
        Err(Fault::Other(error)) => Err(error),
        Err(Fault::Tar(error)) => {
            check()?;
            Err(Error::blob(descriptor.digest, io::Error::other(error.to_string())))
        }
    }
}

type Source<'a> = HashRead<Box<dyn Read + Send + 'a>>;

/// Sends the blocks of the tar. Returns the blob, of which everything was read unless that is
/// enough.
fn send<'a>(
    source: Box<dyn Read + Send + 'a>,
    blocks: SyncSender<io::Result<Vec<u8>>>,
    is_enough: &AtomicBool,
) -> io::Result<Source<'a>> {
    let mut source = HashRead::new(source);
    {
        let mut tar = unpacked(&mut source)?;
        loop {
            let mut block = Vec::with_capacity(BLOCK as usize);
            let read = tar.by_ref().take(BLOCK).read_to_end(&mut block);
            let is_last = read.is_err() || block.is_empty();
            let block = read.map(|_| block);
            if blocks.send(block).is_err() || is_last {
                break;
            }
        }
    }
    drop(blocks);
    if !is_enough.load(Ordering::SeqCst) {
        io::copy(&mut source, &mut io::sink())?;
    }
    Ok(source)
}

struct Blocks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    block: Cursor<Vec<u8>>,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.block.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.receiver.recv() {
                Ok(Ok(block)) if block.is_empty() => return Ok(0),
                Ok(block) => self.block = Cursor::new(block?),
                Err(_) => return Ok(0),
            }
        }
    }
}
