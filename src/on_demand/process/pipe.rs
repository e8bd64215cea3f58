//! Reads what a program writes, in a thread, so that the program never waits for a full pipe.

use std::{
    io::{self, Read},
    mem,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::pool::lock;

/// How long after the end of a program its pipe may stay open. A process that left the program's
/// group can keep it open for ever.
const PATIENCE: Duration = Duration::from_millis(500);

/// The bytes of a pipe.
#[derive(Debug, Default)]
pub(crate) struct Bytes {
    pub(crate) bytes: Vec<u8>,
    /// Whether nothing was left out.
    pub(crate) is_whole: bool,
}

/// A pipe that a thread reads.
pub(crate) struct Pipe {
    read: Arc<Mutex<Bytes>>,
    end: Receiver<()>,
}

impl Pipe {
    /// Starts to read. At most `most` bytes are read, unless `tail` says how much of the end is kept.
    pub(crate) fn read(
        pipe: Option<impl Read + Send + 'static>,
        most: usize,
        tail: Option<usize>,
    ) -> io::Result<Self> {
        let read = Arc::new(Mutex::new(Bytes { bytes: Vec::new(), is_whole: true }));
        let (sender, end) = sync_channel(1);
        let place = Arc::clone(&read);
        thread::Builder::new().name("pipe".to_owned()).spawn(move || {
            let mut buffer = [0; 16 << 10];
            let mut pipe = pipe;
            while let Some(pipe) = &mut pipe {
                let count = match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => {
                        lock(&place).is_whole = false;
                        break;
                    }
                };
                let Bytes { bytes, is_whole } = &mut *lock(&place);
                if bytes.len() + count > most {
                    *is_whole = false;
                    break;
                }
                bytes.extend_from_slice(&buffer[..count]);
                if let Some(tail) = tail
                    && bytes.len() > tail * 2
                {
                    bytes.drain(..bytes.len() - tail);
                    *is_whole = false;
                }
            }
            let _ = sender.send(());
        })?;
        Ok(Self { read, end })
    }

    /// Whether the program wrote more than it may.
    pub(crate) fn has_overflown(&self) -> bool {
        !lock(&self.read).is_whole
    }

    /// What was read until the pipe was closed.
    pub(crate) fn finish(self) -> Bytes {
        let is_closed = self.end.recv_timeout(PATIENCE).is_ok();
        let mut read = mem::take(&mut *lock(&self.read));
        read.is_whole &= is_closed;
        read
    }
}
