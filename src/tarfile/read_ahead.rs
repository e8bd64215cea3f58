//! Reads ahead in a thread, so that decompressing a tar overlaps with what its reader does.

use std::{
    io::{self, Cursor, Read},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

/// The size of a block, and the number of blocks that wait for the reader at most.
const BLOCK: u64 = 256 << 10;
const BLOCKS: usize = 4;

/// Calls `f` with the bytes of a source, which a thread reads a few blocks ahead. If the system
/// refuses the thread, `f` reads the source itself.
///
/// The source is read no further than `f` reads, but for the blocks ahead. An error of the source
/// reaches `f` after the bytes before it.
pub(crate) fn read_ahead<T>(
    source: &mut (dyn Read + Send),
    f: impl FnOnce(&mut dyn Read) -> T,
) -> T {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(BLOCKS);
        // The source is handed over after the thread has started, because a thread that does not
        // start would take the source with it.
        let (hand_over, handed_over) = sync_channel::<&mut (dyn Read + Send)>(1);
        let started = thread::Builder::new().spawn_scoped(scope, move || {
            let Ok(source) = handed_over.recv() else { return };
            loop {
                let mut block = Vec::with_capacity(BLOCK as usize);
                let read = source.take(BLOCK).read_to_end(&mut block);
                let is_last = read.is_err() || block.is_empty();
                let is_unwanted = |block| sender.send(block).is_err();
                if !block.is_empty() && is_unwanted(Ok(block)) {
                    return;
                }
                if let Err(error) = read {
                    is_unwanted(Err(error));
                }
                if is_last {
                    return;
                }
            }
        });
        if started.is_err() {
            return f(source);
        }
        // The thread receives it, whatever happens.
        let _ = hand_over.send(source);
        f(&mut Blocks { receiver, block: Cursor::default() })
    })
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
                Ok(block) => self.block = Cursor::new(block?),
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails after so many bytes.
    struct Failing(u64);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.min(buffer.len() as u64);
            self.0 -= length;
            buffer[..length as usize].fill(7);
            match length {
                0 => Err(io::Error::other("the disk is gone")),
                _ => Ok(length as usize),
            }
        }
    }

    #[test]
    fn all_bytes_come_in_order() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut read = Vec::new();
            read_ahead(&mut &bytes[..], |ahead| ahead.read_to_end(&mut read)).unwrap();
            assert!(read == bytes, "{size}");
        }
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        for size in [0, 1, BLOCK, 7 * BLOCK + 3] {
            let mut read = Vec::new();
            let error = read_ahead(&mut Failing(size), |ahead| ahead.read_to_end(&mut read));
            assert_eq!(error.unwrap_err().to_string(), "the disk is gone");
            assert_eq!(read, vec![7; size as usize]);
        }
    }

    /// A source without an end.
    #[test]
    fn little_is_read_that_is_not_wanted() {
        let mut source = io::repeat(7).take(u64::MAX);
        read_ahead(&mut source, |ahead| ahead.read_exact(&mut [0; 10])).unwrap();
        assert!(u64::MAX - source.limit() <= (BLOCKS as u64 + 2) * BLOCK);
    }
}
