//! The blocks of a pipeline that are in memory, and what is done with each.

use std::{collections::VecDeque, mem, sync::Arc};

use crate::{
    basics::Error,
    pool::Buffer,
    tarfile::chunked::{pieces::Piece, sums::Frame},
};

/// The blocks in memory, and the tasks at work on them.
#[derive(Default)]
pub(super) struct Queue {
    /// The blocks from the first one that is not done.
    pub(super) blocks: VecDeque<Block>,
    /// The offset at which the next block begins.
    pub(super) next: u64,
    /// The number of blocks that are done, which is the number of the first of `blocks`.
    pub(super) done: u64,
    /// The number of blocks whose tar bytes are hashed.
    pub(super) hashed: u64,
    /// Whether a thread hashes blocks of the tar.
    pub(super) hashing: bool,
    /// Whether a thread hashes and writes a part of the blob.
    pub(super) emitting: bool,
    pub(super) failed: Option<Error>,
    pub(super) aborted: bool,
}

/// A block between reading and writing.
#[derive(Default)]
pub(super) struct Block {
    /// The bytes of the tar, once they are read and as long as a task needs them.
    pub(super) tar: Option<Arc<TarBlock>>,
    pub(super) output: Output,
}

/// The bytes of a block.
pub(super) struct TarBlock {
    pub(super) bytes: Buffer,
    /// The pieces that are compressed separately.
    pub(super) pieces: Vec<Piece>,
}

/// The part of the blob that a block becomes.
#[derive(Default)]
pub(super) enum Output {
    #[default]
    Unclaimed,
    /// A thread compresses the block, or its output is written.
    Claimed,
    Ready(Part),
}

/// A part of the blob.
pub(super) enum Part {
    Tar(Arc<TarBlock>),
    Compressed(Buffer, Vec<Frame>),
}

/// The number of blocks that one task hashes, if they are ready. The end of a task wakes waiting
/// threads, which takes some time.
const HASHED_AT_ONCE: usize = 2;

impl Block {
    /// Releases the buffer for another block or its output.
    pub(super) fn forget_tar(&mut self, hashed: bool) {
        if hashed && matches!(self.output, Output::Ready(_)) {
            self.tar = None;
        }
    }

    pub(super) fn is_unclaimed(&self) -> bool {
        matches!(self.output, Output::Unclaimed)
    }
}

impl Queue {
    /// Claims the output of the oldest block, once its tar bytes are hashed.
    pub(super) fn claim_output(&mut self) -> Option<Part> {
        if self.emitting || self.hashed == self.done {
            return None;
        }
        let output = &mut self.blocks.front_mut()?.output;
        match mem::replace(output, Output::Claimed) {
            Output::Ready(part) => {
                self.emitting = true;
                Some(part)
            }
            other => {
                *output = other;
                None
            }
        }
    }

    /// Claims the next blocks that are read and not hashed.
    pub(super) fn claim_hash(&mut self) -> Option<Vec<Arc<TarBlock>>> {
        let hashed = (self.hashed - self.done) as usize;
        let ready = self.blocks.range(hashed..).map_while(|block| block.tar.clone());
        let ready: Vec<_> = ready.take(HASHED_AT_ONCE).collect();
        if self.hashing || ready.is_empty() {
            return None;
        }
        self.hashing = true;
        Some(ready)
    }

    pub(super) fn finish_block(&mut self) {
        self.done += 1;
        self.blocks.pop_front();
    }
}
